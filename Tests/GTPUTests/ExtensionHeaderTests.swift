import GTPU
import Testing

@Suite("GTP-U extension headers")
struct ExtensionHeaderTests {
  /// A G-PDU whose chain starts with `first` and consists of `chain`.
  private func packet(_ first: UInt8, _ chain: [UInt8]) -> [UInt8] {
    message(flags: 0x34, [0, 0, 0, first] + chain)
  }

  @Test func `a length of zero is refused`() {
    #expect(throws: GTPUFault.emptyExtensionHeader) {
      try parseHeader(packet(0x85, [0, 0x10, 9, 0]))
    }
    #expect(throws: GTPUFault.emptyExtensionHeader) {
      try parseHeader(packet(0x40, [1, 8, 104, 0x85, 0, 0, 0, 0]))
    }
  }

  @Test(arguments: 0..<4)
  func `a chain beyond the end is refused`(count: Int) {
    let chain = Array([UInt8(1), 0x10, 9, 0].prefix(count))
    #expect(throws: GTPUFault.extensionHeaderBeyondEnd) { try parseHeader(packet(0x85, chain)) }
    #expect(throws: GTPUFault.extensionHeaderBeyondEnd) {
      try parseHeader(packet(0x85, [2, 0x10, 9, 0]))
    }
    // A chain that goes on after its last byte.
    #expect(throws: GTPUFault.extensionHeaderBeyondEnd) {
      try parseHeader(packet(0x40, [1, 0, 0, 0x40]))
    }
  }

  @Test func `as many headers as the limit are read, and one more is refused`() throws {
    func chain(_ count: Int) -> [UInt8] {
      (0..<count).flatMap { [1, 0, 0, $0 == count - 1 ? 0 : 0x20] }
    }
    let limit = ExtensionHeader.limit
    #expect(try parseHeader(packet(0x20, chain(limit))).payloadOffset == 12 + 4 * limit)
    #expect(throws: GTPUFault.tooManyExtensionHeaders) {
      try parseHeader(packet(0x20, chain(limit + 1)))
    }
  }

  @Test func `an unknown type is skipped or refused as its first bit says`() throws {
    for type in UInt8(1)...255 where !ExtensionHeader.supported.contains(type) {
      let bytes = packet(type, [2, 1, 2, 3, 4, 5, 6, 0x85, 1, 0x10, 9, 0])
      if type & 0x80 == 0 {
        #expect(try parseHeader(bytes).pduSession == PDUSessionContainer(.uplink, qfi: 9))
      } else {
        #expect(throws: GTPUFault.extensionHeaderNotSupported) { try parseHeader(bytes) }
      }
    }
  }

  @Test func `the UDP port is read`() throws {
    #expect(try parseHeader(packet(0x40, [1, 0x12, 0x34, 0])).udpPort == 0x1234)
  }

  @Test func `a second PDU session container is refused`() {
    #expect(throws: GTPUFault.repeatedPDUSessionContainer) {
      try parseHeader(packet(0x85, [1, 0x10, 9, 0x85, 1, 0x10, 10, 0]))
    }
  }

  @Test(arguments: UInt8(2)...15)
  func `a reserved PDU type is refused`(type: UInt8) {
    #expect(throws: GTPUFault.unknownPDUSessionType) {
      try parseHeader(packet(0x85, [1, type << 4, 9, 0]))
    }
  }

  /// Flag bytes of a container and how many bytes they announce after themselves.
  static let layouts: [(first: UInt8, second: UInt8, announced: Int)] = [
    (0x00, 0x80, 1), (0x08, 0x00, 8), (0x04, 0x00, 3), (0x02, 0x00, 4), (0x0e, 0xc0, 16),
    (0x18, 0x00, 24), (0x14, 0x00, 4), (0x12, 0x00, 4), (0x11, 0x00, 3), (0x10, 0x80, 4),
    (0x1f, 0x80, 39), (0x10, 0x40, 1),
  ]

  @Test(arguments: layouts.indices)
  func `a container must be as long as its flags announce`(index: Int) throws {
    let layout = Self.layouts[index]
    for units in 1...12 {
      let content = 4 * units - 4
      let bytes = packet(
        0x85,
        [UInt8(units), layout.first, layout.second | 5] + Array(repeating: 0, count: content) + [0])
      if content >= layout.announced {
        let header = try parseHeader(bytes)
        #expect(header.pduSession?.qfi == 5)
        #expect(header.payloadOffset == bytes.count)
      } else {
        #expect(throws: GTPUFault.truncatedPDUSessionContainer) { try parseHeader(bytes) }
      }
    }
  }

  @Test func `fields after the ones that are passed over are found`() throws {
    let downlink = packet(
      0x85, [4, 0x0c, 0xc5, 0x60] + Array(repeating: 0xee, count: 8) + [1, 2, 3, 0])
    #expect(
      try parseHeader(downlink).pduSession
        == PDUSessionContainer(
          .downlink, qfi: 5, reflectiveQoS: true, pagingPolicy: 3, sequenceNumber: 0x01_0203))
    let uplink = packet(0x85, [3, 0x15, 5, 9, 9, 9, 9, 1, 2, 3, 0, 0])
    #expect(
      try parseHeader(uplink).pduSession
        == PDUSessionContainer(.uplink, qfi: 5, sequenceNumber: 0x01_0203))
  }

  @Test func `a new kind of uplink measurement is checked for its length`() throws {
    #expect(throws: GTPUFault.truncatedPDUSessionContainer) {
      try parseHeader(packet(0x85, [2, 0x10, 0x45, 1, 0, 0, 0, 0]))
    }
    #expect(
      try parseHeader(packet(0x85, [2, 0x10, 0x45, 0, 0, 0, 0, 0])).pduSession
        == PDUSessionContainer(.uplink, qfi: 5))
  }
}
