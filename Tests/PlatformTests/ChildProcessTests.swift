import Glibc
import Platform
import TestSupport
import Testing

@Suite("Child process")
struct ChildProcessTests {
  static let second: UInt64 = 1_000_000_000

  @Test(arguments: [0, 1, 42] as [Int32])
  func `the exit code is reported`(code: Int32) throws {
    #expect(try shell("exit \(code)").ending == .exited(code))
  }

  @Test func `a signal is told from an exit code`() throws {
    #expect(try shell("kill -SEGV $$").ending == .signalled(SIGSEGV))
  }

  @Test func `output and errors are kept in order`() throws {
    let outcome = try shell("echo one; echo two >&2; echo three")
    #expect(String(decoding: outcome.output, as: UTF8.self) == "one\ntwo\nthree\n")
  }

  @Test func `a flood of output is bounded and does not block the child`() throws {
    let outcome = try shell("yes | head -c 1000000; exit 7")
    #expect(outcome.ending == .exited(7))
    #expect(outcome.output.count == ChildProcess.outputLimit)
  }

  @Test func `the input is descriptor 3, and nothing else of the host is open`() throws {
    let file = try SealedMemoryFile.seal(Array("hello".utf8), name: "input")
    // The listing opens the directory itself, as descriptor 4.
    let script = "import os; print(os.pread(3, 9, 0), *sorted(os.listdir('/proc/self/fd')))"
    let outcome = try ChildProcess.run(
      "/usr/bin/python3", ["-c", script], input: file.descriptor, timeout: 10 * Self.second)
    #expect(String(decoding: outcome.output, as: UTF8.self) == "b'hello' 0 1 2 3 4\n")
  }

  @Test func `the environment is empty`() throws {
    let outcome = try ChildProcess.run(
      "/usr/bin/env", [], input: try null(), timeout: 10 * Self.second)
    #expect(outcome.output.isEmpty)
  }

  @Test func `a child that hangs is killed at the deadline, with its own children`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("pid")
    let start = MonotonicClock.now
    let outcome = try shell("sleep 1000 & echo $! > '\(path)'; wait", timeout: Self.second / 5)
    #expect(outcome.ending == .timedOut)
    #expect(MonotonicClock.now - start < 5 * Self.second)
    let text = String(decoding: contents(of: path) ?? [], as: UTF8.self)
    let grandchild = try #require(Int32(text.prefix { $0.isNumber }))
    #expect(eventually { kill(grandchild, 0) != 0 || isZombie(grandchild) })
  }

  @Test func `a grandchild that keeps the output open does not delay the result`() throws {
    let start = MonotonicClock.now
    #expect(try shell("sleep 1000 & exit 3").ending == .exited(3))
    #expect(MonotonicClock.now - start < 5 * Self.second)
  }

  @Test func `a program that is not there is an error with its path`() throws {
    let input = try null()
    let error = #expect(throws: SystemError.self) {
      try ChildProcess.run("/nonexistent/probe", [], input: input, timeout: Self.second)
    }
    #expect(error == SystemError("spawn", ENOENT, "/nonexistent/probe"))
  }

  private func shell(
    _ script: String, timeout: UInt64 = 10 * second
  ) throws -> ChildProcess.Outcome {
    try ChildProcess.run("/bin/sh", ["-c", script], input: try null(), timeout: timeout)
  }

  private func null() throws -> FileDescriptor {
    try FileDescriptor.open("/dev/null", O_RDONLY)
  }

  private func isZombie(_ process: Int32) -> Bool {
    let status = String(decoding: contents(of: "/proc/\(process)/stat") ?? [], as: UTF8.self)
    return status.contains(") Z ")
  }
}
