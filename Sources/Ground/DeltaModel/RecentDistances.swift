/// The distances of the last repeats, each once, the last one first.
package struct RecentDistances: Sendable {
  /// How many are known.
  package static let count = 4

  /// Zeros stand for none.
  package private(set) var distances = SIMD4<Int32>(repeating: 0)

  /// Knows none.
  package init() {}

  /// Which of them `distance` is; nil if it is another one.
  package func index(of distance: Int) -> Int? {
    (0..<Self.count).first { Int(distances[$0]) == distance }
  }

  /// Takes note of a repeat with `distance`.
  package mutating func use(_ distance: Int) {
    let last = index(of: distance) ?? Self.count - 1
    for index in stride(from: last, to: 0, by: -1) { distances[index] = distances[index - 1] }
    distances[0] = Int32(truncatingIfNeeded: distance)
  }
}
