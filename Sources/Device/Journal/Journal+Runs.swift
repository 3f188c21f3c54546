internal import Digests
package import Platform
package import Refusal

/// What one run of a host leaves for the next.
extension Journal {
  /// How the run before this one ended.
  package func lastRun(at now: Moment, rule: BootLoopRule) -> LastRun {
    contents.withLock { contents in
      LastRun(contents.lastRun, confirmed: contents.confirmed, at: now, rule: rule)
    }
  }

  /// Makes the set before the confirmed one the confirmed one; returns what was given up.
  ///
  /// Refused when its objects are not all there. When the device takes no writes, the set is in force all the same,
  /// and what the next start finds is in doubt (`isInDoubt`) until the next line of the audit log.
  package func fallBack() throws(Refusal) -> AbandonedSet {
    try contents.withLock { contents throws(Refusal) in
      try contents.requireOpen()
      guard let next = contents.confirmed.fallback, let abandoned = next.abandoned else {
        throw Refusal(.state, "there is no set before the confirmed one")
      }
      for digest in next.modules.values where try contents.objects.load(digest) == nil {
        throw Refusal(
          .state, "an object of the set before the confirmed one is missing", found: digest.hex)
      }
      do throws(Refusal) {
        try contents.replaceConfirmed(with: next)
      } catch {
        contents.confirmed = next
        // The device may still name the objects of the set that is given up, so none is removed meanwhile.
        contents.isInDoubt = true
        throw error
      }
      return abandoned
    }
  }

  /// Whether the next start may come up on another set than `confirmed`, because it could not be written.
  package var isInDoubt: Bool { contents.withLock { $0.isInDoubt } }

  /// Begins a run on the confirmed set, after `deaths` early ends of it in a row.
  package func beginRun(at now: Moment, deaths: UInt64) throws(Refusal) {
    try contents.withLock { contents throws(Refusal) in
      try contents.requireOpen()
      contents.run = RunRecord(set: contents.confirmed.number, since: now, deaths: deaths)
      try contents.writeRun()
    }
  }

  /// Writes down that the run did not come to be, in an orderly way: nothing is counted for or against the set.
  package func abandonRun() throws(Refusal) {
    try contents.withLock { contents throws(Refusal) in
      try contents.requireOpen()
      contents.run?.isOver = true
      try contents.writeRun()
    }
  }

  /// Writes down that the candidate of `trial` is in force from here on.
  ///
  /// Durable before it is, or a crash would not be put down to it.
  package func beginTrial(_ trial: Trial) throws(Refusal) {
    try contents.withLock { contents throws(Refusal) in
      try contents.requireOpen()
      let before = contents.run?.trial
      contents.trialCount += 1
      contents.run?.trial = trial
      do throws(Refusal) {
        try contents.writeRun()
      } catch {
        contents.run?.trial = before
        throw error
      }
    }
  }

  /// Counts the trials so far; `endTrial` wants the number.
  package var trialCount: UInt64 { contents.withLock { $0.trialCount } }

  /// Writes down that no candidate is in force, unless another trial began after trial number `count`.
  package func endTrial(_ count: UInt64) throws(Refusal) {
    try contents.withLock { contents throws(Refusal) in
      try contents.requireOpen()
      guard contents.trialCount == count else { return }
      contents.run?.trial = nil
      try contents.writeRun()
    }
  }

  /// Writes down that the confirmed set is a new one from `now` on.
  package func settleTrial(at now: Moment) throws(Refusal) {
    try contents.withLock { contents throws(Refusal) in
      try contents.requireOpen()
      guard contents.run != nil else { return }
      contents.run = RunRecord(set: contents.confirmed.number, since: now, deaths: 0)
      try contents.writeRun()
    }
  }
}
