extension PDUSessionContainer {
  /// Most bytes that the extension header of one container takes.
  static let maximumEncodedCount = 8

  /// Bytes of the extension header: length, content, padding, type of the next.
  var encodedCount: Int {
    (contentCount + 2 + 3) / 4 * 4
  }

  private var contentCount: Int {
    2 + (pagingPolicy == nil ? 0 : 1) + (sequenceNumber == nil ? 0 : 3)
  }

  /// Writes the extension header up to, but without, the type of the next one; returns `encodedCount`.
  func encode(into output: inout MutableSpan<UInt8>, at offset: Int) -> Int {
    let count = encodedCount
    for index in offset..<offset + count - 1 { output[index] = 0 }
    output[offset] = UInt8(count / 4)
    var first = direction.rawValue << 4
    var second = qfi
    var next = offset + 3
    if reflectiveQoS { second |= 0x40 }
    if let pagingPolicy {
      second |= 0x80
      output[next] = pagingPolicy << 5
      next += 1
    }
    if let sequenceNumber {
      first |= direction == .downlink ? 0x04 : 0x01
      output[next] = UInt8(truncatingIfNeeded: sequenceNumber >> 16)
      output.put(UInt16(truncatingIfNeeded: sequenceNumber), at: next + 1)
    }
    output[offset + 1] = first
    output[offset + 2] = second
    return count
  }
}
