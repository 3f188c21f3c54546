/// What the bits of a delta are spent on.
package enum CostCause: Int, CaseIterable, Sendable {
  /// File header, program headers and section headers.
  case frame
  /// Where covers lie.
  case covers
  /// Whether a block is as foretold.
  case blocks
  /// References of the base that became something else than foretold.
  case references
  /// Other fields of the base: constants, instruction words, numbers of tables.
  case values
  /// Single bytes of the base that changed.
  case bytes
  /// Code that is not in the base.
  case newCode
  /// Other bytes that are not in the base.
  case newData
  /// Whether a table follows from the rest.
  case derived
}

/// Notes while encoding what each piece of the target costs.
package struct CostBook: Sendable {
  /// A piece of the target and what it costs.
  package struct Entry: Sendable {
    /// Where the piece starts.
    package let place: Int
    /// Why it costs anything.
    package let cause: CostCause
    /// In 1/65536 bits.
    package var cost: UInt64
  }

  /// All pieces, in the order of coding.
  package private(set) var entries: [Entry] = []
  /// For each 16-bit probability what a bit of it costs, in 1/65536 bits.
  ///
  /// All of them: most bits are all but certain, and there are so many that what is rounded adds up.
  private static let costs: [UInt32] = (0...65536).map { cost(max(1, $0)) }

  /// Makes an empty book.
  package init() {}

  /// Opens the piece that the bits to come belong to.
  @inline(__always)
  mutating func open(_ cause: CostCause, _ place: Int) {
    entries.append(Entry(place: place, cause: cause, cost: 0))
  }

  /// Notes a bit that had `probability`, in 1/65536, of being what it is.
  @inline(__always)
  mutating func note(_ probability: Int) {
    guard !entries.isEmpty else { return }
    entries[entries.count - 1].cost += UInt64(Self.costs[min(max(1, probability), 65536)])
  }

  /// -log2(probability / 65536) in 1/65536 bits, digit by digit.
  private static func cost(_ probability: Int) -> UInt32 {
    var digits: UInt32 = 0
    var mantissa = UInt64(probability)
    while mantissa < 1 << 31 { mantissa <<= 1 }
    for _ in 0..<16 {
      mantissa = (mantissa * mantissa) >> 31
      digits <<= 1
      if mantissa >= 1 << 32 {
        mantissa >>= 1
        digits |= 1
      }
    }
    let log = UInt32(63 - UInt64(probability).leadingZeroBitCount) << 16 | digits
    return (16 << 16) - min(log, 16 << 16)
  }
}
