// A host of one slot that does what its standard input says, a word per line, and answers each with a line:
// `ok …`, or `refused CODE MESSAGE: HINT`. Made to be killed and lied to at any system call.
//
//   FaultHost STATE-DIRECTORY MODULE TRUSTED-KEY HELPER BREAKER-WAIT-MILLISECONDS
import Agent
import CHitless
import Glibc
import Refusal
import Staging

let host = Host(CommandLine.arguments)
while let line = readLine() {
  host.say(host.answer(to: line.split(separator: " ", maxSplits: 1).map(String.init)))
}

/// The host; its only worker is the thread that reads the orders, and idle meanwhile.
@safe
final class Host {
  private let arguments: [String]
  private var agent: Agent?
  private var worker: UnsafeMutablePointer<hitless_worker>?

  init(_ arguments: [String]) { self.arguments = arguments }

  func answer(to words: [String]) -> String {
    do throws(Refusal) {
      return "ok \(try obey(words))"
    } catch {
      let hint = error.hint.map { ": \($0)" } ?? ""
      return "refused \(error.kind.rawValue) \(error.message)\(hint)"
    }
  }

  func say(_ line: String) {
    let bytes = Array("\(line)\n".utf8)
    // SAFETY: the pointer is used for the call alone.
    _ = unsafe bytes.withUnsafeBytes { unsafe write(STDOUT_FILENO, $0.baseAddress, $0.count) }
  }

  private func obey(_ words: [String]) throws(Refusal) -> String {
    switch words.first {
    case "start": try start()
    case "install": _ = try running().install(patch: patch(words[1]))
    case "activate": _ = try running().activate(try running().currentTransaction())
    case "confirm": try running().confirm(try running().currentTransaction())
    case "rollback": try running().rollback(try running().currentTransaction())
    case "freeze": _ = try running().freeze(reason: "a test", by: .host)
    case "release": try running().release(by: .host)
    case "pardon": _ = try running().release(patch: words[1], by: .host)
    case "frozen": return "\(try running().status().isFrozen)"
    case "close": try close()
    case "result": return "\(try result())"
    case "descriptors": return "\(try descriptors())"
    case "rollbacks": return "\(try running().status().counters.rollbacks)"
    default: throw Refusal(.usage, "no such order")
    }
    return ""
  }

  private func running() throws(Refusal) -> Agent {
    guard let agent else { throw Refusal(.state, "not started") }
    return agent
  }

  private func start() throws(Refusal) {
    var options = AgentOptions(stateDirectory: arguments[1])
    options.trustKeys = [arguments[3]]
    options.probe = arguments[4]
    // A thread of its own would make system calls in the middle of those that are counted.
    options.golden.interval = 0
    options.breaker.wait = (UInt64(arguments[5]) ?? 0) * 1_000_000
    // Announced calls take their time, and so may whoever else uses this machine.
    options.probeTimeout = 100_000_000_000
    let agent = try Agent(options)
    let requirement = SlotRequirement(
      name: "alpha", interfaceID: 0x61, interfaceVersion: 1, tableSize: 16)
    _ = try agent.defineSlot(SlotOptions(requirement, module: arguments[2]))
    try agent.start()
    self.agent = agent
    let worker = unsafe try agent.registerWorker(name: "worker")
    unsafe hitless_idle(worker)
    unsafe self.worker = worker
  }

  private func close() throws(Refusal) {
    if let worker = unsafe worker {
      unsafe try running().unregisterWorker(worker)
      unsafe self.worker = nil
    }
    try running().close()
  }

  /// What the module in force makes of 10.
  private func result() throws(Refusal) -> Int32 {
    typealias Answer = @convention(c) (Int32) -> Int32
    guard let worker = unsafe worker else { throw Refusal(.state, "not started") }
    unsafe hitless_resume(worker)
    defer { unsafe hitless_idle(worker) }
    guard let table = unsafe hitless_table(hitless_enter(worker), 0) else { return -1 }
    // SAFETY: the table of TestModule starts with this function.
    return unsafe table.assumingMemoryBound(to: Answer.self).pointee(10)
  }

  private func patch(_ path: String) throws(Refusal) -> [UInt8] {
    guard let file = unsafe fopen(path, "rb") else { throw Refusal(.io, "no patch") }
    // SAFETY: the file is open until the defer at the end of this scope.
    defer { _ = unsafe fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    // SAFETY: the array has as many bytes as are asked for.
    let count = unsafe fread(&bytes, 1, bytes.count, file)
    return Array(bytes[..<count])
  }

  private func descriptors() throws(Refusal) -> Int {
    guard let stream = unsafe opendir("/proc/self/fd") else { throw Refusal(.io, "no /proc") }
    // SAFETY: the stream is open until the defer at the end of this scope.
    defer { _ = unsafe closedir(stream) }
    var count = 0
    while unsafe readdir(stream) != nil { count += 1 }
    return count
  }
}
