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
    guard count < Self.limit else { return }
    for index in 0..<count where candidates[index] == value { return }
    candidates[count] = value
    count &+= 1
  }
}

extension ByteKind {
  /// Bytes of a field of this kind; 1 where a byte stands for itself.
  @inline(__always)
  package var width: Int { Int(Self.widths[number]) }

  /// Whether values of this kind are foretold as a whole, rather than byte by byte.
  @inline(__always)
  package var isField: Bool { Self.widths[number] > 1 || self == .relative8 }

  private static let widths: InlineArray<64, UInt8> = {
    var widths = InlineArray<64, UInt8>(repeating: 1)
    for kind in [
      ByteKind.displacement32, .immediate32, .relative32, .rip0, .rip1, .rip2, .rip4, .symbolIndex,
      .relativeAddress32, .commonEntryPointer, .codeRange, .jumpTableEntry, .pltIndex,
      .stringOffset,
    ] { widths[kind.number] = 4 }
    for number in ByteKind.armWord.number...ByteKind.riscLow12S.number { widths[number] = 4 }
    for number in 54...56 { widths[number] = 4 }
    for kind in [ByteKind.riscHalf, .riscCompressedJump, .riscCompressedBranch] {
      widths[kind.number] = 2
    }
    for kind in [
      ByteKind.address64, .symbolSize, .sectionSize, .relativeRelocation, .relativeBitmap,
    ] { widths[kind.number] = 8 }
    return widths
  }()
}
