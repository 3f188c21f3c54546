/// What one instruction does as far as pairs of address instructions are concerned.
///
/// The numbers are functions of the word alone.
struct WordEffect {
  /// The kind of the word if it is in no pair.
  let kind: ByteKind
  /// The kind of the word if `base` holds a page; otherwise not looked at.
  let lowKind: ByteKind
  /// The register whose page the word would complete, or 32 for none.
  let base: UInt32
  /// The registers that no longer hold a page afterwards, one bit each.
  let cleared: UInt32
  /// The register that holds a page afterwards, or 32 for none.
  let page: UInt32

  /// Creates the effect of an instruction that neither makes nor completes a page.
  @inline(__always)
  init(_ kind: ByteKind, clearing cleared: UInt32 = 0) {
    self.kind = kind
    lowKind = kind
    base = 32
    self.cleared = cleared
    page = 32
  }

  /// Creates the effect of an instruction that completes the page in `base`, if there is one.
  @inline(__always)
  init(_ kind: ByteKind, low: ByteKind, base: UInt32, clearing cleared: UInt32) {
    self.kind = kind
    lowKind = low
    self.base = base
    self.cleared = cleared
    page = 32
  }

  /// Creates the effect of an instruction that puts a page into `page`.
  @inline(__always)
  init(_ kind: ByteKind, page: UInt32) {
    self.kind = kind
    lowKind = kind
    base = 32
    cleared = WordEffect.bit(page)
    self.page = page
  }

  /// The registers as a mask: `register` alone.
  @inline(__always)
  static func bit(_ register: UInt32) -> UInt32 { 1 &<< (register & 31) }
}

/// An instruction set, as far as marking needs it.
protocol WordSet {
  /// What `word` does (a half word is zero-extended).
  static func effect(_ word: UInt32) -> WordEffect
  /// The kind of a word of kind `low` that stands `distance` bytes behind the instruction of kind
  /// `page` that set its base register; nil if the two are no pair.
  static func pair(low: ByteKind, page: ByteKind, distance: Int) -> ByteKind?
  /// A register that never holds a page because it reads as zero (or as the stack pointer).
  static var zero: UInt32 { get }
}

/// Which registers hold a page, and where they got it.
struct PairTracker {
  /// The registers that hold a page, one bit each.
  private(set) var held: UInt32 = 0
  /// Those of them whose page nobody has completed yet.
  private(set) var fresh: UInt32 = 0
  private var places: [32 of Int] = .init(repeating: 0)
  private var kinds: [32 of UInt8] = .init(repeating: 0)

  /// What an instruction turned out to be.
  struct Step {
    /// The kind of its word.
    let kind: ByteKind
    /// The offset of the page instruction that it completes, or -1.
    let page: Int
    /// Whether it is the first to do so.
    let isFirst: Bool
  }

  /// Follows the instruction at `place`.
  @inline(__always)
  mutating func step<Words: WordSet>(
    _ words: Words.Type, _ effect: WordEffect, at place: Int
  ) -> Step {
    var kind = effect.kind
    var page = -1
    var isFirst = false
    if effect.base < 32, held & WordEffect.bit(effect.base) != 0 {
      let from = places[Int(effect.base)]
      let pageKind = ByteKind(rawValue: kinds[Int(effect.base)])
      if place &- from <= WordCode.pairReach,
        let low = Words.pair(low: effect.lowKind, page: pageKind, distance: place &- from)
      {
        kind = low
        page = from
        isFirst = fresh & WordEffect.bit(effect.base) != 0
        fresh &= ~WordEffect.bit(effect.base)
      }
    }
    held &= ~effect.cleared
    fresh &= held
    if effect.page < 32 && effect.page != Words.zero {
      held |= WordEffect.bit(effect.page)
      fresh |= WordEffect.bit(effect.page)
      places[Int(effect.page)] = place
      kinds[Int(effect.page)] = effect.kind.rawValue
    }
    return Step(kind: kind, page: page, isFirst: isFirst)
  }
}
