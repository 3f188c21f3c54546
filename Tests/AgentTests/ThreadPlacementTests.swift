import Agent
import AgentControl
import Bytes
import Glibc
import Platform
import Refusal
import TestSupport
import Testing

/// The agent's threads can be kept away from the workers' processors, and can be told to yield.
///
/// One after the other: a test finds its threads by their nice value among all of the process.
@Suite("Where the agent's threads run", .serialized)
struct ThreadPlacementTests {
  let site: Site
  let processor: Int32
  /// Nobody else in the test process has it, so that the threads of this test are told from others'.
  let nice: Int32 = 13

  init() throws {
    site = try Site()
    processor = try #require(try Self.allowedProcessors().last)
    site.options.controlSocket = site.directory.path("control")
    site.options.confirmTimeout = 600_000_000_000
  }

  @Test func `threads and helper keep to the processors and the nice value they were given`() throws
  {
    site.options.threads = ThreadPlacement(processors: [processor], nice: nice)
    let helper = try noteOfHelper()
    let agent = try site.start()
    let client = try ControlClient(path: site.directory.path("control"))
    _ = try client.ask(ControlRequest("install", ["patch": .bytes(try site.patch())]))
    let note = String(decoding: contents(of: helper) ?? [], as: UTF8.self)
    #expect(note.contains("\(nice)\n"))
    #expect(note.contains("Cpus_allowed_list:\t\(processor)\n"))
    _ = try client.ask(ControlRequest("activate"))
    let wanted = [
      "hitless-ctl", "hitless-ctl-1", "hitless-guard", "hitless-timer", "hitless-watch",
    ]
    #expect(eventually { threads().map(\.name) == wanted })
    #expect(threads().allSatisfy { $0.processors == "\(processor)" }, "\(threads())")
    // The thread that opened the agent stays where it was.
    #expect(try Self.allowedProcessors().count >= 1)
    #expect(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0) != nice)
    try agent.close()
    #expect(eventually { threads().isEmpty })
  }

  @Test func `what nobody asked for stays as it is`() throws {
    let agent = try site.start()
    _ = try ControlClient(path: site.directory.path("control")).ask(ControlRequest("list"))
    #expect(threads().isEmpty)
    try agent.close()
  }

  @Test(arguments: [
    ThreadPlacement(processors: [1023]), ThreadPlacement(processors: [-1]),
    ThreadPlacement(processors: [.max]),
  ])
  func `a processor that there is not is told when the agent is opened`(
    placement: ThreadPlacement
  ) throws {
    site.options.threads = placement
    expectRefusal(.usage) { _ = try site.open() }
    #expect(try !site.directory.names.contains("state"))
  }

  private struct Thread {
    let name: String
    let processors: String
  }

  /// The threads of this process with this test's nice value, by name.
  private func threads() -> [Thread] {
    names(in: "/proc/self/task").compactMap { task in
      let files = ["stat", "status"].map {
        String(decoding: contents(of: "/proc/self/task/\(task)/\($0)") ?? [], as: UTF8.self)
      }
      // Field 19 of proc(5); the fields behind the name in parentheses begin with number 3.
      let fields = files[0].split(separator: ")").last?.split(separator: " ") ?? []
      guard fields.count > 16, fields[16] == "\(nice)" else { return nil }
      return Thread(
        name: Self.line("Name", files[1]), processors: Self.line("Cpus_allowed_list", files[1]))
    }.sorted { $0.name < $1.name }
  }

  private static func line(_ key: String, _ text: String) -> String {
    let line = text.split(separator: "\n").first { $0.hasPrefix("\(key):\t") } ?? ""
    return String(line.dropFirst(key.utf8.count + 2))
  }

  private static func allowedProcessors() throws -> [Int32] {
    let status = String(decoding: contents(of: "/proc/thread-self/status") ?? [], as: UTF8.self)
    return line("Cpus_allowed_list", status).split(separator: ",").flatMap { part -> [Int32] in
      let ends = part.split(separator: "-").compactMap { Int32($0) }
      return ends.isEmpty ? [] : Array(ends[0]...ends[ends.count - 1])
    }
  }

  /// Puts a program in the helper's place that notes where it runs, and then is the helper.
  private func noteOfHelper() throws -> String {
    let probe = try #require(site.options.probe)
    let note = site.directory.path("note")
    let text = """
      #!/bin/sh
      { /usr/bin/nice; /bin/grep Cpus_allowed_list: /proc/self/status; } >'\(note)'
      exec '\(probe)' "$@"

      """
    let path = try site.directory.write("helper", Array(text.utf8))
    unsafe chmod(path, 0o755)
    site.options.probe = path
    return note
  }
}
