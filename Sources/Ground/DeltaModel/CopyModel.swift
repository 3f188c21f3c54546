internal import CodeReferences

/// Codes where covered bytes differ from what was foretold, and what they are instead.
///
/// Whole blocks without a difference cost one flag. In the others each field has a flag per candidate,
/// each byte one flag; what was foretold wrongly is coded knowing what it was, what came before, and
/// what the instruction or record around it is.
struct CopyModel: Sendable {
  var blockFlags = FlagModel(bits: 14, sets: 128, inputs: 5)
  var fieldFlags: FlagModel
  var byteFlags: FlagModel
  var bytes = ByteModel(kinds: 64, inputs: 13)
  var addresses = ByteModel(kinds: 128, inputs: 6)
  var renamedFlags = FlagModel(bits: 12, sets: 8, inputs: 5)

  /// What became of registers (x86-64).
  var names = RegisterNames()

  /// One bit per block, the last one lowest; set where something differed.
  private var blocks = 0
  /// One bit per token of a block with differences, the last one lowest; set where it was foretold wrongly.
  private var misses = 0
  /// One bit per byte that differed where registers were renamed; set where it became what was foretold.
  private var renamings = 0
  /// The same as `misses` for fields that name addresses.
  private var addressMisses = 0
  /// By kind, by how much the last byte that differed had changed.
  private var changes = InlineArray<64, Int>(repeating: 0)

  /// What a block is, as far as that says how likely a difference is.
  struct BlockTraits {
    /// Number of the section's role.
    var role = 0
    /// How unsure the worst of its references is, 0 to 3.
    var risk = 0
    /// How many references it holds.
    var references = 0
    /// Its size in bytes.
    var count = 0
    /// Whether its cover starts and ends with it.
    var isFirst = false
    var isLast = false
  }

  /// What is known about a byte before it is coded.
  struct ByteTraits {
    /// Kind without marks.
    var kind = 0
    var role = 0
    /// The last three bytes of prefixes, opcode and ModRM before and with it; 0 outside of x86-64 code.
    var opcode = 0
    /// Where it stands in its record.
    var column = 0
    /// Its place in the base and the target.
    var old = 0
    var place = 0
    /// Whether it is of x86-64 code.
    var isInstruction = false
    /// What it is with its registers renamed.
    var renamed = 0
    /// Which register a displacement is added to, or what call frame instructions came before, as far as
    /// known; else 0.
    var frame = 0
  }

  /// Makes the models with 2^`bits` slots for flags.
  init(bits: Int) {
    fieldFlags = FlagModel(bits: bits, sets: 32, inputs: 10)
    byteFlags = FlagModel(bits: bits, sets: 128, inputs: 10)
  }

  /// Codes whether a block differs from what was foretold.
  mutating func codeBlock(_ differs: Bool, _ block: BlockTraits, coder: inout BinaryCoder) -> Bool {
    let last = blocks & 3
    let edge = (block.isFirst ? 1 : 0) | (block.isLast ? 2 : 0)
    let contexts: InlineArray<5, ContextHash> = [
      ContextHash(0).with(block.role << 8 | last << 4 | block.risk),
      ContextHash(1).with(blocks & 255).with(block.role),
      ContextHash(2).with(min(block.references, 7) << 8 | block.risk << 4 | last & 1),
      ContextHash(3).with(block.role << 8 | edge << 6 | min(block.count >> 3, 15)),
      ContextHash(4).with(blocks & 0xffff).with(block.risk),
    ]
    let result = blockFlags.code(
      differs, contexts: contexts, set: block.role << 2 | last, coder: &coder)
    blocks = blocks << 1 | (result ? 1 : 0)
    return result
  }

