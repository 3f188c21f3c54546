import GTPU
import Testing

@Suite("GTP-U header")
struct GTPUHeaderTests {
  @Test func `a G-PDU with a PDU session container is read field by field`() throws {
    let header = try parseHeader(sampleGPDU)
    #expect(header.type == .packet)
    #expect(header.teid == 0x0102_0304)
    #expect(header.sequenceNumber == nil)
    #expect(header.nPDUNumber == nil)
    #expect(header.pduSession == PDUSessionContainer(.uplink, qfi: 9))
    #expect(header.payloadOffset == 16)
  }

  @Test(arguments: 0..<sampleGPDU.count)
  func `every proper prefix is refused`(length: Int) {
    let expected: GTPUFault = length < 8 ? .truncatedHeader : .lengthBeyondDatagram
    #expect(throws: expected) { try parseHeader(Array(sampleGPDU.prefix(length))) }
  }

  @Test func `bytes after the end that the length names are refused`() {
    #expect(throws: GTPUFault.lengthShortOfDatagram) { try parseHeader(sampleGPDU + [0]) }
  }

  @Test func `any one optional flag makes all four bytes present, and only its own field count`()
    throws
  {
    let rest: [UInt8] = [0x12, 0x34, 0x56, 0]
    let sequence = try parseHeader(message(flags: 0x32, rest))
    #expect(sequence.sequenceNumber == 0x1234)
    #expect(sequence.nPDUNumber == nil)
    let nPDU = try parseHeader(message(flags: 0x31, rest))
    #expect(nPDU.sequenceNumber == nil)
    #expect(nPDU.nPDUNumber == 0x56)
    let neither = try parseHeader(message(flags: 0x34, rest))
    #expect(neither.sequenceNumber == nil)
    #expect(neither.nPDUNumber == nil)
    for header in [sequence, nPDU, neither] { #expect(header.payloadOffset == 12) }
    // The next type counts only under the E flag.
    #expect(try parseHeader(message(flags: 0x32, [0, 0, 0, 0x85])).payloadOffset == 12)
  }

  @Test func `the spare bit is not looked at`() throws {
    var bytes = sampleGPDU
    bytes[0] |= 0x08
    #expect(try parseHeader(bytes) == parseHeader(sampleGPDU))
  }

  @Test(arguments: [UInt8(0x14), 0x54, 0x74, 0xf4])
  func `another version is refused`(first: UInt8) {
    #expect(throws: GTPUFault.unsupportedVersion) {
      try parseHeader([first] + sampleGPDU.dropFirst())
    }
  }

  @Test func `GTP prime is refused`() {
    #expect(throws: GTPUFault.primeProtocol) { try parseHeader([0x24] + sampleGPDU.dropFirst()) }
  }

  @Test func `every message type is known or refused`() throws {
    for type in UInt8.min...255 {
      let bytes = message(flags: 0x30, type: type, [])
      if GTPUMessageType(rawValue: type) != nil {
        #expect(try parseHeader(bytes).payloadOffset == 8)
      } else {
        #expect(throws: GTPUFault.unknownMessageType) { try parseHeader(bytes) }
      }
    }
  }

  @Test(arguments: [UInt8(0x30), 0x31, 0x32, 0x33, 0x34, 0x37])
  func `optional fields that are announced and missing are refused`(flags: UInt8) throws {
    for count in 0..<4 {
      let bytes = message(flags: flags, Array(repeating: 0, count: count))
      if flags == 0x30 {
        #expect(try parseHeader(bytes).payloadOffset == 8)
      } else {
        #expect(throws: GTPUFault.truncatedOptionalFields) { try parseHeader(bytes) }
      }
    }
  }

  @Test func `what is written is read back`() throws {
    let containers: [PDUSessionContainer?] = [
      nil, PDUSessionContainer(.downlink, qfi: 63),
      PDUSessionContainer(.downlink, qfi: 1, reflectiveQoS: true, pagingPolicy: 7),
      PDUSessionContainer(.downlink, qfi: 1, pagingPolicy: 5, sequenceNumber: 0xff_ffff),
      PDUSessionContainer(.uplink, qfi: 0, sequenceNumber: 0x01_0203),
    ]
    for container in containers {
      for sequenceNumber in [nil, UInt16(0xfffe)] {
        for udpPort in [nil, UInt16(2152)] {
          let header = GTPUHeader(
            .packet, teid: 0xdead_beef, sequenceNumber: sequenceNumber, nPDUNumber: nil,
            pduSession: container, udpPort: udpPort)
          let bytes = header.message([1, 2, 3])
          #expect(try parseHeader(bytes) == header)
          #expect(bytes.suffix(3) == [1, 2, 3])
          #expect(bytes.count == header.encodedCount + 3)
          #expect(header.encodedCount <= GTPUHeader.maximumEncodedCount)
        }
      }
    }
  }

  @Test func `random bytes never stop the parser`() {
    let seed: UInt64 = 0x5eed_0001
    var random = SplitMix(state: seed)
    var accepted = 0
    for _ in 0..<20_000 {
      var bytes = (0..<Int.random(in: 0..<64, using: &random)).map { _ in
        UInt8.random(in: 0...255, using: &random)
      }
      if bytes.count >= 8, Bool.random(using: &random) {
        bytes[0] = 0x30 | bytes[0] & 0x0f
        bytes[1] = [1, 2, 26, 31, 254, 255][Int(bytes[1]) % 6]
        bytes[2] = 0
        bytes[3] = UInt8(bytes.count - 8)
      }
      if let header = try? parseHeader(bytes) {
        accepted += 1
        #expect(header.payloadOffset <= bytes.count, "var random = SplitMix(state: \(seed))")
        _ = try? parseMessage(bytes)
      }
    }
    #expect(accepted > 1000)
  }
}

/// A small generator whose sequence is the same everywhere.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
    return value ^ value >> 31
  }
}
