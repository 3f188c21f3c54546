internal import HotSwap
internal import Refusal

/// How far a candidate has come when it fails.
enum FaultStage: String, CaseIterable, Sendable {
  /// Every second batch is its.
  case canary
  /// Everything is its, on trial.
  case probation
  /// It was confirmed, and the guard stays on.
  case confirmed

  /// How many workers fail at the same moment: of a canary the next batch of the other one may be stable's.
  var workers: ClosedRange<Int> { self == .canary ? 1...1 : 1...2 }

  /// Puts `candidate` in force, as the agent does on the way to this stage; returns the last view of that way.
  func publish(
    _ candidate: Generation, above stable: Generation, in domain: SwapDomain
  ) throws(Refusal) -> Publication {
    let trial = try domain.publish(
      stable: stable, candidate: candidate,
      placement: self == .canary ? .batches(32_768) : .everywhere)
    guard self == .confirmed else { return trial }
    // A confirmation names what was stable as the generation to fall back to.
    return try domain.publish(stable: stable, candidate: candidate)
  }
}
