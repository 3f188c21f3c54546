extension CBOR {
  /// The item in its one deterministic encoding: shortest heads, map keys in bytewise order.
  ///
  /// - Complexity: O(n log n) in the size of the encoding.
  package var encoded: [UInt8] {
    var output: [UInt8] = []
    encode(into: &output)
    return output
  }

  private func encode(into output: inout [UInt8]) {
    switch self {
    case .unsigned(let value): Self.head(0, value, into: &output)
    case .negative(let offset): Self.head(1, offset, into: &output)
    case .bytes(let bytes):
      Self.head(2, UInt64(bytes.count), into: &output)
      output += bytes
    case .text(let text):
      let bytes = Array(text.utf8)
      Self.head(3, UInt64(bytes.count), into: &output)
      output += bytes
    case .array(let items):
      Self.head(4, UInt64(items.count), into: &output)
      for item in items { item.encode(into: &output) }
    case .map(let entries):
      Self.head(5, UInt64(entries.count), into: &output)
      let sorted = entries.map { (key: $0.key.encoded, value: $0.value) }
        .sorted { $0.key.lexicographicallyPrecedes($1.key) }
      for entry in sorted {
        output += entry.key
        entry.value.encode(into: &output)
      }
    case .tagged(let tag, let item):
      Self.head(6, tag, into: &output)
      item.encode(into: &output)
    case .bool(let value): output.append(value ? 0xf5 : 0xf4)
    case .null: output.append(0xf6)
    }
  }

  private static func head(_ major: UInt8, _ value: UInt64, into output: inout [UInt8]) {
    let high = major << 5
    switch value {
    case 0..<24: output.append(high | UInt8(value))
    case 24..<0x100: output += [high | 24, UInt8(value)]
    case 0x100..<0x1_0000: big(high | 25, value, 2, into: &output)
    case 0x1_0000..<0x1_0000_0000: big(high | 26, value, 4, into: &output)
    default: big(high | 27, value, 8, into: &output)
    }
  }

  private static func big(
    _ first: UInt8, _ value: UInt64, _ count: Int, into output: inout [UInt8]
  ) {
    output.append(first)
    for index in (0..<count).reversed() {
      output.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index)))
    }
  }
}
