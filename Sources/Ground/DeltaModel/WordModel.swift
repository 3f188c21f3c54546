internal import CodeReferences

/// Codes instruction words of fixed width: those that no cover has, and those that changed.
///
/// A word is coded from its highest byte down, since that says what it is. Branches are coded with the
/// address they name in the place of the distance, so that two calls of one function look alike.
struct WordModel: Sendable {
  private static let lengthLimit = 31

  var bytes = ByteModel(kinds: 64, inputs: 13)
  private let code: WordCode
  private var index: WordIndex
  /// Where in the target the match goes on; nothing if `matched` is 0.
  private var match = 0
  private var matched = 0
  /// What became of the registers of the words along the match.
  private var registers = WordRegisters()

  /// Makes room for an index of 2^`bits` places.
  init(code: WordCode, bits: Int) {
    self.code = code
    index = WordIndex(bits: bits)
  }

  /// Forgets the match: the words that come next do not follow those before.
  mutating func interrupt() { matched = 0 }

  /// Codes the word at `place` of the target, which no cover has.
  mutating func codeInserted(
    _ word: UInt32, at place: Int, _ around: CodeInsertModel.Surroundings, target: Span<UInt8>,
    base: Span<UInt8>, table: inout ContextTable, coder: inout BinaryCoder
  ) -> UInt32 {
    if !around.isRehearsal { findMatch(place, target) }
    let given = matched > 0 ? target.word(match) : 0
    let mask = code.registers(given)
    let expected = matched > 0 ? registers.renamed(given, registers: mask) : 0
    let address = UInt64(place) &+ around.slide
    let beside = base.word(place &+ around.diagonal)
    let result = codeWord(
      word, expected: expected, beside: beside, length: min(matched, Self.lengthLimit),
      at: place, address: address, target: target, table: &table, coder: &coder)
    if matched > 0 { follow(result, given: given, expected: expected, mask) }
    return result
  }

  private mutating func follow(
    _ word: UInt32, given: UInt32, expected: UInt32, _ mask: UInt32
  ) {
    match &+= 4
    let isRenaming = mask != 0 && WordRegisters.isRenaming(given, word, registers: mask)
    if isRenaming { registers.learn(given, word, registers: mask) }
    if word == expected {
      matched &+= 1
    } else if isRenaming || code.masked(word) == code.masked(expected) {
      matched = max(1, matched >> 1)
    } else {
      matched = 0
    }
  }

  private mutating func findMatch(_ place: Int, _ target: Span<UInt8>) {
    let history = WordHistory(target, before: place, code: code)
    if matched == 0, let found = index.place(after: history) {
      (match, matched) = found
      registers = WordRegisters()
    }
    index.insert(history, at: place)
  }

  /// Codes a word that may be `expected` and stands where the base has `beside`.
  mutating func codeWord(
    _ word: UInt32, expected: UInt32, beside: UInt32, length: Int, at place: Int, address: UInt64,
    target: Span<UInt8>, table: inout ContextTable, coder: inout BinaryCoder
  ) -> UInt32 {
    let plain = code.withAddress(word, at: address)
    let guess = code.withAddress(expected, at: address)
    let side = code.withAddress(beside, at: address)
    let one = target.word(place &- 4)
    let two = target.word(place &- 8)
    let classes = (code.instructionClass(one), code.instructionClass(two))
    let masked = Int(code.masked(one))
    let bucket = length == 0 ? 0 : length < 4 ? 1 : length < 31 ? 2 : 3
    var result: UInt32 = 0
    var isEqual = length > 0
    var isBeside = true
    for index in 0..<4 {
      let shift = UInt32(24 - 8 * index)
      let foretold = Int(guess >> shift & 255)
      let other = Int(side >> shift & 255)
      let high = Int(result)
      let start = ContextHash(120).with(index)
      let above = start.with(high)
      let contexts: InlineArray<13, ContextHash> = [
        start.with(foretold << 8 | (isEqual ? length + 1 : 0)),
        above,
        above.with(classes.0),
        above.with(classes.0).with(classes.1),
        above.with(foretold).with(isEqual ? 1 : 0),
        above.with(Int(one & 0x3ff)),
        start.with(Int(one >> shift & 255)).with(high & 255),
        above.with(masked),
        above.with(masked).with(Int(code.masked(two))),
        above.with(Int(one & 31) << 5 | Int(two & 31)).with(classes.0),
        start.with(other << 1 | (isBeside ? 1 : 0)),
        start.with(Int(two >> shift & 255)).with(high & 255),
        start.with(high & 255).with(classes.0),
      ]
      let byte = bytes.code(
        UInt8(truncatingIfNeeded: plain >> shift), contexts: contexts,
        kind: index << 4 | bucket << 2 | (isEqual ? 2 : 0) | (isBeside ? 1 : 0), table: &table,
        coder: &coder)
      result = result << 8 | UInt32(byte)
      isEqual = isEqual && Int(byte) == foretold
      isBeside = isBeside && Int(byte) == other
    }
    return code.withoutAddress(result, at: address)
  }
}

