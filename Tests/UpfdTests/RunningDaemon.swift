import CPlatform
import Foundation
import Glibc
import PacketIO
import TestSupport
import Testing

/// One upfd process, with an access node and a data network that the test plays.
final class RunningDaemon {
  private let directory: TemporaryDirectory
  private let address: String
  private let process = Process()
  private let listener: PacketPortListener
  private var core: PacketPort?
  private var socket: UDPSocket
  private let upf: IPv4Endpoint

  /// Starts it, with `more` arguments, and waits until it is ready.
  init(_ address: String, more: [String] = []) throws {
    self.address = address
    directory = try TemporaryDirectory()
    try directory.write("s.yaml", Array(SessionFileTests.sound.utf8))
    try directory.write("out", [])
    try directory.write("err", [])
    listener = try PacketPortListener(path: directory.path("n6"))
    let local = try #require(IPv4Address("127.77.0.2"))
    // The port that upfd sends to belongs to one test at a time.
    socket = try UDPSocket(binding: IPv4Endpoint(address: local, port: 2152))
    upf = IPv4Endpoint(address: try #require(IPv4Address(address)), port: 2152)
    process.executableURL = URL(fileURLWithPath: try BuiltProduct.path("upfd"))
    process.arguments = try arguments(state: "state", statistics: "stats") + more
    process.standardOutput = FileHandle(forWritingAtPath: directory.path("out"))
    process.standardError = FileHandle(forWritingAtPath: directory.path("err"))
    try process.run()
    let isReady = eventually(within: 60) {
      if let port = try? listener.accept() { core = consume port }
      return (try? output().contains("ready")) == true || !process.isRunning
    }
    let errors = String(decoding: try directory.bytes("err"), as: UTF8.self)
    try #require(isReady && process.isRunning, "\(errors)")
  }

  /// The arguments of this one, or of another on the same address.
  func arguments(state: String, statistics: String) throws -> [String] {
    [
      "--json", "--config", directory.path("s.yaml"), "--n3", address, "--n6",
      "local:\(listener.path)", "--state", directory.path(state), "--classify",
      try BuiltModules.path("classify", "1.0.1"), "--qer", try BuiltModules.path("qer", "1.0.1"),
      "--stats", directory.path(statistics), "--probe", try BuiltProduct.path("hitless-probe"),
    ]
  }

  /// The kernel's number of the process.
  var processID: Int32 { process.processIdentifier }

  /// Everything on its standard output so far.
  func output() throws -> String { String(decoding: try directory.bytes("out"), as: UTF8.self) }

  var statisticsSocketExists: Bool {
    FileManager.default.fileExists(atPath: directory.path("stats"))
  }

  /// Asks it something.
  func query(_ words: String...) throws -> ProgramRun {
    try run(
      BuiltProduct.path("upfd"), ["query", "--stats", directory.path("stats")] + words)
  }

  func rewriteSessions(_ change: (String) -> String) throws {
    let text = String(decoding: try directory.bytes("s.yaml"), as: UTF8.self)
    try directory.write("s.yaml", Array(change(text).utf8))
  }

  /// Ends it as an operator would; the exit status.
  func end() throws -> Int32 {
    process.terminate()
    process.waitUntilExit()
    return process.terminationStatus
  }

  /// Ends it as a crash would.
  func die() {
    kill()
    process.waitUntilExit()
  }

  func kill() {
    if process.isRunning { _ = Glibc.kill(process.processIdentifier, SIGKILL) }
  }

  /// Sends a datagram of the access node.
  func send(_ bytes: [UInt8]) {
    unsafe withPacket(bytes) { packets in _ = unsafe socket.send(packets) }
  }

  /// Sends a packet of the data network.
  func sendFromCore(_ bytes: [UInt8]) {
    unsafe withPacket(bytes) { packets in _ = unsafe core?.write(packets) }
  }

  /// The next datagram for the access node, or nil when none comes.
  func nextFromUPF() -> [UInt8]? {
    let size = socket.regionSize(messages: 1)
    var region = [UInt8](repeating: 0, count: size)
    var packets = unsafe [PacketBuffer](
      repeating: PacketBuffer(), count: UDPSocket.packetCapacity(messages: 1))
    var found: [UInt8]?
    _ = eventually {
      unsafe region.withUnsafeMutableBytes { bytes in
        unsafe packets.withUnsafeMutableBufferPointer { buffers in
          let result = unsafe socket.receive(into: bytes, packets: buffers)
          guard result.count > 0 else { return false }
          found = unsafe Self.bytes(buffers[0])
          return true
        }
      }
    }
    return found
  }

  /// Takes a packet for the data network if there is one.
  func nextFromCoreNow() -> Bool {
    var room = [UInt8](repeating: 0, count: 9217)
    return unsafe room.withUnsafeMutableBufferPointer { bytes in
      var packet = unsafe PacketBuffer()
      unsafe packet.bytes = bytes.baseAddress
      unsafe packet.capacity = UInt32(bytes.count)
      return unsafe withUnsafeMutablePointer(to: &packet) { pointer in
        unsafe core?.read(into: UnsafeMutableBufferPointer(start: pointer, count: 1)).count ?? 0
      } > 0
    }
  }

  /// The next packet for the data network, or nil when none comes.
  func nextFromCore() -> [UInt8]? {
    var room = [UInt8](repeating: 0, count: 9217)
    var found: [UInt8]?
    _ = eventually {
      unsafe room.withUnsafeMutableBufferPointer { bytes in
        var packet = unsafe PacketBuffer()
        unsafe packet.bytes = bytes.baseAddress
        unsafe packet.capacity = UInt32(bytes.count)
        let count = unsafe withUnsafeMutablePointer(to: &packet) { pointer in
          unsafe core?.read(into: UnsafeMutableBufferPointer(start: pointer, count: 1)).count ?? 0
        }
        guard count > 0 else { return false }
        found = unsafe Self.bytes(packet)
        return true
      }
    }
    return found
  }

  private static func bytes(_ packet: PacketBuffer) -> [UInt8] {
    unsafe Array(UnsafeBufferPointer(start: packet.bytes, count: Int(packet.length)))
  }

  private func withPacket(
    _ bytes: [UInt8], _ body: (UnsafeBufferPointer<PacketBuffer>) -> Void
  ) {
    var copy = bytes
    unsafe copy.withUnsafeMutableBufferPointer { buffer in
      var packet = unsafe PacketBuffer()
      unsafe packet.bytes = buffer.baseAddress
      unsafe packet.length = UInt32(buffer.count)
      unsafe packet.peer = upf
      unsafe withUnsafePointer(to: packet) { pointer in
        unsafe body(UnsafeBufferPointer(start: pointer, count: 1))
      }
    }
  }
}
