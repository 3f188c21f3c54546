extension PDUSessionContainer {
  /// Parses the container in `content` of `bytes`, which must hold that range of at least two bytes.
  init(parsing bytes: Span<UInt8>, in content: Range<Int>) throws(GTPUFault) {
    let first = bytes[content.lowerBound]
    let second = bytes[content.lowerBound + 1]
    guard let direction = Direction(rawValue: first >> 4) else { throw .unknownPDUSessionType }
    self.init(direction, qfi: second & Self.largestQFI)
    var reader = FieldReader(next: content.lowerBound + 2, end: content.upperBound)
    switch direction {
    case .downlink: try parseDownlink(bytes, first, second, &reader)
    case .uplink: try parseUplink(bytes, first, second, &reader)
    }
  }

  private mutating func parseDownlink(
    _ bytes: Span<UInt8>, _ first: UInt8, _ second: UInt8, _ reader: inout FieldReader
  ) throws(GTPUFault) {
    reflectiveQoS = second & 0x40 != 0
    if second & 0x80 != 0 { pagingPolicy = bytes[try reader.take(1)] >> 5 }
    if first & 0x08 != 0 { _ = try reader.take(8) }  // sending time stamp
    if first & 0x04 != 0 { sequenceNumber = bytes.big24(at: try reader.take(3)) }
    if first & 0x02 != 0 { _ = try reader.take(4) }  // sequence number of a multicast flow
  }

  private mutating func parseUplink(
    _ bytes: Span<UInt8>, _ first: UInt8, _ second: UInt8, _ reader: inout FieldReader
  ) throws(GTPUFault) {
    if first & 0x08 != 0 { _ = try reader.take(24) }  // three time stamps
    if first & 0x04 != 0 { _ = try reader.take(4) }  // downlink delay
    if first & 0x02 != 0 { _ = try reader.take(4) }  // uplink delay
    if first & 0x01 != 0 { sequenceNumber = bytes.big24(at: try reader.take(3)) }
    if second & 0x80 != 0 { _ = try reader.take(4) }  // N3/N9 delay
    guard second & 0x40 != 0 else { return }
    let newer = bytes[try reader.take(1)]
    if newer & 0x01 != 0 { _ = try reader.take(4) }  // PDCP delay
  }
}

/// Hands out the offsets of consecutive fields.
private struct FieldReader {
  var next: Int
  let end: Int

  mutating func take(_ count: Int) throws(GTPUFault) -> Int {
    guard next + count <= end else { throw .truncatedPDUSessionContainer }
    defer { next += count }
    return next
  }
}

extension Span<UInt8> {
  fileprivate func big24(at offset: Int) -> UInt32 {
    UInt32(self[offset]) << 16 | UInt32(big16(at: offset + 1))
  }
}
