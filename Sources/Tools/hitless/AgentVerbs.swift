internal import AgentControl
internal import ArgumentParser
internal import Bytes
internal import Platform
internal import Refusal

/// Shows modules, workers and the transaction.
struct AgentListCommand: AgentVerb {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Show modules, workers and the transaction.")

  @ParentCommand var parent: AgentCommand
  @OptionGroup var connection: AgentConnection
  @Flag(help: "Print the answer as one JSON object.") var json = false

  func run() throws { try show(ControlRequest("list"), AgentReport.listing) }
}

/// Verifies and stages a patch.
struct AgentInstallCommand: AgentVerb {
  static let configuration = CommandConfiguration(
    commandName: "install",
    abstract: "Verify a patch and stage what it yields; no worker can see it yet.",
    discussion: """
      The agent checks the patch with its own keys, rebuilds the module from the one that is mapped, \
      tests it in another process and maps it. 'activate' then puts it in force.
      """)

  @Argument(help: "The patch.") var file: String
  @ParentCommand var parent: AgentCommand
  @OptionGroup var connection: AgentConnection
  @Flag(help: "Print the answer as one JSON object.") var json = false

  func run() throws {
    let patch = try RegularFile.read(file, limit: ControlChannel.messageLimit - 4096)
    try show(ControlRequest("install", ["patch": .bytes(patch)]), AgentReport.installed)
  }
}

/// Puts the candidate in force.
struct AgentActivateCommand: AgentVerb {
  static let configuration = CommandConfiguration(
    commandName: "activate",
    abstract: "Put the staged candidate in force, for every worker at once or step by step.",
    discussion: """
      Without options every worker has the candidate with its next batch, and somebody confirms it, within \
      ten minutes unless the host has set another time; else it is rolled back (exit code 70, with the \
      reason, when that has happened before the answer comes, as after a fault in its first batch). With \
      any of them it is a rollout: the candidate gets a share, and when it has done as well as stable \
      under the same load for long enough, the next larger one. As soon as it does worse \
      (more errors, more drops or far fewer, longer batches) everything is back on stable; and so \
      it is when the time is over and too little was seen, or nobody has confirmed.

      'worker' gives whole workers to the candidate, 'batches' a share of every worker's batches, 'flows' a \
      share of the flows, each of which stays with it. 'list' and 'watch' show how it goes on.

      With --shadow no worker has the candidate at first: copies of a share of the batches are run on both \
      sides, off the packet path, and what they put out is compared. A difference, a fault or too little to \
      compare ends it there, with both results in the log; otherwise what the other options say follows. The \
      host must take part in it.

      A patch of class hot-with-migration changes the layout of the host's records, and is tried out by flow \
      only: a record goes over when a flow of the candidate's first needs it, or at once when there are few \
      and every flow is the candidate's. A rollback takes back what has gone over.

      Examples:
        hitless agent activate --shadow batches:5% --shadow-for 1m --canary flows:1% --auto-confirm
        hitless agent activate --shadow batches:100% --shadow-batches 10000
        hitless agent activate --canary worker:1 --dwell 1m
        hitless agent activate --canary flows:1% --steps 10%,50%,100% --auto-confirm
        hitless agent activate --auto-confirm --confirm-within 5m --threshold min-samples=500
        hitless agent activate --canary flows:1% --eager-records 0
      """)

  @OptionGroup var shadow: ShadowOptions
  @OptionGroup var rollout: RolloutOptions
  @Option(
    help: ArgumentHelp(
      "Move up to so many records at once, more when they are needed (default: 65536).",
      valueName: "count"))
  var eagerRecords: UInt64?
  @OptionGroup var choice: TransactionChoice
  @ParentCommand var parent: AgentCommand
  @OptionGroup var connection: AgentConnection
  @Flag(help: "Print the answer as one JSON object.") var json = false

