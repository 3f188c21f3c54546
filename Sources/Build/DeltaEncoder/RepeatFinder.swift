internal import DeltaModel

/// Finds bytes that may be told with fewer bits by where they were before than by what models foretell.
///
/// What the models need is known from a pass without repeats. What a repeat costs is not: where all is told by repeats
/// each costs little. So all are taken that could pay, and a pass with them shows where they do.
///
/// Complexity: a bounded number of looks at each place; memory of 20 bytes for each, and of what is found.
struct RepeatFinder {
  /// A repeat, and how many bits it is sure to save.
  typealias Candidate = (found: PlainRepeat, saved: Int)

  /// Bytes that lead to candidates, and how many of these are looked at for a place, the nearest first.
  ///
  /// Where few bytes are in use, only many of them lead to a long one.
  private static let searches = [
    (order: 4, looks: 32), (order: 8, looks: 16), (order: 16, looks: 8), (order: 32, looks: 4),
  ]
  /// A repeat has so many bytes, one from as far away as the last so many.
  private static let fewest = 4
  private static let fewestOfSame = 2
  /// With so many bytes no longer one is looked for.
  private static let enough = 4096
  /// Bits that a repeat costs beside those of its distance, at most and at least.
  private static let mostOverhead = 3
  private static let leastOverhead = -8

  private let target: [UInt8]
  /// How many bits were written before each place.
  private let spent: [UInt32]
  private var chains: [Chain]
  private var lastDistance = 0

  /// Returns all repeats of `target` that could save anything, by place, where the models need `spent` bits before
  /// each place.
  static func candidates(in target: [UInt8], spent: [UInt32]) -> [Candidate] {
    var finder = RepeatFinder(target, spent)
    return finder.all()
  }

  private init(_ target: [UInt8], _ spent: [UInt32]) {
    self.target = target
    self.spent = spent
    chains = Self.searches.map { Chain(order: $0.order, looks: $0.looks, size: target.count) }
  }

  private mutating func all() -> [Candidate] {
    var all: [Candidate] = []
    var place = 1
    var candidate = best(at: place)
    while place + Self.fewestOfSame < target.count {
      // One that begins a byte later may be the better one.
      let later = best(at: place + 1)
      guard let found = candidate, found.saved >= later?.saved ?? .min else {
        place += 1
        candidate = later
        continue
      }
      all.append(found)
      place += found.found.length
      lastDistance = found.found.distance
      candidate = best(at: place)
    }
    return all
  }

  /// The repeat at `place` that saves most, if any could.
  private mutating func best(at place: Int) -> Candidate? {
    for index in chains.indices { chains[index].index(target, upTo: place) }
    // Nothing can be saved on what costs nothing.
    let near = min(place + Self.fewest, target.count)
    guard place < near, spent[near] != spent[place] else { return nil }
    var best: Candidate?
    if lastDistance > 0 && lastDistance <= place {
      consider(place - lastDistance, place, fewest: Self.fewestOfSame, width: 0, &best)
    }
    for index in chains.indices.reversed() {
      guard best?.found.length ?? 0 < Self.enough else { break }
      look(along: chains[index], place, &best)
    }
    return best.map(extended)
  }

  private func look(along chain: Chain, _ place: Int, _ best: inout Candidate?) {
    var other = chain.last(target, before: place)
    for _ in 0..<chain.looks where other >= 0 {
      consider(other, place, fewest: Self.fewest, width: Self.width(place - other), &best)
      if best?.found.length ?? 0 >= Self.enough { return }
      other = chain.before(other)
    }
  }

  /// Takes the repeat of what is at `other` if it saves more than `best`; its distance takes `width` bits.
  private func consider(
    _ other: Int, _ place: Int, fewest: Int, width: Int, _ best: inout Candidate?
  ) {
    let length = agreement(other, place, from: 0, most: Self.enough)
    guard length >= fewest else { return }
    let saved = Int(spent[place + length] &- spent[place]) - Self.mostOverhead - width
    guard saved > best?.saved ?? Self.leastOverhead - Self.mostOverhead else { return }
    best = (PlainRepeat(place: place, length: length, distance: place - other), saved)
  }

  /// `candidate` as long as it can be.
  private func extended(_ candidate: Candidate) -> Candidate {
    let (found, saved) = candidate
    guard found.length >= Self.enough else { return candidate }
    let length = agreement(
      found.place - found.distance, found.place, from: found.length, most: target.count)
    return (PlainRepeat(place: found.place, length: length, distance: found.distance), saved)
  }

  private static func width(_ distance: Int) -> Int {
    Int.bitWidth - distance.leadingZeroBitCount
  }

  /// How many bytes from `other` on are those from `place` on, at most `most`, where the first `start` are.
  private func agreement(_ other: Int, _ place: Int, from start: Int, most: Int) -> Int {
    let end = min(most, target.count - place)
    var length = start
    while length < end && target[other + length] == target[place + length] { length += 1 }
    return length
  }
}

/// For each place the last one before where the same bytes begin, or others with their hash.
private struct Chain {
  let looks: Int
  private let order: Int
  private let shift: UInt64
  /// For a hash the last place, and for each place the one before; -1 for none.
  private var heads: [Int32]
  private var links: [Int32]
  /// Places below this are in the chains.
  private var indexed = 0

  init(order: Int, looks: Int, size: Int) {
    (self.order, self.looks) = (order, looks)
    let bits = min(20, max(10, Int.bitWidth - size.leadingZeroBitCount))
    shift = UInt64(64 - bits)
    heads = Array(repeating: -1, count: 1 << bits)
    links = Array(repeating: -1, count: size)
  }

  mutating func index(_ target: [UInt8], upTo place: Int) {
    while indexed < place {
      if let slot = slot(target, indexed) {
        links[indexed] = heads[slot]
        heads[slot] = Int32(truncatingIfNeeded: indexed)
      }
      indexed += 1
    }
  }

  /// The last place where the bytes at `place` begin; -1 if there is none.
  func last(_ target: [UInt8], before place: Int) -> Int {
    slot(target, place).map { Int(heads[$0]) } ?? -1
  }

  func before(_ place: Int) -> Int { Int(links[place]) }

  private func slot(_ target: [UInt8], _ place: Int) -> Int? {
    guard place + order <= target.count else { return nil }
    var hash: UInt64 = 0
    for index in place..<place + order {
      hash = (hash ^ UInt64(target[index])) &* 0x9e37_79b9_7f4a_7c15
    }
    return Int(truncatingIfNeeded: hash >> shift)
  }
}
