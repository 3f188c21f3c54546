import Glibc
import PacketIO
import Platform
import Testing

@Suite("Packet port")
struct PacketPortTests {
  /// A path for one test's socket.
  static func path(_ name: String) -> String { "/tmp/hitless-port-\(getpid())-\(name)" }

  /// The connection that waits at `listener`.
  static func accept(_ listener: borrowing PacketPortListener) throws -> PacketPort {
    guard let port = try listener.accept() else { throw SystemError("accept", EAGAIN, "nobody") }
    return port
  }

  @Test func `a local port keeps the borders of packets`() throws {
    let listener = try PacketPortListener(path: Self.path("borders"))
    #expect(throws: SystemError("accept", EAGAIN, "nobody")) { _ = try Self.accept(listener) }
    let client = try PacketPort.connect(listener.path)
    let server = try Self.accept(listener)
    let output = Buffers(count: 3, stride: 256)
    let sent: [[UInt8]] = [[1], Array(repeating: 2, count: 200), [3, 3]]
    for (index, bytes) in sent.enumerated() { output.put(bytes, at: index) }
    #expect(unsafe client.write(output.first(3)) == BatchResult(count: 3))
    let input = Buffers(count: 8, stride: 256)
    #expect(unsafe server.read(into: input.packets) == BatchResult(count: 3, code: EAGAIN))
    #expect((0..<3).map(input.get) == sent)
  }

  @Test func `a full local port refuses the next packet and loses none`() throws {
    let listener = try PacketPortListener(path: Self.path("full"))
    let client = try PacketPort.connect(listener.path)
    let server = try Self.accept(listener)
    let output = Buffers(count: 32, stride: 2048)
    for index in 0..<32 { output.put(Array(repeating: UInt8(index), count: 1500), at: index) }
    var written = 0
    var code: Int32 = 0
    while code == 0 {
      let result = unsafe client.write(output.first(32))
      written += result.count
      code = result.code
    }
    #expect(code == EAGAIN)
    let input = Buffers(count: 32, stride: 2048)
    var read = 0
    var last = BatchResult(count: 0)
    repeat {
      last = unsafe server.read(into: input.packets)
      for index in 0..<last.count {
        #expect(input.get(index).first == UInt8((read + index) % 32))
      }
      read += last.count
    } while last.code == 0
    #expect(read == written)
  }

  @Test func `a peer that has gone is an error, not a signal`() throws {
    let listener = try PacketPortListener(path: Self.path("gone"))
    let client = try PacketPort.connect(listener.path)
    do { _ = try Self.accept(listener) }
    let output = Buffers(count: 1, stride: 16)
    output.put([1], at: 0)
    #expect(unsafe client.write(output.first(1)) == BatchResult(count: 0, code: EPIPE))
    #expect(unsafe client.read(into: output.packets) == BatchResult(count: 0, code: ENOTCONN))
  }

  @Test func `a packet that fills its buffer is marked truncated`() throws {
    let listener = try PacketPortListener(path: Self.path("room"))
    let client = try PacketPort.connect(listener.path)
    let server = try Self.accept(listener)
    let output = Buffers(count: 2, stride: 64)
    output.put(Array(repeating: 1, count: 31), at: 0)
    output.put(Array(repeating: 2, count: 33), at: 1)
    #expect(unsafe client.write(output.first(2)).count == 2)
    let input = Buffers(count: 2, stride: 32)
    #expect(unsafe server.read(into: input.packets).count == 2)
    #expect(unsafe input.packets[0].isTruncated == false)
    #expect(unsafe input.packets[1].isTruncated)
  }

  @Test func `the name of a listener goes away with it, and is never taken over`() throws {
    let path = Self.path("name")
    do {
      let listener = try PacketPortListener(path: path)
      #expect(unsafe access(path, F_OK) == 0)
      #expect(throws: SystemError("bind", EADDRINUSE, path)) {
        _ = try PacketPortListener(path: listener.path)
      }
      #expect(unsafe access(path, F_OK) == 0)
    }
    #expect(unsafe access(path, F_OK) != 0)
    #expect(throws: SystemError("connect", ENOENT, path)) { _ = try PacketPort.connect(path) }
  }

  @Test(arguments: [("", EINVAL), ("sixteen-letters-", ENAMETOOLONG)])
  func `a name that no device can have is refused before the kernel is asked`(
    name: String, code: Int32
  ) {
    #expect(throws: SystemError("open", code, "TUN device \(name)")) {
      _ = try PacketPort.tun(name)
    }
  }
}
