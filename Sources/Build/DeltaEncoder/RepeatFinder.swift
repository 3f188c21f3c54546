internal import DeltaModel

/// Finds bytes that may be told with fewer bits by where they were before than by what models foretell.
///
/// What the models need is known from a pass without repeats. What a repeat costs is not: where all is told by repeats
/// each costs little. So all are taken that could pay, and a pass with them shows where they do.
///
/// Complexity: a bounded number of looks at each place; memory of eight bytes for each.
struct RepeatFinder {
  /// A repeat, and how many bits it is sure to save.
  typealias Candidate = (found: PlainRepeat, saved: Int)

  /// Bytes that lead to a candidate, which are also the fewest of a repeat.
  private static let order = 5
  /// So many candidates are looked at for a place, the nearest first.
  private static let looks = 48
  /// With so many bytes no longer one is looked for.
  private static let enough = 4096
  /// Bits that a repeat costs beside those of its distance, at most and at least.
  private static let mostOverhead = 3
  private static let leastOverhead = -8

  private let target: [UInt8]
  /// How many bits were written before each place.
  private let spent: [UInt32]
  /// For a hash of `order` bytes the last place where they begin, and for each place the one before; -1 for none.
  private var heads: [Int32]
  private var before: [Int32]
  private let shift: UInt64
  /// Places below this are in the chains.
  private var indexed = 0

  /// Returns all repeats of `target` that could save anything, by place, where the models need `spent` bits before
  /// each place.
  static func candidates(in target: [UInt8], spent: [UInt32]) -> [Candidate] {
    guard target.count > order else { return [] }
    var finder = RepeatFinder(target, spent)
    return finder.all()
  }

  private init(_ target: [UInt8], _ spent: [UInt32]) {
    self.target = target
    self.spent = spent
    let bits = min(22, max(10, Int.bitWidth - target.count.leadingZeroBitCount))
    shift = UInt64(64 - bits)
    heads = Array(repeating: -1, count: 1 << bits)
    before = Array(repeating: -1, count: target.count)
  }

  private mutating func all() -> [Candidate] {
    var all: [Candidate] = []
    var place = 1
    var candidate = best(at: place)
    while place + Self.order < target.count {
      // One that begins a byte later may be the better one.
      let later = best(at: place + 1)
      guard let found = candidate, found.saved >= later?.saved ?? .min else {
        place += 1
        candidate = later
        continue
      }
      all.append(found)
      place += found.found.length
      candidate = best(at: place)
    }
    return all
  }

  /// The repeat at `place` that saves most, if any could.
  private mutating func best(at place: Int) -> Candidate? {
    guard place + Self.order <= target.count else { return nil }
    index(upTo: place)
    // Nothing can be saved on what costs nothing.
    guard spent[place + Self.order] != spent[place] else { return nil }
    var best: Candidate?
    var other = Int(heads[slot(place)])
    for _ in 0..<Self.looks where other >= 0 {
      let length = agreement(other, place, from: 0, most: Self.enough)
      let distance = place - other
      let saved =
        Int(spent[place + length] &- spent[place]) - Self.mostOverhead - Self.width(distance)
      if length >= Self.order,
        saved > best?.saved ?? Self.leastOverhead - Self.mostOverhead
      {
        best = (PlainRepeat(place: place, length: length, distance: distance), saved)
      }
      if length >= Self.enough { break }
      other = Int(before[other])
    }
    return best.map(extended)
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

  private mutating func index(upTo place: Int) {
    while indexed < place {
      let slot = slot(indexed)
      before[indexed] = heads[slot]
      heads[slot] = Int32(truncatingIfNeeded: indexed)
      indexed += 1
    }
  }

  /// How many bytes from `other` on are those from `place` on, at most `most`, where the first `start` are.
  private func agreement(_ other: Int, _ place: Int, from start: Int, most: Int) -> Int {
    let end = min(most, target.count - place)
    var length = start
    while length < end && target[other + length] == target[place + length] { length += 1 }
    return length
  }

  private func slot(_ place: Int) -> Int {
    var bytes: UInt64 = 0
    for index in place..<place + Self.order { bytes = bytes << 8 | UInt64(target[index]) }
    return Int(truncatingIfNeeded: (bytes &* 0x9e37_79b9_7f4a_7c15) >> shift)
  }
}
