internal import Platform

/// Adds up how far several threads have come with parts of equal weight, and tells it to one listener.
///
/// What is told never falls, and one thread tells at a time, so that a listener needs no lock of its own.
final class ProgressMeter: Sendable {
  private typealias State = (done: Double, told: Double)

  /// Less than this is not worth telling.
  private static let grain = 0.005
  /// What is told when all parts are done; the rest is for what comes after.
  private static let share = 0.98

  private let parts: Double
  private let listener: @Sendable (Double) -> Void
  /// How many parts are done, fractions included, and what was told last.
  private let state: Guarded<State>

  /// Starts at nothing done of `parts` parts.
  init(parts: Int, _ listener: @escaping @Sendable (Double) -> Void) {
    self.parts = Double(max(1, parts))
    self.listener = listener
    state = Guarded((0, 0))
  }

  /// Takes note that a whole part is done.
  func finishPart() { add(1) }

  /// Does a part that itself tells how far it has come.
  func part<Result>(_ body: ((Double) -> Void) -> Result) -> Result {
    var done = 0.0
    let result = body { fraction in
      add(fraction - done)
      done = fraction
    }
    add(1 - done)
    return result
  }

  /// Takes note of `fraction` of one part.
  private func add(_ fraction: Double) {
    state.withLock { state in
      state.done += fraction
      let reached = Self.share * min(1, state.done / parts)
      guard reached - state.told >= Self.grain else { return }
      state.told = reached
      listener(reached)
    }
  }
}
