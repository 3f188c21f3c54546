/// Finds where the bytes at a place were before: for each length the nearest of the places that it looks at.
///
/// Places whose first four bytes have one hash are kept in a search tree by all bytes from there on, newest at the
/// root, so that places with most in common are met on one way down. Shorter ones are looked up by two and three bytes.
/// The last three places of a file are in no tree.
///
/// Complexity: at most `looks` and two comparisons of at most `reach` bytes at each place; memory of 8 bytes for each,
/// and 4 MiB.
struct RepeatSources {
  /// Where bytes were before.
  struct Source {
    /// How many are the same.
    let length: Int
    /// How many bytes before.
    let distance: Int
  }

  /// More bytes are not compared.
  static let reach = 256
  private static let looks = 128
  private static let order = 4
  private static let none: Int32 = -1

  private let target: [UInt8]
  private let shift: UInt32
  /// For a hash of four bytes the root of its tree, for two and three bytes the last place.
  private var roots: [Int32]
  private var pairs = Array(repeating: none, count: 1 << 16)
  private var triples = Array(repeating: none, count: 1 << 16)
  /// For each place the tree of those that come before it in order, and of those behind it.
  private var children: [Int32]
  /// What was found at the last place, by ascending length.
  private(set) var found: [Source] = []

  init(of target: [UInt8]) {
    self.target = target
    let bits = min(20, max(10, Int.bitWidth - target.count.leadingZeroBitCount))
    shift = UInt32(32 - bits)
    roots = Array(repeating: Self.none, count: 1 << bits)
    children = Array(repeating: Self.none, count: 2 * target.count)
  }

  /// Looks for the bytes at `place`, and takes note of them; places are to come one after the other.
  mutating func search(_ place: Int) {
    found.removeAll(keepingCapacity: true)
    let limit = min(Self.reach, target.count - place)
    guard limit >= Self.order else { return }
    let pair = Int(target[place]) << 8 | Int(target[place + 1])
    let triple = Self.slot(UInt32(pair) << 8 | UInt32(target[place + 2]), 16)
    consider(pairs[pair], place, limit)
    consider(triples[triple], place, limit)
    (pairs[pair], triples[triple]) = (Int32(place), Int32(place))
    let four = UInt32(pair) << 16 | UInt32(target[place + 2]) << 8 | UInt32(target[place + 3])
    descend(from: Self.slot(four, shift), place, limit)
  }

  private static func slot(_ bytes: UInt32, _ shift: UInt32) -> Int {
    Int((bytes &* 0x9e37_79b1) >> shift)
  }

  /// Takes what is at `other`, if it is longer than what was found.
  private mutating func consider(_ other: Int32, _ place: Int, _ limit: Int) {
    guard other >= 0 else { return }
    let length = agreement(Int(other), place, from: 0, limit)
    if length > max(1, found.last?.length ?? 0) {
      found.append(Source(length: length, distance: place - Int(other)))
    }
  }

  /// Goes down the tree, and makes `place` its root.
  private mutating func descend(from slot: Int, _ place: Int, _ limit: Int) {
    var other = roots[slot]
    roots[slot] = Int32(place)
    // Where what comes before `place` in order is to hang, and what comes behind it; and how far those agree.
    var (smaller, larger) = (2 * place, 2 * place + 1)
    var (smallerLength, largerLength) = (0, 0)
    var longest = found.last?.length ?? 0
    for _ in 0..<Self.looks {
      guard other >= 0 else { break }
      let node = Int(other)
      let length = agreement(node, place, from: min(smallerLength, largerLength), limit)
      if length > longest && length >= Self.order {
        longest = length
        found.append(Source(length: length, distance: place - node))
      }
      if length == limit {
        // Nothing tells them apart: the new one takes its place.
        (children[smaller], children[larger]) = (children[2 * node], children[2 * node + 1])
        return
      }
      if target[node + length] < target[place + length] {
        children[smaller] = other
        (smaller, smallerLength) = (2 * node + 1, length)
        other = children[smaller]
      } else {
        children[larger] = other
        (larger, largerLength) = (2 * node, length)
        other = children[larger]
      }
    }
    (children[smaller], children[larger]) = (Self.none, Self.none)
  }

  /// How many bytes from `other` on are those from `place` on, where the first `start` are.
  func agreement(_ other: Int, _ place: Int, from start: Int, _ limit: Int) -> Int {
    var length = start
    while length < limit && target[other + length] == target[place + length] { length += 1 }
    return length
  }
}
