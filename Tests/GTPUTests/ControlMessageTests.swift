import GTPU
import Testing

@Suite("GTP-U control messages")
struct ControlMessageTests {
  /// One of each kind, in both address families.
  static let samples: [ControlMessage] = [
    .echoRequest(sequenceNumber: 0x1234), .echoResponse(sequenceNumber: 0x1234, restartCounter: 0),
    .errorIndication(teid: 0x0102_0304, peer: .v4(0x0a00_0001), udpPort: 2152),
    .errorIndication(teid: 0x0102_0304, peer: .v4(0x0a00_0001), udpPort: nil),
    .errorIndication(
      teid: 0xffff_ffff, peer: .v6(0x2001_0db8_0000_0001, 0x0203_0405_0607_0809), udpPort: nil),
    .supportedExtensionHeaders(ExtensionHeader.supported), .supportedExtensionHeaders([]),
    .endMarker(teid: 7, pduSession: nil),
    .endMarker(teid: 7, pduSession: PDUSessionContainer(.downlink, qfi: 9)),
  ]

  @Test(arguments: samples)
  func `what is written is read back`(sample: ControlMessage) throws {
    #expect(try parseMessage(sample.encoded) == sample)
    #expect(sample.encoded.count == sample.encodedCount)
    #expect(sample.encodedCount <= ControlMessage.maximumEncodedCount)
  }

  @Test(arguments: samples)
  func `every shorter message with a right length field is refused or has fewer elements`(
    sample: ControlMessage
  ) throws {
    for count in GTPUHeader.mandatorySize..<sample.encodedCount {
      var bytes = Array(sample.encoded.prefix(count))
      bytes[3] = UInt8(count - GTPUHeader.mandatorySize)
      #expect(throws: GTPUFault.self) { try parseMessage(bytes) }
    }
  }

  @Test func `a G-PDU is no control message`() throws {
    #expect(try parseMessage(sampleGPDU) == nil)
  }

  @Test(arguments: [UInt8(1), 2])
  func `an echo without a sequence number is refused`(type: UInt8) {
    #expect(throws: GTPUFault.missingSequenceNumber) {
      try parseMessage(message(flags: 0x30, type: type, [14, 0]))
    }
  }

  @Test func `a missing element is refused`() {
    let missing: [(UInt8, [UInt8])] = [
      (2, []), (26, []), (26, [16, 0, 0, 0, 1]), (26, [133, 0, 4, 10, 0, 0, 1]), (31, []),
    ]
    for (type, elements) in missing {
      #expect(throws: GTPUFault.missingElement) {
        try parseMessage(message(flags: 0x32, type: type, [0, 0, 0, 0] + elements))
      }
    }
  }

  @Test func `an element of unknown type and fixed length is refused`() {
    #expect(throws: GTPUFault.unknownElement) {
      try parseMessage(message(flags: 0x32, type: 1, [0, 0, 0, 0, 17, 0]))
    }
  }

  @Test func `elements that are not needed are passed over`() throws {
    let private255: [UInt8] = [255, 0, 3, 0, 10, 1]
    let bytes = message(
      flags: 0x32, type: 2, [0, 9, 0, 0] + private255 + [14, 5] + [230, 0, 0] + [14, 6])
    #expect(try parseMessage(bytes) == .echoResponse(sequenceNumber: 9, restartCounter: 5))
  }

  @Test(arguments: [0, 3, 5, 15, 17])
  func `an address of a wrong length is refused`(count: Int) {
    let address = [133, 0, UInt8(count)] + [UInt8](repeating: 1, count: count)
    #expect(throws: GTPUFault.wrongElementLength) {
      try parseMessage(
        message(flags: 0x32, type: 26, [0, 0, 0, 0, 16, 0, 0, 0, 1] + address))
    }
  }

  @Test func `an element that reaches beyond the end is refused`() {
    for elements in [
      [16, 0, 0, 0], [133], [133, 0], [133, 0, 4, 1, 1, 1], [141], [141, 1], [14],
    ]
      as [[UInt8]]
    {
      #expect(throws: GTPUFault.truncatedElement) {
        try parseMessage(message(flags: 0x32, type: 26, [0, 0, 0, 0] + elements))
      }
    }
  }

  @Test func `every fault has a name of its own and a dense number`() {
    #expect(Set(GTPUFault.allCases.map(\.name)).count == GTPUFault.allCases.count)
    #expect(GTPUFault.allCases.map { Int($0.rawValue) } == Array(0..<GTPUFault.allCases.count))
  }
}
