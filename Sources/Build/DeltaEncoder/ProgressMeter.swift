internal import Platform

/// Adds up how far several threads have come with parts of equal weight, and tells it to one listener.
///
/// What is told never falls, and one thread tells at a time, so that a listener needs no lock of its own.
final class ProgressMeter: Sendable {
  private typealias State = (done: Double, told: Double)

  /// Less than this is not worth telling.
  private static let grain = 0.005

  private let parts: Double
  /// What is told when nothing and when all of it is done.
  private let share: ClosedRange<Double>
  private let listener: @Sendable (Double) -> Void
  /// How many parts are done, fractions included, and what was told last.
  private let state: Guarded<State>

  /// Starts at nothing done of `parts` parts, which together are `share` of what there is to do.
  init(
    parts: Int, share: ClosedRange<Double>, _ listener: @escaping @Sendable (Double) -> Void
  ) {
    self.parts = Double(max(1, parts))
    self.share = share
    self.listener = listener
    state = Guarded((0, share.lowerBound))
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

  /// A listener for who codes `count` bytes, one place after another, as part `index` (0 is the first).
  ///
  /// Only where all parts are done by such, one after the other.
  func places(part index: Int, of count: Int) -> @Sendable (Int) -> Void {
    { place in
      self.note { max($0, Double(index) + Double(place) / Double(max(1, count))) }
    }
  }

  /// Takes note of `fraction` of one part.
  private func add(_ fraction: Double) { note { $0 + fraction } }

  private func note(_ done: (Double) -> Double) {
    state.withLock { state in
      state.done = done(state.done)
      let reached =
        share.lowerBound + (share.upperBound - share.lowerBound) * min(1, state.done / parts)
      guard reached - state.told >= Self.grain else { return }
      state.told = reached
      listener(reached)
    }
  }
}
