internal import ArgumentParser

/// Measures what a swappable packet path costs, and what a swap costs a worker.
///
/// `tools/bench` builds the modules and calls this; docs/benchmarks.md says what is measured and how.
@main
struct HitlessBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hitless-bench",
    abstract: "Measures the packet path through slots, and swaps under a busy worker.",
    subcommands: [PathCommand.self, SwapCommand.self])
}
