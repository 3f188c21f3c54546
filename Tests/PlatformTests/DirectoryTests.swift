import Glibc
import Platform
import Refusal
import TestSupport
import Testing

@Suite("Directory")
struct DirectoryTests {
  let temporary: TemporaryDirectory

  init() throws { temporary = try TemporaryDirectory() }

  @Test func `a file is written, read, replaced and removed`() throws {
    let directory = try Directory.open(temporary.path)
    #expect(try directory.read("a", limit: 10) == nil)
    try directory.replace("a", with: [1, 2, 3])
    #expect(try directory.read("a", limit: 10) == [1, 2, 3])
    try directory.replace("a", with: [4])
    #expect(try directory.read("a", limit: 10) == [4])
    #expect(try directory.names() == ["a"])
    #expect(try directory.remove("a"))
    #expect(try !directory.remove("a"))
  }

  @Test func `a file over the limit is refused`() throws {
    let directory = try Directory.open(temporary.path)
    try directory.replace("a", with: [1, 2, 3])
    let error = #expect(throws: Refusal.self) { try directory.read("a", limit: 2) }
    #expect(error?.kind == .limit)
  }

  @Test func `a symbolic link is not followed, as a file or on the way`() throws {
    try temporary.write("target", [9])
    unsafe symlink("target", temporary.path("link"))
    unsafe symlink(temporary.path, temporary.path("loop"))
    let directory = try Directory.open(temporary.path)
    #expect(throws: Refusal.self) { try directory.read("link", limit: 10) }
    let error = #expect(throws: Refusal.self) { try directory.read("loop/target", limit: 10) }
    #expect(error?.kind == .path)
  }

  @Test(arguments: ["../outside", "/etc/hostname", "inner/../../outside"])
  func `no name leads out of the directory`(name: String) throws {
    let outside = try TemporaryDirectory()
    try outside.write("outside", [1])
    _ = try Directory.open(outside.path).directory("root").directory("inner")
    let root = try Directory.open(outside.path("root"))
    #expect(throws: (any Error).self) { try root.read(name, limit: 1000) }
  }

  @Test func `a pipe is refused at once`() throws {
    unsafe mkfifo(temporary.path("pipe"), 0o600)
    let directory = try Directory.open(temporary.path)
    let error = #expect(throws: Refusal.self) { try directory.read("pipe", limit: 10) }
    #expect(error?.kind == .format)
  }

  @Test func `a leftover of a crash is no obstacle`() throws {
    try temporary.write("a.tmp", [0, 0, 0, 0])
    let directory = try Directory.open(temporary.path)
    try directory.replace("a", with: [5])
    #expect(try directory.names() == ["a"])
  }

  @Test(arguments: [0o770, 0o702, 0o1777, 0o720] as [UInt32])
  func `a directory that others may write to is refused`(mode: UInt32) throws {
    unsafe chmod(temporary.path, mode)
    let directory = try Directory.open(temporary.path)
    let error = #expect(throws: Refusal.self) { try directory.requirePrivate() }
    #expect(error?.kind == .path)
    #expect(error?.found == "mode 0\(String(mode, radix: 8))")
  }

  @Test(.enabled(if: geteuid() == 0, "needs root to give a directory away"))
  func `a directory of another user is refused`() throws {
    unsafe chown(temporary.path, 12345, 12345)
    let directory = try Directory.open(temporary.path)
    let error = #expect(throws: Refusal.self) { try directory.requirePrivate() }
    #expect(error?.found == "user 12345")
  }

  @Test func `a private directory is accepted`() throws {
    let directory = try Directory.make(temporary.path("new"))
    try directory.requirePrivate()
    try Directory.make(temporary.path("new")).requirePrivate()
  }

  @Test func `a second lock is busy until the first ends`() throws {
    do {
      let first = try Directory.open(temporary.path)
      try first.lock()
      let second = try Directory.open(temporary.path)
      let error = #expect(throws: Refusal.self) { try second.lock() }
      #expect(error?.kind == .busy)
      _ = consume first
    }
    try Directory.open(temporary.path).lock()
  }
}
