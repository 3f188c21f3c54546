package import CodeReferences

/// What the value of a field may have become, likeliest first.
struct FieldPrediction {
  /// At most so many candidates are tried.
  static let limit = 4

  /// Different values.
  private(set) var candidates = InlineArray<4, UInt64>(repeating: 0)
  /// How many there are; at least one.
  private(set) var count = 0
  /// What the value was in the base.
  let old: UInt64
  /// The address of the base that the field names, or 0.
  var address: UInt64 = 0
  /// Number of the `MappedAddress.Source` behind the first candidate; 0 for what is no reference.
  var source = 0
  /// Whether the field names an address.
  var isReference = false
  /// What has to be added to the value, modulo its width, to get the address it names.
  var origin: UInt64 = 0

  init(old: UInt64) { self.old = old }

  /// Adds a candidate unless it is there already.
  @inline(__always)
  mutating func add(_ value: UInt64) {
    guard count < Self.limit, !has(value) else { return }
    candidates[count] = value
    count &+= 1
  }

  @inline(__always)
  private func has(_ value: UInt64) -> Bool {
    // Through a span: the loop would copy all of them each time.
    let candidates = candidates.span
    for index in 0..<count where candidates[index] == value { return true }
    return false
  }
}

extension ByteKind {
  /// Bytes of a field of this kind; 1 where a byte stands for itself.
  @inline(__always)
  package var width: Int {
    if Self.fours & bit != 0 { return 4 }
    if Self.eights & bit != 0 { return 8 }
    return Self.twos & bit != 0 ? 2 : 1
  }

  /// Whether values of this kind are foretold as a whole, rather than byte by byte.
  @inline(__always)
  package var isField: Bool {
    (Self.twos | Self.fours | Self.eights | Self.relative8.bit) & bit != 0
  }

  @inline(__always)
  private var bit: UInt64 { 1 &<< UInt64(number) }

  /// The kinds of two bytes, a bit for each.
  private static var twos: UInt64 {
    riscHalf.bit | riscCompressedJump.bit | riscCompressedBranch.bit
  }

  /// The kinds of eight bytes.
  private static var eights: UInt64 {
    address64.bit | symbolSize.bit | sectionSize.bit | relativeRelocation.bit | relativeBitmap.bit
  }

  /// The kinds of four bytes.
  private static var fours: UInt64 {
    let words = riscCompressedJump.bit &- armWord.bit
    let newerWords = loongCallEnd.bit | loongRelativePage.bit | loongRelativeLow12.bit
    let x86 =
      displacement32.bit | immediate32.bit | relative32.bit | rip0.bit | rip1.bit | rip2.bit
      | rip4.bit
    let tables =
      symbolIndex.bit | relativeAddress32.bit | commonEntryPointer.bit | codeRange.bit
      | jumpTableEntry.bit | pltIndex.bit | stringOffset.bit
    return words & ~riscHalf.bit | newerWords | x86 | tables
  }
}
