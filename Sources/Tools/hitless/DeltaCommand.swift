internal import ArgumentParser

/// Deltas alone, without manifest and signature: for measuring, and for looking into.
struct DeltaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delta",
    abstract: "Make, apply and explain a bare delta of any two files.",
    discussion: """
      A delta file carries the digests of both files, so that a wrong base or a damaged file is \
      refused; it carries no signature. For delivery make a patch with 'hitless diff'.
      """,
    subcommands: [
      DeltaEncodeCommand.self, DeltaDecodeCommand.self, DeltaExplainCommand.self,
    ])
}
