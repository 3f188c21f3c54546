import Agent
import AgentControl
import Bytes
import CTestSystem
import Glibc
import Platform
import Refusal
import TestSupport
import Testing

/// Hosts start other programs, and some do it by `fork`.
@Suite("A host that forks")
struct ForkTests {
  /// The child used to share the lock of the state directory and the listening socket: as long as it lived, no agent
  /// could start there, and who connected waited for nobody.
  @Test func `its child has no file of the agent, and no module's`() throws {
    let site = try Site()
    let socket = site.directory.path("control")
    site.options.controlSocket = socket
    var agent = try site.start()
    let worker = try TestWorker(agent)
    let inode = try #require(Self.inode(of: socket))
    #expect(try Self.targets(of: "self").contains("socket:[\(inode)]"))
    // What the child may have of an agent: nothing in its directory, none of its modules.
    let names = Array(site.slots.values)
    func isOurs(_ target: String) -> Bool {
      target == "socket:[\(inode)]" || target.hasPrefix(site.state)
        || names.contains { target.hasPrefix("/memfd:hitless:\($0):") }
    }
    let own = try Self.targets(of: "self").filter(isOurs)
    // The log, the directory and that of the objects, and two of each module.
    #expect(own.count { $0.hasPrefix(site.state) } >= 3 && own.count { $0.contains("memfd") } >= 2)

    let child = try Child()
    // It may not have come to its first instruction yet.
    let isClean = eventually {
      let files = (try? Self.targets(of: "\(child.number)")) ?? []
      return !files.isEmpty && !files.contains(where: isOurs)
    }
    #expect(isClean)

    // The parent goes on as if nothing had happened.
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    #expect(eventually { worker.results == [32, 31] })
    let answer = try ControlClient(path: socket).ask(ControlRequest("list"))
    #expect(answer["workers"]?.arrayValue?.count == 1)
    worker.stop()
    try agent.confirm(number)
    try agent.close()
    // While the child lives.
    agent = try site.start()
    #expect(agent.status().workerCount == 0)
    #expect(child.end() == 1, "the child knows what it is")
    try agent.close()
  }

  /// A process that is not ended before the test is.
  private final class Child {
    let number: Int32
    private var pipe: Int32 = -1
    private var hasEnded = false

    init() throws {
      // SAFETY: the body makes no call but one that reads a word.
      number = unsafe test_child_begin({ Fork.isChild ? 1 : 0 }, &pipe)
      try #require(number > 0)
    }

    /// What the body has returned.
    func end() -> Int32 {
      hasEnded = true
      return test_child_end(number, pipe)
    }

    deinit { if !hasEnded { _ = end() } }
  }

  /// What the descriptors of a process lead to.
  private static func targets(of process: String) throws -> [String] {
    let folder = "/proc/\(process)/fd"
    return names(in: folder).compactMap { name in
      var buffer = [CChar](repeating: 0, count: 4096)
      // SAFETY: the buffer is as large as it is said to be.
      let count = unsafe readlink("\(folder)/\(name)", &buffer, buffer.count)
      guard count > 0 else { return nil }
      return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }

  /// The kernel's number of the socket that listens at `path`.
  private static func inode(of path: String) -> String? {
    let sockets = String(decoding: contents(of: "/proc/net/unix") ?? [], as: UTF8.self)
    return sockets.split(separator: "\n").first { $0.hasSuffix(" \(path)") }
      .flatMap { $0.split(separator: " ").dropLast().last }.map(String.init)
  }
}
