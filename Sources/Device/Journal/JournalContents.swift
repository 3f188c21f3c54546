internal import Bytes
internal import Platform
internal import Refusal

/// The files of a state directory, and what is known of them.
///
/// Threading: one thread at a time, the journal's lock sees to it.
struct JournalContents: ~Copyable {
  static let confirmedName = "confirmed"
  static let trustName = "trust"
  static let runName = "run"
  static let breakersName = "breakers"

  let root: Directory
  let objects: ObjectStore
  var audit: AuditLog
  var confirmed: ConfirmedSet
  var trusted: TrustedState
  /// What the last process wrote of itself.
  let lastRun: RunRecord?
  /// What this one writes of itself; nil before it runs.
  var run: RunRecord?
  /// What of that is on the device for certain.
  var writtenRun: RunRecord?
  /// Rises with every trial, so that the late end of one cannot end the next.
  var trialCount: UInt64 = 0
  /// Whether the device may hold another set than `confirmed`: its name was changed, that could not be made
  /// durable, and the old one could not be put back.
  var isInDoubt = false
  var isOpen = true

  /// Nothing may be written once the directory is somebody else's.
  func requireOpen() throws(Refusal) {
    guard isOpen else { throw Refusal(.state, "the state directory '\(root.path)' was closed") }
  }

  /// Puts `next` on the device and in force; when it throws, the old set still is.
  mutating func replaceConfirmed(with next: ConfirmedSet) throws(Refusal) {
    do throws(Refusal) {
      try root.replace(Self.confirmedName, with: next.encoded)
      confirmed = next
      isInDoubt = false
    } catch {
      var refusal = error
      if !takeBack(next) {
        isInDoubt = true
        refusal.hint =
          "the next start may come up on either set until the state directory can be written again"
      }
      throw refusal
    }
  }

  /// Makes sure that the device holds `confirmed`, if that is in doubt.
  ///
  /// Tried at every line of the audit log, so the doubt ends as soon as the device takes writes again.
  mutating func settleDoubt() {
    if isInDoubt, (try? writeConfirmed()) != nil { isInDoubt = false }
  }

  /// Undoes a replacement that failed after its last visible step: the answer is "refused", so the old set is
  /// what the next start must find.
  private func takeBack(_ next: ConfirmedSet) -> Bool {
    let found = try? root.read(Self.confirmedName, limit: Journal.recordLimit)
    if let found, found != next.encoded { return true }
    return (try? writeConfirmed()) != nil
  }

  private func writeConfirmed() throws(Refusal) {
    guard confirmed.number == 0 else {
      return try root.replace(Self.confirmedName, with: confirmed.encoded)
    }
    do throws(SystemError) {
      try root.remove(Self.confirmedName)
      try root.synchronize()
    } catch {
      throw error.refusal
    }
  }

  /// Writes down what this process is doing; what fails is made up for the next time.
  mutating func writeRun() throws(Refusal) {
    guard let run, run != writtenRun else { return }
    writtenRun = nil
    try root.replace(Self.runName, with: run.encoded)
    writtenRun = run
  }
}
