internal import AgentControl
internal import ArgumentParser
internal import Bytes
internal import Probation

/// How `activate` compares a candidate with stable on copies of batches, before anybody has it.
struct ShadowOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "First run copies of so many batches on both sides: 'batches:5%'.", valueName: "batches:share"
    ))
  var shadow: ShadowChoice?
  @Option(
    help: ArgumentHelp(
      "How long (default: 30s, or until --shadow-batches were compared).", valueName: "time"))
  var shadowFor: TimeSpan?
  @Option(
    help: ArgumentHelp(
      "How many batches to compare at least (default: 100); may take 10m.", valueName: "n"))
  var shadowBatches: UInt64?
  @Option(
    help: ArgumentHelp(
      "How many differing outputs are let pass (default: 0).", valueName: "n"))
  var maxDivergences: UInt64?

  func validate() throws {
    guard shadow == nil else {
      if shadowBatches == 0 { throw ValidationError("--shadow-batches is at least 1") }
      return
    }
    guard shadowFor == nil, shadowBatches == nil, maxDivergences == nil else {
      throw ValidationError(
        "--shadow-for, --shadow-batches and --max-divergences need --shadow, as in "
          + "'--shadow batches:5%'")
    }
  }

  /// The arguments of a request; none without `--shadow`.
  var arguments: [String: CBOR] {
    guard let shadow else { return [:] }
    var arguments: [String: CBOR] = ["shadow_share": .unsigned(UInt64(shadow.share))]
    if let shadowFor { arguments["shadow_for_ns"] = .unsigned(shadowFor.nanoseconds) }
    if let shadowBatches { arguments["shadow_batches"] = .unsigned(shadowBatches) }
    if let maxDivergences { arguments["shadow_divergences"] = .unsigned(maxDivergences) }
    return arguments
  }
}

/// `batches:5%`.
struct ShadowChoice: ExpressibleByArgument {
  let share: UInt32

  init?(argument: String) {
    let parts = argument.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0] == RolloutPlan.Kind.batches.name,
      let share = ShareList.share(parts[1]), share > 0
    else { return nil }
    self.share = share
  }
}