  /// Codes which candidate a field became: its index, or their number if it is none of them.
  mutating func codeChoice(
    _ choice: Int, _ prediction: FieldPrediction, kind: Int, role: Int, opcode: Int,
    coder: inout BinaryCoder
  ) -> Int {
    var index = 0
    while index < prediction.count {
      let state = kind << 8 | index << 4 | prediction.source
      let start = ContextHash(10)
      let contexts: InlineArray<10, ContextHash> = [
        start.with(state),
        start.with(state).with(misses & 7),
        start.with(kind << 8 | index).with(addressMisses & 15),
        start.with(kind << 8 | index).with(Int(truncatingIfNeeded: prediction.address)),
        start.with(kind << 8 | index)
          .with(Int(truncatingIfNeeded: prediction.candidates[index])),
        start.with(kind << 8 | index).with(misses & 255).with(role),
        start.with(state).with(opcode).with(misses & 1),
        start.with(kind << 8 | index).with(opcode)
          .with(Int(truncatingIfNeeded: prediction.old)),
        start.with(state).with(prediction.count).with(misses & 3),
        start.with(kind << 8 | index).with(prediction.count).with(opcode),
      ]
      let isOther = fieldFlags.code(
        index != choice, contexts: contexts, set: index << 3 | prediction.source, coder: &coder)
      if !isOther { break }
      index += 1
    }
    misses = misses << 1 | (index == 0 ? 0 : 1)
    if prediction.isReference { addressMisses = addressMisses << 1 | (index == 0 ? 0 : 1) }
    return index
  }

  /// Codes a field that became none of its candidates: the address it names, or its value, from the top.
  mutating func codeOther(
    _ value: UInt64, _ prediction: FieldPrediction, kind: ByteKind, table: inout ContextTable,
    coder: inout BinaryCoder
  ) -> UInt64 {
    let width = kind.width
    let mask: UInt64 = width == 8 ? .max : 1 << UInt64(8 * width) - 1
    let expected = (prediction.candidates[0] &+ prediction.origin) & mask
    let coded = codeNumber(
      (value &+ prediction.origin) & mask, expected: expected, width: width,
      kind: kind.number, subject: Int(truncatingIfNeeded: prediction.address), table: &table,
      coder: &coder)
    let other = (coded &- prediction.origin) & mask
    for index in 0..<prediction.count {
      coder.refuse(if: prediction.candidates[index] == other)
    }
    return other
  }

  /// Codes `width` bytes of a number that is likely to be near `expected`, the highest first.
  mutating func codeNumber(
    _ value: UInt64, expected: UInt64, width: Int, kind: Int, subject: Int,
    table: inout ContextTable, coder: inout BinaryCoder
  ) -> UInt64 {
    var result: UInt64 = 0
    var isEqual = true
    for index in 0..<width {
      let shift = UInt64(8 * (width - 1 - index))
      let guess = Int(expected >> shift & 255)
      let prefix = Int(truncatingIfNeeded: result)
      let position = index << 1 | (isEqual ? 1 : 0)
      let start = ContextHash(20).with(position)
      let contexts: InlineArray<6, ContextHash> = [
        start.with(prefix).with(isEqual ? guess : 256),
        start.with(prefix).with(kind),
        start.with(prefix),
        start.with(guess).with(kind),
        start.with(prefix).with(subject),
        start.with(prefix & 255).with(kind),
      ]
      let byte = addresses.code(
        UInt8(truncatingIfNeeded: value >> shift), contexts: contexts,
        kind: index << 1 | (isEqual ? 1 : 0) | (width == 8 ? 16 : 0) | (kind == 0 ? 32 : 0),
        table: &table, coder: &coder)
      result = result << 8 | UInt64(byte)
      isEqual = isEqual && Int(byte) == guess
    }
    return result
  }

  /// Codes one byte that stands for itself.
  mutating func codeByte(
    _ byte: UInt8, _ given: ByteTraits, base: Span<UInt8>, target: Span<UInt8>,
    table: inout ContextTable, coder: inout BinaryCoder
  ) -> UInt8 {
    let was = base.byte(given.old)
    var traits = given
    traits.renamed = was
    let kind = ByteKind(rawValue: UInt8(truncatingIfNeeded: given.kind))
    if given.isInstruction {
      traits.frame = names.frame
      traits.renamed =
        coder.without.contains(.renamedRegisters)
        ? was : names.renamed(kind, at: given.old, base: base)
    }
    let result = codeChange(
      byte, traits, was: was, base: base, target: target, table: &table, coder: &coder)
    if given.isInstruction { names.learn(kind, was: was, now: Int(result)) }
    return result
  }

