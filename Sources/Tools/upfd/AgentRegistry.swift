internal import Agent
internal import CHitless
internal import Refusal
internal import UPF

/// Lets the user plane's workers register with the agent.
struct AgentRegistry: WorkerRegistry {
  private let agent: Agent

  init(_ agent: Agent) { self.agent = agent }

  func registerWorker(name: String) throws(Refusal) -> UnsafeMutablePointer<hitless_worker> {
    try unsafe agent.registerWorker(name: name)
  }

  func unregisterWorker(_ worker: UnsafeMutablePointer<hitless_worker>) {
    do throws(Refusal) {
      try unsafe agent.unregisterWorker(worker)
    } catch {
      Console.report(error)
    }
  }
}
