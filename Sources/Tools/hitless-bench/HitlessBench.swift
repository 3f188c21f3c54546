internal import ArgumentParser

/// Measures what a swappable packet path costs, what a swap costs a worker, and what the parts of the
/// delta codec earn; and trains the codec's prior.
///
/// `tools/bench` builds what is needed and calls this; docs/benchmarks.md says what is measured and how.
@main
struct HitlessBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hitless-bench",
    abstract: "Measures the packet path through slots, swaps under load, and the delta codec.",
    subcommands: [
      PathCommand.self, SwapCommand.self, AblationCommand.self, DecodeCommand.self,
      TrainPriorCommand.self, TraceCommand.self,
    ])
}
