import AgentControl
import Bytes
import Glibc
import Platform
import Refusal
import TestSupport
import Testing

@Suite("Control server")
struct ControlServerTests {
  let temporary: TemporaryDirectory
  let path: String
  let notes = Notes()

  init() throws {
    temporary = try TemporaryDirectory()
    path = temporary.path("control")
  }

  @Test func `a request is answered, and the next one on the same connection`() throws {
    let server = try echo()
    let client = try ControlClient(path: path)
    for number: UInt64 in 0..<3 {
      let answer = try client.ask(ControlRequest("echo", ["number": .unsigned(number)]))
      #expect(answer == ["number": .unsigned(number)])
    }
    server.stop()
  }

  @Test func `a refusal keeps every field`() throws {
    var refusal = Refusal(
      .badELF, "message", expected: "e", found: "f", at: "place", hint: "hint")
    refusal.violations = [
      .object([("rule", .string("tls")), ("mend", .string("x")), ("line", .integer(-3))])
    ]
    let thrown = refusal
    let server = try ControlServer(path: path) { _, _, stream in try? stream.send(.refused(thrown))
    }
    let client = try ControlClient(path: path)
    let error = #expect(throws: Refusal.self) { try client.ask(ControlRequest("any")) }
    // The keys of an object come back sorted.
    refusal.violations = [
      .object([("line", .integer(-3)), ("mend", .string("x")), ("rule", .string("tls"))])
    ]
    #expect(error == refusal)
    server.stop()
  }

  @Test(
    arguments: [
      [0xff, 0xff, 0xff, 0xff], [0x04, 0x00, 0x00, 0x01], [0x7f, 0xff, 0xff, 0xff],
    ] as [[UInt8]])
  func `a length over the limit is refused before anything is read`(head: [UInt8]) throws {
    let server = try echo()
    let connection = try UnixConnection.connect(to: path)
    try connection.write(head, soon)
    #expect(try reply(connection) == .limit)
    #expect(eventually { notes.kinds == [.limit] })
    server.stop()
  }

  @Test(
    arguments: [
      [], [0xff], [0x82, 0x61, 0x61], [0x82, 0x61, 0x61, 0xa0, 0x00], [0x82, 0x01, 0xa0],
      [0x81, 0x61, 0x61], [0x9f, 0xff], [0x82, 0x61, 0x61, 0xa1, 0x01, 0x02],
    ] as [[UInt8]])
  func `a message that is no request is a format error, and the next one is answered`(
    message: [UInt8]
  ) throws {
    let server = try echo()
    let connection = try UnixConnection.connect(to: path)
    try connection.write([0, 0, 0, UInt8(message.count)] + message, soon)
    #expect(try reply(connection) == .format)
    #expect(eventually { notes.kinds == [.format] })
    let good = ControlRequest("echo").encoded
    try connection.write([0, 0, 0, UInt8(good.count)] + good, soon)
    #expect(try reply(connection) == nil)
    server.stop()
  }

  @Test func `half a message and then silence does not keep the server from stopping`() throws {
    let server = try echo()
    let connection = try UnixConnection.connect(to: path)
    try connection.write([0, 0, 1, 0, 0x82], soon)
    let other = try ControlClient(path: path)
    _ = try other.ask(ControlRequest("echo"))
    let start = MonotonicClock.now
    server.stop()
    #expect(MonotonicClock.now - start < 4_000_000_000)
  }

  @Test func `half a message and then the end is refused and noted`() throws {
    let server = try echo()
    do {
      let connection = try UnixConnection.connect(to: path)
      try connection.write([0, 0, 1, 0, 0x82], soon)
    }
    #expect(eventually { notes.kinds == [.io] })
    server.stop()
  }

