/// Foretells how four-byte words change, from how words like them changed before.
///
/// Most differences between two builds are addresses, and addresses that lie close together move by the
/// same distance. So the change of a word is remembered under what the word seems to point to: as a
/// distance from its own place, finely and coarsely, and as a value. Nothing is known of the file's
/// format; a word that is no address is foretold wrongly, and the models that use the guesses learn
/// when to trust them.
struct WordChanges: Sendable {
  /// Bytes of a word.
  static let wordCount = 4
  /// How many changes are foretold at a time.
  static let guessCount = 5

  private static let tableBits: UInt32 = 14
  /// Words that point closer together than 2^shift are taken to move together.
  private static let farShift: UInt32 = 13
  private static let nearShift: UInt32 = 8
  private static let valueShift: UInt32 = 16

  /// Bytes since the start of the word that differs, `wordCount` outside of one.
  private(set) var phase = WordChanges.wordCount
  private var oldWord: UInt32 = 0
  private var newWord: UInt32 = 0
  /// The changes of the last two words that differed.
  private var recent: UInt32 = 0
  private var earlier: UInt32 = 0
  private var byFar = WordChanges.table
  private var byValue = WordChanges.table
  private var byNear = WordChanges.table
  private var keys = (far: 0, value: 0, near: 0)

  private static var table: [UInt32] { Array(repeating: 0, count: 1 << tableBits) }

  /// Returns what the byte at `old` of the base becomes by each guess; `word` starts there.
  @inline(__always)
  mutating func guesses(_ word: UInt32, at old: Int) -> InlineArray<5, Int> {
    if phase == Self.wordCount {
      oldWord = word
      let target = word &+ UInt32(truncatingIfNeeded: old)
      keys = (
        Self.key(target >> Self.farShift), Self.key(word >> Self.valueShift),
        Self.key(target >> Self.nearShift)
      )
    }
    return [
      guess(recent), guess(earlier), guess(byFar[keys.far]), guess(byValue[keys.value]),
      guess(byNear[keys.near]),
    ]
  }

  @inline(__always)
  private func guess(_ change: UInt32) -> Int {
    Int((oldWord &+ change) >> UInt32(truncatingIfNeeded: (phase & 3) &* 8) & 255)
  }

  /// Forgets the word in progress: the bytes that follow do not differ.
  mutating func interrupt() { phase = Self.wordCount }

  /// Takes note of what the byte became for which `guesses` was asked last.
  @inline(__always)
  mutating func advance(differs: Bool, byte: UInt8) {
    if phase == Self.wordCount {
      guard differs else { return remember(0) }
      phase = 0
      newWord = 0
    }
    newWord |= UInt32(byte) << UInt32(truncatingIfNeeded: phase &* 8)
    phase &+= 1
    guard phase == Self.wordCount else { return }
    earlier = recent
    recent = newWord &- oldWord
    remember(recent)
  }

  @inline(__always)
  private mutating func remember(_ change: UInt32) {
    byFar[keys.far] = change
    byValue[keys.value] = change
    byNear[keys.near] = change
  }

  @inline(__always)
  private static func key(_ number: UInt32) -> Int {
    Int(truncatingIfNeeded: (number &* 0x9e37_79b1) >> (32 &- tableBits))
  }
}