  private mutating func codeChange(
    _ byte: UInt8, _ traits: ByteTraits, was: Int, base: Span<UInt8>, target: Span<UInt8>,
    table: inout ContextTable, coder: inout BinaryCoder
  ) -> UInt8 {
    let differs = codeDiffers(
      Int(byte) != was, traits, was: was, base: base, target: target, coder: &coder)
    misses = misses << 1 | (differs ? 1 : 0)
    guard differs else { return UInt8(truncatingIfNeeded: was) }
    var result = UInt8(truncatingIfNeeded: traits.renamed)
    if traits.renamed == was || !codeIsRenamed(byte == result, traits, was: was, coder: &coder) {
      result = codeValue(
        byte, traits, was: was, base: base, target: target, table: &table, coder: &coder)
      coder.refuse(if: Int(result) == was || Int(result) == traits.renamed)
    }
    changes[traits.kind] = Int(result) &- was
    return result
  }

  /// Codes whether a byte that differs is what it is with its registers renamed.
  private mutating func codeIsRenamed(
    _ isRenamed: Bool, _ traits: ByteTraits, was: Int, coder: inout BinaryCoder
  ) -> Bool {
    let start = ContextHash(39).with(traits.kind)
    let contexts: InlineArray<5, ContextHash> = [
      start,
      start.with(renamings & 7),
      start.with(was << 8 | traits.renamed),
      start.with(traits.opcode).with(traits.renamed),
      ContextHash(29).with(renamings & 255),
    ]
    let result = renamedFlags.code(
      isRenamed, contexts: contexts, set: traits.kind & 7, coder: &coder)
    renamings = renamings << 1 | (result ? 1 : 0)
    return result
  }

  private mutating func codeDiffers(
    _ differs: Bool, _ traits: ByteTraits, was: Int, base: Span<UInt8>, target: Span<UInt8>,
    coder: inout BinaryCoder
  ) -> Bool {
    let kind = traits.kind
    let before = base.byte(traits.old &- 1)
    let changed = target.byte(traits.place &- 1) == before ? 0 : 1
    let renames = traits.renamed == was ? 0 : 1
    let contexts: InlineArray<10, ContextHash> = [
      ContextHash(30).with(kind << 8 | traits.role << 3 | misses & 7),
      ContextHash(31).with(kind << 9 | was << 1 | misses & 1),
      ContextHash(32).with(misses & 255).with(traits.role),
      ContextHash(33).with(traits.opcode).with(kind << 8 | was),
      ContextHash(34).with(traits.role << 8 | traits.column << 1 | misses & 1),
      ContextHash(35).with(was << 17 | before << 9 | base.byte(traits.old &+ 1) << 1 | changed),
      ContextHash(36).with(kind << 4 | traits.role).with(misses & 0xfff),
      ContextHash(37).with(kind << 1 | renames).with(misses & 3),
      ContextHash(38).with(kind).with(was << 8 | traits.renamed),
      ContextHash(39).with(kind << 1 | renames).with(traits.frame).with(was),
    ]
    return byteFlags.code(
      differs, contexts: contexts, set: traits.role << 2 | misses & 3, coder: &coder)
  }

  private mutating func codeValue(
    _ byte: UInt8, _ traits: ByteTraits, was: Int, base: Span<UInt8>, target: Span<UInt8>,
    table: inout ContextTable, coder: inout BinaryCoder
  ) -> UInt8 {
    let kind = traits.kind
    let one = target.byte(traits.place &- 1)
    let two = target.byte(traits.place &- 2)
    let change = one &- base.byte(traits.old &- 1)
    let moved = (was &+ changes[kind]) & 255
    let contexts: InlineArray<13, ContextHash> = [
      ContextHash(40).with(was << 8 | kind),
      ContextHash(41).with(kind << 8 | one),
      ContextHash(42).with(one << 8 | two),
      ContextHash(43).with(moved << 8 | kind),
      ContextHash(44).with(was).with(traits.opcode),
      ContextHash(45).with(traits.role << 16 | traits.column << 8 | was),
      ContextHash(46).with(one << 16 | two << 8 | target.byte(traits.place &- 3)),
      ContextHash(47).with(change).with(was),
      ContextHash(48).with(traits.role << 8 | kind),
      ContextHash(49).with(was << 16 | base.byte(traits.old &+ 1) << 8 | one),
      ContextHash(50).with(traits.opcode).with(kind << 8 | one),
      ContextHash(51).with(traits.renamed << 8 | kind),
      ContextHash(52).with(traits.frame).with(kind << 8 | was),
    ]
    return bytes.code(byte, contexts: contexts, kind: kind, table: &table, coder: &coder)
  }
}