  func run() throws {
    var arguments = choice.arguments.merging(rollout.arguments) { $1 }
      .merging(shadow.arguments) { $1 }
    if let eagerRecords { arguments["eager_records"] = .unsigned(eagerRecords) }
    let answer = try show(ControlRequest("activate", arguments), AgentReport.swapped)
    // It was in force, and is not any more: a script must not take that for success.
    if answer["state"] == .text("rolled-back") {
      throw ExitCode(RefusalClass.health.rawValue)
    }
  }
}

/// Makes the candidate stable.
struct AgentConfirmCommand: AgentVerb {
  static let configuration = CommandConfiguration(
    commandName: "confirm", abstract: "Make the active candidate stable, also for the next start.")

  @OptionGroup var choice: TransactionChoice
  @ParentCommand var parent: AgentCommand
  @OptionGroup var connection: AgentConnection
  @Flag(help: "Print the answer as one JSON object.") var json = false

  func run() throws {
    try show(ControlRequest("confirm", choice.arguments), AgentReport.swapped)
  }
}

/// Returns to stable.
struct AgentRollbackCommand: AgentVerb {
  static let configuration = CommandConfiguration(
    commandName: "rollback",
    abstract: "Return every worker to stable; drops a candidate that is only staged.")

  @Option(help: "Why, for the audit log.") var reason: String?
  @OptionGroup var choice: TransactionChoice
  @ParentCommand var parent: AgentCommand
  @OptionGroup var connection: AgentConnection
  @Flag(help: "Print the answer as one JSON object.") var json = false

  func run() throws {
    var arguments = choice.arguments
    if let reason { arguments["reason"] = .text(reason) }
    try show(ControlRequest("rollback", arguments), AgentReport.swapped)
  }
}

/// Checks the host.
struct AgentDoctorCommand: AgentVerb {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Check what staging and swapping need; exits 52 when something is not fine.")

  @ParentCommand var parent: AgentCommand
  @OptionGroup var connection: AgentConnection
  @Flag(help: "Print the answer as one JSON object.") var json = false

  func run() throws {
    let answer = try connect().ask(ControlRequest("doctor"))
    if json {
      try Console.print(CBOR.named(answer).json)
    } else {
      for line in AgentReport.findings(answer) { try Console.print(line) }
    }
    guard answer["fine"]?.boolValue == true else {
      throw Refusal(.state, "the agent cannot install patches as it is")
    }
  }
}

/// Swaps many times.
struct AgentExerciseCommand: AgentVerb {
  static let configuration = CommandConfiguration(
    commandName: "exercise",
    abstract: "Alternate between stable and the candidate many times, under the load there is.",
    discussion: """
      A soak test of the swap itself: each swap waits for its grace period. Afterwards the candidate \
      stands where it stood. It ends before its time, with exit code 70, when the candidate fails, when \
      patches are frozen, and when the time to confirm a candidate is over (ten minutes, unless the host \
      has set another).
      """)

  @Option(help: "How many swaps.") var count: UInt64 = 1000
  @Option(help: "Pause between two swaps in milliseconds.") var interval: Double = 0
  @OptionGroup var choice: TransactionChoice
  @ParentCommand var parent: AgentCommand
  @OptionGroup var connection: AgentConnection
  @Flag(help: "Print the answer as one JSON object.") var json = false

  func validate() throws {
    guard interval.isFinite, (0...60_000).contains(interval) else {
      throw ValidationError("--interval must be 0 to 60000 milliseconds")
    }
  }

  func run() throws {
    var arguments = choice.arguments
    arguments["count"] = .unsigned(count)
    arguments["interval_ns"] = .unsigned(UInt64(interval * 1_000_000))
    // The agent ends it in time.
    let answer = try show(ControlRequest("exercise", arguments), within: .max) {
      AgentReport.exercised($0, of: count)
    }
    if answer["swaps"]?.unsignedValue ?? 0 < count { throw ExitCode(RefusalClass.health.rawValue) }
  }
}
