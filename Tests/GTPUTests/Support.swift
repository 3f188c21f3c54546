import Foundation
import GTPU
import Testing

/// A G-PDU as 5G sends it: TEID 0x01020304, uplink container with QFI 9, four bytes of payload.
let sampleGPDU: [UInt8] = [
  0x34, 0xff, 0, 12, 1, 2, 3, 4, 0, 0, 0, 0x85, 1, 0x10, 9, 0, 0xaa, 0xbb, 0xcc, 0xdd,
]

func parseHeader(_ bytes: [UInt8]) throws(GTPUFault) -> GTPUHeader {
  try GTPUHeader(parsing: bytes.span)
}

func parseMessage(_ bytes: [UInt8]) throws(GTPUFault) -> ControlMessage? {
  let header = try GTPUHeader(parsing: bytes.span)
  return try ControlMessage(header: header, datagram: bytes.span)
}

/// A header with the given flags and bytes after the mandatory part; the length field is right.
func message(flags: UInt8, type: UInt8 = 255, teid: UInt32 = 1, _ rest: [UInt8]) -> [UInt8] {
  let length = UInt16(rest.count)
  return [flags, type, UInt8(length >> 8), UInt8(length & 255)]
    + withBigEndian(teid) + rest
}

/// The four bytes of `value`, most significant first.
func withBigEndian(_ value: UInt32) -> [UInt8] {
  [UInt8(value >> 24), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
}

/// Runs a program and returns its standard output; a failure of the program is the test's.
func output(of program: String, _ arguments: [String]) throws -> String {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: program)
  process.arguments = arguments
  let pipe = Pipe()
  let errors = Pipe()
  process.standardOutput = pipe
  process.standardError = errors
  try process.run()
  let data = pipe.fileHandleForReading.readDataToEndOfFile()
  let complaints = errors.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  #expect(process.terminationStatus == 0, "\(String(decoding: complaints, as: UTF8.self))")
  return String(decoding: data, as: UTF8.self)
}

/// A capture file of UDP datagrams on port 2152, for a judge to read.
struct Capture {
  private var bytes: [UInt8] =
    [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0]
    // LINKTYPE_RAW: the packets start with their IP header.
    + [101, 0, 0, 0]

  mutating func add(_ payload: [UInt8]) {
    let udp = UInt16(8 + payload.count)
    let ip = UInt16(20 + udp)
    let packet: [UInt8] =
      [
        0x45, 0, UInt8(ip >> 8), UInt8(ip & 255), 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0,
        2,
      ]
      + [8, 104, 8, 104, UInt8(udp >> 8), UInt8(udp & 255), 0, 0] + payload
    let count = UInt32(packet.count)
    let little = withBigEndian(count).reversed()
    bytes += [0, 0, 0, 0, 0, 0, 0, 0] + little + little + packet
  }

  /// Hands the file to tshark and returns one line of tab-separated `fields` per packet.
  func judged(_ fields: [String]) throws -> [[String]] {
    let directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("gtpu-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let file = directory.appendingPathComponent("capture.pcap")
    try Data(bytes).write(to: file)
    let text = try output(
      of: "/usr/bin/tshark",
      ["-r", file.path, "-n", "-T", "fields"] + fields.flatMap { ["-e", $0] })
    return text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map {
      $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    }
  }
}
