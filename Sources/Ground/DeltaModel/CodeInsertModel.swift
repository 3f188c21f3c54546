internal import CodeReferences

/// Codes x86-64 instructions that no cover has.
///
/// The bytes decoded so far tell what the next one is: opcode, ModRM, displacement and so on. That, the
/// instructions before, and what followed instructions like these elsewhere foretell it. References are
/// coded as the addresses they name.
struct CodeInsertModel: Sendable {
  private static let lengthLimit = 31
  private static let firstLength = (three: 16, two: 6)

  var bytes = ByteModel(kinds: 128, inputs: 16)
  private var index: InstructionIndex
  private var history = InstructionHistory()

  /// Start of the instruction in progress, in the bytes being coded.
  private var start = 0
  /// Where in the target the match goes on; nothing if `matched` is 0.
  private var match = 0
  private var matched = 0

  /// What surrounds the bytes that are coded.
  struct Surroundings {
    /// First byte behind the stretch that is coded.
    var end = 0
    /// What has to be added to a place to get its address.
    var slide: UInt64 = 0
    /// Diagonal of the cover before.
    var diagonal = 0
    /// Whether the bytes are those of the base, from which the model only learns.
    var isRehearsal = false
  }

  /// Makes room for an index of 2^`bits` places.
  init(bits: Int) {
    index = InstructionIndex(bits: bits)
  }

  /// Starts at `place`; `history` are the instructions before, the one in progress began at `start`.
  mutating func begin(
    _ bytes: Span<UInt8>, start: Int, place: Int, history: InstructionHistory,
    isRehearsal: Bool = false
  ) {
    self.history = history
    self.start = start
    self.history.restart()
    matched = 0
    for index in start..<max(start, place) { self.history.add(bytes.byte(index), isMasked: false) }
    if start == place { findMatch(place, isRehearsal: isRehearsal) }
  }

  /// Codes what comes next at `place`: a byte, or the four of a reference.
  mutating func code(
    _ truth: Span<UInt8>, at place: Int, _ around: Surroundings, target: Span<UInt8>,
    base: Span<UInt8>, predictor: inout FieldPredictor, copies: inout CopyModel,
    table: inout ContextTable, coder: inout BinaryCoder
  ) -> (value: UInt64, count: Int) {
    var kind = ByteKind.opcode
    if place > start {
      if let next = X86Instruction.kindOfNext(target, at: start, count: place &- start) {
        kind = next.plain
      } else {
        finishInstruction(place, target, around)
      }
    }
    if kind.isWideReference && place &+ 4 <= around.end {
      let value = codeReference(
        truth.little(place, 4), kind, at: place, around, predictor: &predictor, copies: &copies,
        table: &table, coder: &coder)
      return (value, 4)
    }
    let expected = matched > 0 ? target.byte(match) : 0
    let byte = codeByte(
      truth.count > place ? truth[place] : 0, kind, at: place, around, expected: expected,
      target: target, base: base, table: &table, coder: &coder)
    history.add(Int(byte), isMasked: kind == .relative8)
    follow(kind, hit: Int(byte) == expected)
    return (UInt64(byte), 1)
  }

  private mutating func follow(_ kind: ByteKind, hit: Bool) {
    guard matched > 0 else { return }
    match &+= 1
    if hit {
      matched &+= 1
    } else {
      let survives =
        kind == .immediate8 || kind == .displacement8 || kind == .relative8
        || kind == .displacement32 || kind == .immediate32
      matched = survives ? max(1, matched >> 1) : 0
    }
  }

  private mutating func finishInstruction(
    _ place: Int, _ target: Span<UInt8>, _ around: Surroundings
  ) {
    let instruction = X86Instruction(target, at: start, end: place)
    history.finish(instruction.opcodeClass)
    start = place
    findMatch(place, isRehearsal: around.isRehearsal)
  }

  private mutating func findMatch(_ place: Int, isRehearsal: Bool) {
    guard !isRehearsal else { return }
    if matched == 0 {
      if let found = index.place(after: history, three: true) {
        (match, matched) = (found, Self.firstLength.three)
      } else if let found = index.place(after: history, three: false) {
        (match, matched) = (found, Self.firstLength.two)
      }
    }
    index.insert(history, at: place)
  }

  private mutating func codeByte(
    _ byte: UInt8, _ kind: ByteKind, at place: Int, _ around: Surroundings, expected: Int,
    target: Span<UInt8>, base: Span<UInt8>, table: inout ContextTable, coder: inout BinaryCoder
  ) -> UInt8 {
    let k = kind.number
    let word = Int(target.word(place &- 4))
    let one = word >> 24
    let soFar = Int(truncatingIfNeeded: history.soFar)
    let length = min(matched, Self.lengthLimit)
    let start = ContextHash(80).with(k)
    let after = start.with(soFar)
    let beside = base.byte(place &+ around.diagonal)
    let contexts: InlineArray<16, ContextHash> = [
      after,
      after.with(history.classes.0),
      after.with(history.classes.0).with(history.classes.1),
      start.with(one),
      start.with(word >> 16),
      start.with(word >> 8),
      start.with(word),
      start.with(expected << 8 | length),
      start.with(expected << 8 | one).with(min(length, 1)),
      after.with(Int(truncatingIfNeeded: history.masked.0)),
      after.with(Int(truncatingIfNeeded: history.masked.0 ^ history.masked.1 &* 3)),
      start.with(history.opcode),
      start.with(beside << 8 | one),
      start.with(history.classes.0).with(history.classes.1),
      start.with(history.opcode).with(history.classes.0).with(one),
      after.with(history.classes.0).with(expected),
    ]
    let bucket = length == 0 ? 0 : length < 16 ? 1 : length < 31 ? 2 : 3
    return bytes.code(
      byte, contexts: contexts, kind: (k & 31) << 2 | bucket, table: &table, coder: &coder)
  }

  /// Codes a reference by the address that it names.
  private mutating func codeReference(
    _ value: UInt64, _ kind: ByteKind, at place: Int, _ around: Surroundings,
    predictor: inout FieldPredictor, copies: inout CopyModel, table: inout ContextTable,
    coder: inout BinaryCoder
  ) -> UInt64 {
    let origin = UInt64(place) &+ around.slide &+ 4 &+ UInt64(kind.trailing)
    var address = (value &+ origin) & 0xffff_ffff
    if around.isRehearsal {
      guard let old = predictor.reader.target(at: place, kind: kind) else { return value }
      address = predictor.map.mapped(old).first & 0xffff_ffff
    }
    if matched > 0 {
      match &+= 4
      matched = max(1, matched >> 1)
    }
    address = copies.codeNumber(
      address, expected: origin, width: 4, kind: 0, subject: history.opcode, table: &table,
      coder: &coder)
    return (address &- origin) & 0xffff_ffff
  }
}

extension ByteKind {
  /// A reference of four bytes in x86-64 code.
  @inline(__always)
  var isWideReference: Bool {
    rawValue >= Self.relative32.rawValue && rawValue <= Self.rip4.rawValue
  }
}
