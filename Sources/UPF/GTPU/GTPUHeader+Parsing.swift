extension GTPUHeader {
  /// Parses the header at the start of `datagram`, which must hold exactly one message.
  ///
  /// Total: every input ends in a header or a fault. What follows `payloadOffset` is not looked at.
  /// Unknown extension headers are skipped or refused as their type says (section 5.2.1).
  /// - Complexity: O(1), at most `ExtensionHeader.limit` steps.
  package init(parsing datagram: Span<UInt8>) throws(GTPUFault) {
    guard datagram.count >= Self.mandatorySize else { throw .truncatedHeader }
    let flags = datagram[0]
    guard flags >> 5 == 1 else { throw .unsupportedVersion }
    guard flags & Flags.protocolType != 0 else { throw .primeProtocol }
    let end = Self.mandatorySize + Int(datagram.big16(at: 2))
    guard end <= datagram.count else { throw .lengthBeyondDatagram }
    guard end == datagram.count else { throw .lengthShortOfDatagram }
    guard let type = GTPUMessageType(rawValue: datagram[1]) else { throw .unknownMessageType }

    self.type = type
    teid = datagram.big32(at: 4)
    payloadOffset = Self.mandatorySize
    guard flags & Flags.anyOptional != 0 else { return }
    try parseOptionalFields(datagram, flags: flags)
  }

  /// One flag is enough for all four bytes to be there; each field counts only under its own flag.
  @inline(__always)
  private mutating func parseOptionalFields(
    _ datagram: Span<UInt8>, flags: UInt8
  ) throws(GTPUFault) {
    guard datagram.count >= Self.optionalSize else { throw .truncatedOptionalFields }
    if flags & Flags.sequenceNumber != 0 { sequenceNumber = datagram.big16(at: 8) }
    if flags & Flags.nPDUNumber != 0 { nPDUNumber = datagram[10] }
    payloadOffset = Self.optionalSize
    if flags & Flags.extensionHeader != 0 {
      try parseExtensionHeaders(datagram, first: datagram[11])
    }
  }

  @inline(__always)
  private mutating func parseExtensionHeaders(
    _ datagram: Span<UInt8>, first: UInt8
  ) throws(GTPUFault) {
    var type = first
    var count = 0
    while type != ExtensionHeader.none {
      count += 1
      guard count <= ExtensionHeader.limit else { throw .tooManyExtensionHeaders }
      guard payloadOffset < datagram.count else { throw .extensionHeaderBeyondEnd }
      let size = 4 * Int(datagram[payloadOffset])
      guard size > 0 else { throw .emptyExtensionHeader }
      let end = payloadOffset + size
      guard end <= datagram.count else { throw .extensionHeaderBeyondEnd }
      try parseExtensionHeader(type, datagram, content: payloadOffset + 1..<end - 1)
      type = datagram[end - 1]
      payloadOffset = end
    }
  }

  @inline(__always)
  private mutating func parseExtensionHeader(
    _ type: UInt8, _ datagram: Span<UInt8>, content: Range<Int>
  ) throws(GTPUFault) {
    switch type {
    case ExtensionHeader.pduSessionContainer:
      guard pduSession == nil else { throw .repeatedPDUSessionContainer }
      pduSession = try PDUSessionContainer(parsing: datagram, in: content)
    case ExtensionHeader.udpPort:
      // Two bytes of content whatever the length says: the loop made sure of them.
      udpPort = datagram.big16(at: content.lowerBound)
    default:
      if ExtensionHeader.mustBeUnderstood(type) { throw .extensionHeaderNotSupported }
    }
  }
}

/// Bits of the first byte.
enum Flags {
  static let version: UInt8 = 1 << 5
  static let protocolType: UInt8 = 0x10
  static let extensionHeader: UInt8 = 0x04
  static let sequenceNumber: UInt8 = 0x02
  static let nPDUNumber: UInt8 = 0x01
  static let anyOptional: UInt8 = 0x07
}

extension Span<UInt8> {
  /// The big-endian number at `offset`, which the caller has checked to be inside.
  @inline(__always)
  func big16(at offset: Int) -> UInt16 {
    UInt16(self[offset]) << 8 | UInt16(self[offset + 1])
  }

  /// The big-endian number at `offset`, which the caller has checked to be inside.
  @inline(__always)
  func big32(at offset: Int) -> UInt32 {
    UInt32(big16(at: offset)) << 16 | UInt32(big16(at: offset + 2))
  }
}
