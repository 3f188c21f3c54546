/// Two guesses of the next byte: what came behind the longest match, and what came last behind four bytes.
///
/// A match that fails is not given up at once: it may have been one byte that is another.
struct PlainMatches: Sendable {
  /// What is guessed of the next byte.
  struct Guess: Sendable {
    var byte = 0
    /// Of how many bytes before it is known that they are the same; 0 if nothing is guessed.
    var length = 0
    /// How good such guesses are is learned for each number of this, below 256.
    var context = 0
  }

  /// Bytes that lead to a match, and to the last place.
  private static let longOrder = 6
  private static let shortOrder = 4
  /// So many bytes before a match or the last place are looked at.
  private static let longReach = 32
  private static let shortReach = 20
  /// A match of so many bytes is not left for another one, and what failed before is forgotten.
  private static let trusted = 16
  /// A match that has failed more often since is given up.
  private static let patience = 8
  /// From this length on one flag stands for many bytes.
  static let sureLength = 32

  /// The guesses for the byte that was searched for last.
  private(set) var long = Guess()
  private(set) var short = Guess()
  /// Where the match goes on, and how many bytes of it were right without a miss.
  private(set) var match = 0
  private(set) var matched = 0
  /// How often it was wrong since it was trusted.
  private var misses = 0
  /// One bit per guess, the last one lowest.
  private var (longHits, shortHits) = (0, 0)
  /// For a hash of six and of four bytes the place behind them.
  private var longPlaces: [UInt32]
  private var shortPlaces: [UInt32]
  private let shift: UInt64

  /// Makes indices of 2^`bits` places.
  init(bits: Int) {
    shift = UInt64(64 - bits)
    longPlaces = Array(repeating: 0, count: 1 << bits)
    shortPlaces = longPlaces
  }

  var isSure: Bool { matched >= Self.sureLength }

  /// Makes the guesses for the byte at `place` of `target`, and notes the place.
  mutating func search(_ place: Int, _ target: Span<UInt8>) {
    short.length = 0
    if place >= Self.longOrder {
      let four = UInt64(target.word(place &- 4))
      let before = UInt64(target.byte(place &- 5)) << 8 | UInt64(target.byte(place &- 6))
      searchLong(place, slot(four << 16 | before), target)
      searchShort(place, slot(four &+ 1), target)
    }
    long.length = matched > 0 ? matched : misses > 0 ? 1 : 0
    guard long.length > 0 else { return }
    long.byte = target.byte(match)
    let steps = min(matched, 15) + (matched >= 24 ? 1 : 0) + (matched >= 32 ? 1 : 0)
    long.context = (steps + (matched >= 64 ? 1 : 0)) << 3 | longHits & 7
  }

  private mutating func searchLong(_ place: Int, _ slot: Int, _ target: Span<UInt8>) {
    let candidate = Int(longPlaces[slot])
    longPlaces[slot] = UInt32(truncatingIfNeeded: place)
    guard matched < Self.trusted, candidate > 0 else { return }
    let count = agreement(candidate, place, target, most: Self.longReach)
    guard count >= Self.longOrder, count > matched else { return }
    (match, matched, misses) = (candidate, count, 0)
  }

  private mutating func searchShort(_ place: Int, _ slot: Int, _ target: Span<UInt8>) {
    let candidate = Int(shortPlaces[slot])
    shortPlaces[slot] = UInt32(truncatingIfNeeded: place)
    guard candidate > 0, matched == 0 || candidate != match else { return }
    let count = agreement(candidate, place, target, most: Self.shortReach)
    guard count >= Self.shortOrder else { return }
    short = Guess(
      byte: target.byte(candidate), length: count, context: count << 3 | shortHits & 7)
  }

  /// Takes note that `byte` came.
  mutating func add(_ byte: UInt8) {
    if short.length > 0 { shortHits = shortHits << 1 | (Int(byte) == short.byte ? 1 : 0) }
    guard long.length > 0 else { return }
    match &+= 1
    if Int(byte) == long.byte {
      longHits = longHits << 1 | 1
      matched &+= 1
      if matched >= Self.trusted { misses = 0 }
    } else {
      longHits = longHits << 1
      matched = 0
      misses = misses < Self.patience ? misses &+ 1 : 0
    }
  }

  /// Takes note that `count` bytes were those behind the match.
  mutating func skip(_ count: Int) {
    match &+= count
    matched &+= count
  }

  /// Takes note that what came is no reason to guess anything.
  mutating func forget() { (matched, misses) = (0, 0) }

  /// How many bytes before `place` are those before `other`.
  private func agreement(_ other: Int, _ place: Int, _ target: Span<UInt8>, most: Int) -> Int {
    let most = min(most, other)
    var count = 0
    while count < most, target[other &- 1 &- count] == target[place &- 1 &- count] { count &+= 1 }
    return count
  }

  @inline(__always)
  private func slot(_ bytes: UInt64) -> Int {
    Int(truncatingIfNeeded: (bytes &* 0x9e37_79b9_7f4a_7c15) &>> shift)
  }
}
