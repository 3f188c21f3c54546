internal import AgentControl
internal import ArgumentParser
internal import Bytes
internal import Refusal

/// Keeps every patch out.
struct AgentFreezeCommand: AgentVerb {
  static let configuration = CommandConfiguration(
    commandName: "freeze",
    abstract: "Put traffic on stable at once, and let no patch in until 'release'.",
    discussion: """
      A candidate on trial is rolled back; what was confirmed stays. 'install', 'activate', 'confirm' and \
      'exercise' are refused (53) from then on, after a restart of the host too. Who asked, and why, is in \
      the audit log. With --module all this is about patches that change that module; others are \
      taken, and what is on trial without changing it goes on.
      """)

  @Option(
    help: ArgumentHelp("Freeze this module only, by its name in 'list'.", valueName: "name"))
  var module: String?
  @Option(help: "Why, for 'list' and the audit log.") var reason: String?
  @ParentCommand var parent: AgentCommand
  @OptionGroup var connection: AgentConnection
  @Flag(help: "Print the answer as one JSON object.") var json = false

  func run() throws {
    var arguments: [String: CBOR] = [:]
    if let reason { arguments["reason"] = .text(reason) }
    if let module { arguments["module"] = .text(module) }
    try show(ControlRequest("freeze", arguments), AgentReport.frozen)
  }
}

/// Lets patches in again.
struct AgentReleaseCommand: AgentVerb {
  static let configuration = CommandConfiguration(
    commandName: "release",
    abstract: "End 'freeze', or what the agent has against one patch.",
    discussion: """
      Without an option: patches are taken again, after 'freeze' or after the agent has stopped by itself \
      because loads kept failing; single modules are released as well. With --module: patches of that \
      module are taken again, after 'freeze --module'. With --patch: what that patch has done is forgotten, and it may be \
      installed and activated at once, in quarantine or not. 'list' shows what there is.
      """)

  @Option(
    help: ArgumentHelp(
      "Release this patch; eight digits or more of its identity.", valueName: "id"))
  var patch: String?
  @Option(
    help: ArgumentHelp("Release this module, after 'freeze --module'.", valueName: "name"))
  var module: String?
  @ParentCommand var parent: AgentCommand
  @OptionGroup var connection: AgentConnection
  @Flag(help: "Print the answer as one JSON object.") var json = false

  func validate() throws {
    guard patch == nil || module == nil else {
      throw ValidationError("--patch or --module is released, not both in one")
    }
  }

  func run() throws {
    var arguments: [String: CBOR] = [:]
    if let patch { arguments["patch"] = .text(patch) }
    if let module { arguments["module"] = .text(module) }
    try show(ControlRequest("release", arguments), AgentReport.released)
  }
}

/// Prints figures.
struct AgentMetricsCommand: AgentVerb {
  static let configuration = CommandConfiguration(
    commandName: "metrics",
    abstract: "Print counters, gauges and histograms in Prometheus' text format.",
    discussion: """
      For the textfile collector of a node exporter, say, or for a look by hand; docs/operations.md lists \
      every name. With --json the same as one object, times in seconds.

      Example:
        hitless agent metrics > /var/lib/node_exporter/hitless.prom.new &&
          mv /var/lib/node_exporter/hitless.prom.new /var/lib/node_exporter/hitless.prom
      """)

  @ParentCommand var parent: AgentCommand
  @OptionGroup var connection: AgentConnection
  @Flag(help: "Print the answer as one JSON object.") var json = false

  func run() throws {
    let answer = try connect().ask(ControlRequest("metrics"))
    if json { return try Console.print(AgentReport.metrics(answer)) }
    for line in (answer["text"]?.textValue ?? "").split(separator: "\n") {
      try Console.print(String(line))
    }
  }
}