  @Test func `one connection too many is told so, and there is room again later`() throws {
    let server = try echo()
    var clients: [ControlClient] = []
    for _ in 0..<ControlServer.connectionLimit {
      let client = try ControlClient(path: path)
      _ = try client.ask(ControlRequest("echo"))
      clients.append(client)
    }
    let extra = try ControlClient(path: path)
    let error = #expect(throws: Refusal.self) { try extra.ask(ControlRequest("echo")) }
    #expect(error?.kind == .busy)
    clients.removeLast()
    #expect(
      eventually {
        guard let client = try? ControlClient(path: path) else { return false }
        return (try? client.ask(ControlRequest("echo"))) != nil
      })
    server.stop()
  }

  /// The socket's mode keeps strangers out; this is what happens when somebody has changed it.
  @Test(.enabled(if: geteuid() == 0, "needs root to be somebody else"))
  func `a stranger is refused whatever the mode of the socket`() throws {
    let server = try echo()
    unsafe chmod(path, 0o777)
    unsafe chmod(temporary.path, 0o755)
    let script = """
      import os, socket, sys
      os.setgid(65534); os.setuid(65534)
      s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
      try: s.sendall(bytes([0, 0, 0, 4]) + b"\\x82\\x61a\\xa0")
      except BrokenPipeError: pass
      print(s.recv(100).hex())
      """
    let stranger = try run("/usr/bin/python3", ["-c", script, path])
    #expect(stranger.status == 0, "\(stranger.errors)")
    // [false, {…}] after four bytes of length.
    #expect(stranger.output.dropFirst(8).hasPrefix("82f4"), "\(stranger.output)")
    #expect(notes.kinds == [.untrustedKey])
    #expect(notes.requests == 0)
    server.stop()
  }

  @Test func `a socket that nobody serves has a hint`() throws {
    let missing = #expect(throws: Refusal.self) { try ControlClient(path: path) }
    #expect(missing?.kind == .io)
    #expect(missing?.hint?.contains("running") == true)
  }

  private func echo() throws -> ControlServer {
    let notes = notes
    return try ControlServer(path: path) { refusal, _ in
      notes.add(refusal.kind)
    } handler: { request, _, stream in
      notes.countRequest()
      try? stream.send(.done(request.arguments))
    }
  }

  /// The class of the refusal that comes back; nil for any other answer.
  private func reply(_ connection: UnixConnection) throws -> RefusalClass? {
    let channel = ControlChannel(connection)
    let message = try #require(try channel.receive(soon))
    guard case .refused(let refusal) = try ControlResponse(parsing: message) else { return nil }
    return refusal.kind
  }

  private var soon: Deadline { .after(10_000_000_000) }
}

@Suite("Control messages")
struct ControlMessageTests {
  @Test func `a request and a response come back as they were`() throws {
    let request = ControlRequest("install", ["patch": .bytes([1, 2]), "n": .unsigned(.max)])
    #expect(try ControlRequest(parsing: request.encoded) == request)
    let done = ControlResponse.done(["a": .array([.null, .bool(true), .text("ü")])])
    #expect(try ControlResponse(parsing: done.encoded) == done)
    let refused = ControlResponse.refused(Refusal(.busy, "later"))
    #expect(try ControlResponse(parsing: refused.encoded) == refused)
  }

  @Test func `every proper prefix is refused`() {
    let request = ControlRequest("install", ["patch": .bytes([1, 2]), "n": .unsigned(.max)]).encoded
    let response = ControlResponse.refused(Refusal(.busy, "later", hint: "try again")).encoded
    for count in 0..<request.count {
      #expect(throws: FormatError.self) {
        try ControlRequest(parsing: Array(request.prefix(count)))
      }
    }
    for count in 0..<response.count {
      #expect(throws: FormatError.self) {
        try ControlResponse(parsing: Array(response.prefix(count)))
      }
    }
  }

  @Test func `a refusal of an unknown class is no response`() {
    let item = CBOR.array([
      .bool(false), .named(["code": .unsigned(99), "message": .text("?")]),
    ])
    #expect(throws: FormatError.self) { try ControlResponse(parsing: item.encoded) }
  }
}

/// What a server's witness and handler have seen.
final class Notes: Sendable {
  private let state = Guarded<(kinds: [RefusalClass], requests: Int)>(([], 0))

  var kinds: [RefusalClass] { state.withLock { $0.kinds } }
  var requests: Int { state.withLock { $0.requests } }

  func add(_ kind: RefusalClass) { state.withLock { $0.kinds.append(kind) } }
  func countRequest() { state.withLock { $0.requests += 1 } }
}