extension WordCode {
  /// `word` with the address that a branch names, in words, in the place of its distance.
  func withAddress(_ word: UInt32, at address: UInt64) -> UInt32 {
    guard isArmBranch(word) else { return word }
    let target = word &+ UInt32(truncatingIfNeeded: address >> 2)
    return word & 0xfc00_0000 | target & 0x03ff_ffff
  }

  /// The word that `withAddress` has turned into `word`.
  func withoutAddress(_ word: UInt32, at address: UInt64) -> UInt32 {
    guard isArmBranch(word) else { return word }
    let distance = word &- UInt32(truncatingIfNeeded: address >> 2)
    return word & 0xfc00_0000 | distance & 0x03ff_ffff
  }

  private func isArmBranch(_ word: UInt32) -> Bool {
    isArm && word & 0x7c00_0000 == 0x1400_0000
  }
}

extension ByteKind {
  /// An instruction word that names an address.
  @inline(__always)
  var isWordReference: Bool {
    (rawValue > Self.armWord.rawValue && rawValue <= Self.riscCompressedBranch.rawValue
      || rawValue >= Self.loongCallEnd.rawValue && rawValue <= Self.loongRelativeLow12.rawValue)
      && self != .loongWord && self != .riscWord && self != .riscHalf
  }
}

/// The last three words, addresses left out.
struct WordHistory {
  let three: UInt64
  let two: UInt64

  init(_ bytes: Span<UInt8>, before place: Int, code: WordCode) {
    let one = UInt64(code.masked(bytes.word(place &- 4)))
    let next = UInt64(code.masked(bytes.word(place &- 8)))
    let last = UInt64(code.masked(bytes.word(place &- 12)))
    two = (one << 32 | next) &* 0x9e37_79b9_7f4a_7c15
    three = (two ^ last) &* 0xd6e8_feb8_6659_fd93
  }
}

/// Finds what followed the same two or three words before.
struct WordIndex: Sendable {
  private static let firstLength = (three: 4, two: 1)

  private var threes: [UInt32]
  private var twos: [UInt32]
  private let shift: UInt64

  init(bits: Int) {
    threes = Array(repeating: 0, count: 1 << bits)
    twos = Array(repeating: 0, count: 1 << bits)
    shift = UInt64(64 - bits)
  }

  func place(after history: WordHistory) -> (Int, Int)? {
    let three = Int(threes[Int(truncatingIfNeeded: history.three &>> shift)])
    if three > 0 { return (three, Self.firstLength.three) }
    let two = Int(twos[Int(truncatingIfNeeded: history.two &>> shift)])
    return two > 0 ? (two, Self.firstLength.two) : nil
  }

  mutating func insert(_ history: WordHistory, at place: Int) {
    threes[Int(truncatingIfNeeded: history.three &>> shift)] = UInt32(truncatingIfNeeded: place)
    twos[Int(truncatingIfNeeded: history.two &>> shift)] = UInt32(truncatingIfNeeded: place)
  }
}
