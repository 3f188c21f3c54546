extension GTPUHeader {
  /// Most bytes that `encode` writes.
  package static let maximumEncodedCount =
    optionalSize + 4 + PDUSessionContainer.maximumEncodedCount

  /// How many bytes `encode` writes.
  package var encodedCount: Int {
    guard hasOptionalFields else { return Self.mandatorySize }
    return Self.optionalSize + (udpPort == nil ? 0 : 4) + (pduSession?.encodedCount ?? 0)
  }

  private var hasOptionalFields: Bool {
    sequenceNumber != nil || nPDUNumber != nil || pduSession != nil || udpPort != nil
  }

  /// Writes the header for `payloadCount` bytes of payload to the start of `output`.
  ///
  /// `output` must have room for `encodedCount` bytes, and header and payload must fit the length field:
  /// `encodedCount + payloadCount` at most 65 543. Returns how many bytes were written.
  @discardableResult
  package func encode(payloadCount: Int, into output: inout MutableSpan<UInt8>) -> Int {
    let count = encodedCount
    var flags = Flags.version | Flags.protocolType
    if sequenceNumber != nil { flags |= Flags.sequenceNumber }
    if nPDUNumber != nil { flags |= Flags.nPDUNumber }
    if pduSession != nil || udpPort != nil { flags |= Flags.extensionHeader }
    output[0] = flags
    output[1] = type.rawValue
    output.put(UInt16(count + payloadCount - Self.mandatorySize), at: 2)
    output.put(teid, at: 4)
    guard hasOptionalFields else { return count }

    output.put(sequenceNumber ?? 0, at: 8)
    output[10] = nPDUNumber ?? 0
    var next = Self.optionalSize - 1
    if let udpPort {
      output[next] = ExtensionHeader.udpPort
      output[next + 1] = 1
      output.put(udpPort, at: next + 2)
      next += 4
    }
    if let pduSession {
      output[next] = ExtensionHeader.pduSessionContainer
      next += pduSession.encode(into: &output, at: next + 1)
    }
    output[next] = ExtensionHeader.none
    return count
  }

  /// The whole message: this header and `payload`.
  package func message(_ payload: [UInt8]) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: encodedCount)
    var span = bytes.mutableSpan
    encode(payloadCount: payload.count, into: &span)
    bytes += payload
    return bytes
  }
}

extension MutableSpan<UInt8> {
  /// Writes `value` in big-endian order at `offset`.
  mutating func put(_ value: UInt16, at offset: Int) {
    self[offset] = UInt8(truncatingIfNeeded: value >> 8)
    self[offset + 1] = UInt8(truncatingIfNeeded: value)
  }

  /// Writes `value` in big-endian order at `offset`.
  mutating func put(_ value: UInt32, at offset: Int) {
    put(UInt16(truncatingIfNeeded: value >> 16), at: offset)
    put(UInt16(truncatingIfNeeded: value), at: offset + 2)
  }
}
