extension ControlMessage {
  /// Most bytes that a message sent by this node takes.
  package static let maximumEncodedCount = GTPUHeader.maximumEncodedCount + 5 + 19

  /// The header that goes before the elements.
  private var header: GTPUHeader {
    switch self {
    case .echoRequest(let number): GTPUHeader(.echoRequest, sequenceNumber: number)
    case .echoResponse(let number, _): GTPUHeader(.echoResponse, sequenceNumber: number)
    // The S flag is set and the number means nothing (section 5.1).
    case .errorIndication(_, _, let port):
      GTPUHeader(.errorIndication, sequenceNumber: 0, udpPort: port)
    case .supportedExtensionHeaders: GTPUHeader(.supportedExtensionHeaders, sequenceNumber: 0)
    case .endMarker(let teid, let session):
      GTPUHeader(.endMarker, teid: teid, pduSession: session)
    }
  }

  private var elementsCount: Int {
    switch self {
    case .echoRequest, .endMarker: 0
    case .echoResponse: 2
    case .errorIndication(_, .v4, _): 5 + 7
    case .errorIndication(_, .v6, _): 5 + 19
    case .supportedExtensionHeaders(let types): 2 + min(types.count, 255)
    }
  }

  /// How many bytes `encode` writes.
  package var encodedCount: Int { header.encodedCount + elementsCount }

  /// Writes the message to the start of `output`, which must have room for `encodedCount` bytes.
  @discardableResult
  package func encode(into output: inout MutableSpan<UInt8>) -> Int {
    let start = header.encode(payloadCount: elementsCount, into: &output)
    switch self {
    case .echoRequest, .endMarker: break
    case .echoResponse(_, let counter):
      output[start] = ElementType.recovery
      output[start + 1] = counter
    case .errorIndication(let teid, let peer, _):
      output[start] = ElementType.teidData
      output.put(teid, at: start + 1)
      output[start + 5] = ElementType.peerAddress
      Self.put(peer, into: &output, at: start + 6)
    case .supportedExtensionHeaders(let types):
      output[start] = ElementType.extensionHeaderTypes
      output[start + 1] = UInt8(min(types.count, 255))
      for (index, type) in types.prefix(255).enumerated() { output[start + 2 + index] = type }
    }
    return start + elementsCount
  }

  /// The message as bytes.
  package var encoded: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: encodedCount)
    var span = bytes.mutableSpan
    encode(into: &span)
    return bytes
  }

  private static func put(
    _ address: GTPUAddress, into output: inout MutableSpan<UInt8>, at offset: Int
  ) {
    switch address {
    case .v4(let address):
      output.put(UInt16(4), at: offset)
      output.put(address, at: offset + 2)
    case .v6(let high, let low):
      output.put(UInt16(16), at: offset)
      for (index, part) in [high >> 32, high, low >> 32, low].enumerated() {
        output.put(UInt32(truncatingIfNeeded: part), at: offset + 2 + 4 * index)
      }
    }
  }
}
