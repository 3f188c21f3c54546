/// A last correction: maps a probability to what it turned out to be, per small context.
///
/// 33 points along the stretched probability, interpolated, each moving towards what was seen.
struct ProbabilityMap: Sendable {
  private static let points = 33
  private static let spacing = CodingTables.stretchLimit * 2 / (points - 1)

  private var values: [UInt16]

  /// Makes a map for `contexts` contexts that changes nothing yet.
  init(contexts: Int) {
    let tables = CodingTables.shared
    let line = (0..<Self.points).map { tables.squash[$0 * Self.spacing] }
    values = Array(repeatingLine: line, count: contexts)
  }

  /// Returns the place of a stretched probability and its distance from it.
  @inline(__always)
  private func place(_ stretched: Int, _ context: Int) -> (index: Int, offset: Int) {
    let position = stretched &+ CodingTables.stretchLimit
    let point = min(position / Self.spacing, Self.points - 2)
    return (context &* Self.points &+ point, position &- point &* Self.spacing)
  }

  /// Returns the corrected probability of a one.
  @inline(__always)
  func refined(_ stretched: Int, context: Int) -> Int {
    let (index, offset) = place(stretched, context)
    let low = Int(values[index])
    let high = Int(values[index &+ 1])
    return (low &* (Self.spacing &- offset) &+ high &* offset) / Self.spacing
  }

  /// Learns that `bit` followed.
  @inline(__always)
  mutating func learn(_ stretched: Int, context: Int, bit: Int) {
    let (index, offset) = place(stretched, context)
    let nearest = offset &* 2 < Self.spacing ? index : index &+ 1
    let value = Int(values[nearest])
    let target = bit == 0 ? 0 : 65535
    values[nearest] = UInt16(truncatingIfNeeded: value &+ ((target &- value) &+ 63) / 64)
  }
}
