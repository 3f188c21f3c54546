extension ControlMessage {
  /// Parses the message after `header`, which was parsed from the same `datagram`; nil for a G-PDU.
  ///
  /// Elements that are known and not needed, and unknown ones that tell their length, are passed over
  /// (section 8.1); of a repeated element the first counts.
  package init?(header: GTPUHeader, datagram: Span<UInt8>) throws(GTPUFault) {
    switch header.type {
    case .packet: return nil
    case .echoRequest:
      guard let number = header.sequenceNumber else { throw .missingSequenceNumber }
      _ = try Elements(parsing: datagram, from: header.payloadOffset)
      self = .echoRequest(sequenceNumber: number)
    case .echoResponse:
      guard let number = header.sequenceNumber else { throw .missingSequenceNumber }
      let elements = try Elements(parsing: datagram, from: header.payloadOffset)
      guard let counter = elements.recovery else { throw .missingElement }
      self = .echoResponse(sequenceNumber: number, restartCounter: counter)
    case .errorIndication:
      let elements = try Elements(parsing: datagram, from: header.payloadOffset)
      guard let teid = elements.teid, let peer = elements.peer else { throw .missingElement }
      self = .errorIndication(teid: teid, peer: peer, udpPort: header.udpPort)
    case .supportedExtensionHeaders:
      let elements = try Elements(parsing: datagram, from: header.payloadOffset)
      guard let types = elements.extensionHeaders else { throw .missingElement }
      self = .supportedExtensionHeaders(types.map { datagram[$0] })
    case .endMarker:
      _ = try Elements(parsing: datagram, from: header.payloadOffset)
      self = .endMarker(teid: header.teid, pduSession: header.pduSession)
    }
  }
}

/// The information elements of one message that anything here looks at.
private struct Elements {
  var recovery: UInt8?
  var teid: UInt32?
  var peer: GTPUAddress?
  /// Where the list lies in the datagram.
  var extensionHeaders: Range<Int>?

  init(parsing datagram: Span<UInt8>, from start: Int) throws(GTPUFault) {
    var offset = start
    while offset < datagram.count {
      let type = datagram[offset]
      let content = try Self.content(of: type, datagram, at: offset)
      guard content.upperBound <= datagram.count else { throw .truncatedElement }
      try take(type, datagram, content)
      offset = content.upperBound
    }
  }

  private static func content(
    of type: UInt8, _ datagram: Span<UInt8>, at offset: Int
  ) throws(GTPUFault) -> Range<Int> {
    switch type {
    case ElementType.recovery: return offset + 1..<offset + 2
    case ElementType.teidData: return offset + 1..<offset + 5
    case ElementType.extensionHeaderTypes:
      // The one element whose length takes one byte (section 8.5).
      guard offset + 2 <= datagram.count else { throw .truncatedElement }
      return offset + 2..<offset + 2 + Int(datagram[offset + 1])
    case ElementType.firstWithLength...:
      guard offset + 3 <= datagram.count else { throw .truncatedElement }
      return offset + 3..<offset + 3 + Int(datagram.big16(at: offset + 1))
    default: throw .unknownElement
    }
  }

  private mutating func take(
    _ type: UInt8, _ datagram: Span<UInt8>, _ content: Range<Int>
  ) throws(GTPUFault) {
    let start = content.lowerBound
    switch type {
    case ElementType.recovery: recovery = recovery ?? datagram[start]
    case ElementType.teidData: teid = teid ?? datagram.big32(at: start)
    case ElementType.extensionHeaderTypes: extensionHeaders = extensionHeaders ?? content
    case ElementType.peerAddress:
      let address: GTPUAddress
      switch content.count {
      case 4: address = .v4(datagram.big32(at: start))
      case 16: address = .v6(datagram.big64(at: start), datagram.big64(at: start + 8))
      default: throw .wrongElementLength
      }
      peer = peer ?? address
    default: break
    }
  }
}

extension Span<UInt8> {
  fileprivate func big64(at offset: Int) -> UInt64 {
    UInt64(big32(at: offset)) << 32 | UInt64(big32(at: offset + 4))
  }
}
