import Glibc
import Platform
import Refusal
import TestSupport
import Testing

@Suite("Unix socket")
struct UnixSocketTests {
  let temporary: TemporaryDirectory

  init() throws { temporary = try TemporaryDirectory() }
  var path: String { temporary.path("control") }
  static let soon: UInt64 = 10_000_000_000

  @Test func `bytes go both ways and the peer is known`() throws {
    let listener = try UnixListener(path: path)
    let client = try UnixConnection.connect(to: path)
    let server = try #require(try listener.accept())
    #expect(server.peer.process == getpid())
    #expect(server.peer.user == geteuid())
    #expect(server.peer.isOwnerOrRoot)
    try client.write([1, 2, 3], .after(Self.soon))
    #expect(try server.read(3, .after(Self.soon)) == [1, 2, 3])
    try server.write([4], .after(Self.soon))
    #expect(try client.read(1, .after(Self.soon)) == [4])
  }

  @Test func `a strange peer is neither owner nor root`() {
    #expect(!PeerCredentials(process: 1, user: geteuid() + 1, group: 0).isOwnerOrRoot)
    #expect(PeerCredentials(process: 1, user: 0, group: 5).isOwnerOrRoot)
  }

  @Test func `the socket is for its owner only and goes away with the listener`() throws {
    do {
      let listener = try UnixListener(path: path)
      var status = stat()
      #expect(unsafe lstat(path, &status) == 0)
      #expect(status.st_mode & 0o777 == 0o600)
      _ = listener.path
    }
    #expect(names(in: temporary.path).isEmpty)
  }

  /// A process that ends right after `stop` runs no deinitialiser: `upfd` left its socket behind.
  @Test func `the socket goes away when the listener stops, and its successor's stays`() throws {
    let listener = try UnixListener(path: path)
    listener.stop()
    #expect(names(in: temporary.path).isEmpty)
    do {
      let successor = try UnixListener(path: path)
      listener.stop()
      #expect(names(in: temporary.path) == ["control"])
      _ = successor.path
    }
    #expect(try listener.accept() == nil)
  }

  @Test func `a read ends at its deadline, and at the peer's end`() throws {
    let listener = try UnixListener(path: path)
    let client = try UnixConnection.connect(to: path)
    let server = try #require(try listener.accept())
    try client.write([1], .after(Self.soon))
    let late = #expect(throws: SystemError.self) { try server.read(2, .after(20_000_000)) }
    #expect(late?.code == ETIMEDOUT)
    client.stop()
    #expect(try server.read(1, .after(Self.soon)) == nil)
  }

  @Test func `half a message and then the end is an error`() throws {
    let listener = try UnixListener(path: path)
    let client = try UnixConnection.connect(to: path)
    let server = try #require(try listener.accept())
    try client.write([1], .after(Self.soon))
    client.stop()
    let error = #expect(throws: SystemError.self) { try server.read(2, .after(Self.soon)) }
    #expect(error?.code == EPIPE)
  }

  @Test func `a peer that does not read ends the write at its deadline`() throws {
    let listener = try UnixListener(path: path)
    let client = try UnixConnection.connect(to: path)
    let server = try #require(try listener.accept())
    let error = #expect(throws: SystemError.self) {
      try server.write([UInt8](repeating: 0, count: 8 << 20), .after(50_000_000))
    }
    #expect(error?.code == ETIMEDOUT)
    client.stop()
  }

  @Test func `writing to a peer that has gone raises no signal`() throws {
    let listener = try UnixListener(path: path)
    do { _ = try UnixConnection.connect(to: path) }
    let server = try #require(try listener.accept())
    #expect(throws: SystemError.self) { try server.write([1], .after(Self.soon)) }
  }

  @Test func `a live socket is busy`() throws {
    let first = try UnixListener(path: path)
    let error = #expect(throws: Refusal.self) { try UnixListener(path: path) }
    #expect(error?.kind == .busy)
    _ = first.path
  }

  @Test func `the socket of a dead process is replaced`() throws {
    let result = try ChildProcess.run(
      "/usr/bin/python3",
      ["-c", "import socket,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])", path],
      input: try FileDescriptor.open("/dev/null", O_RDONLY), timeout: Self.soon)
    #expect(result.ending == .exited(0))
    #expect(names(in: temporary.path) == ["control"])
    let listener = try UnixListener(path: path)
    _ = try UnixConnection.connect(to: listener.path)
  }

  @Test func `a file that is no socket is left alone`() throws {
    try temporary.write("control", [1])
    let error = #expect(throws: Refusal.self) { try UnixListener(path: path) }
    #expect(error?.kind == .path)
    #expect(contents(of: path) == [1])
  }

  @Test func `a path that does not fit is refused`() {
    let long = temporary.path(String(repeating: "x", count: 120))
    let error = #expect(throws: Refusal.self) { try UnixListener(path: long) }
    #expect(error?.kind == .path)
  }

  @Test func `stopping wakes the thread that accepts`() throws {
    let listener = try UnixListener(path: path)
    let thread = try SystemThread.start("acceptor") { _ = try? listener.accept() }
    listener.stop()
    thread.join()
  }
}
