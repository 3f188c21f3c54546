internal import ArgumentParser

/// What both benchmarks need to know.
struct Options: ParsableArguments {
  @Option(help: "Directory with the modules that tools/bench has built.")
  var modules: String

  @Flag(help: "Print one JSON object.")
  var json = false

  @Option(help: "Processor of the worker.")
  var workerProcessor: Int32 = 1

  @Option(help: "Processor of the thread that swaps.")
  var agentProcessor: Int32 = 0
}
