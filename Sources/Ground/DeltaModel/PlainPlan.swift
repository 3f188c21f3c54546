/// What the encoder of a target by itself has decided before it begins.
package struct PlainPlan: Sendable {
  /// For each block of `PlainBody.noiseCount` bytes whether it is coded as noise; blocks behind the last one are not.
  package var noise: [Bool]
  /// What is told by where it was before, by ascending place; none reaches the next one.
  package var repeats: [PlainRepeat]

  /// Makes a plan; without anything each byte is coded by what models foretell.
  package init(noise: [Bool] = [], repeats: [PlainRepeat] = []) {
    self.noise = noise
    self.repeats = repeats
  }
}

/// Bytes that were there before.
package struct PlainRepeat: Equatable, Sendable {
  /// Where in the target they begin.
  package let place: Int
  /// How many they are, at least one.
  package let length: Int
  /// How many bytes before `place` they are found, at least one; they may reach into themselves.
  package let distance: Int

  /// Describes a repeat.
  package init(place: Int, length: Int, distance: Int) {
    self.place = place
    self.length = length
    self.distance = distance
  }
}
