internal import ArgumentParser
internal import Bytes
internal import DeltaEncoder
internal import DeltaModel
internal import Glibc
internal import Platform

/// `hitless-bench train-prior`: what the models of deltas had better know beforehand.
struct TrainPriorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train-prior",
    abstract: "Trains the prior of the delta codec on pairs of files, or measures what it earns.")

  @Argument(help: "Directories with the files old.so and new.so.")
  var pairs: [String]

  @Option(help: "Where the Swift source of the prior is written.")
  var sources: String?

  @Flag(
    help: """
      Train without the pairs of a package and measure those, for all packages in five parts, in place \
      of writing a prior. The package is what precedes the first - followed by a digit; a64- and la64- do not count.
      """)
  var leaveOut = false

  func run() throws {
    let trainer = try PriorTrainer(pairs.map { try Self.read($0) })
    if leaveOut { return try measure(trainer) }
    let prior = try trainer.prior(of: Array(pairs.indices))
    let slots = prior.starts.reduce(0) { $0 + $1.slots.count }
    let weights = prior.starts.reduce(0) { $0 + $1.weights.count }
    print("\(pairs.count) pairs, \(slots) adaptive bits, \(weights) weights")
    guard let sources else { return }
    for part in DeltaPriorSource.parts(prior) {
      try RegularFile.replace(sources + "/" + part.file, with: Array(part.text.utf8))
    }
  }

  private static func read(_ directory: String) throws -> TrainingPair {
    let limit = Int(DeltaLimits.largestTarget)
    let base = try RegularFile.read(directory + "/old.so", limit: limit)
    let target = try RegularFile.read(directory + "/new.so", limit: limit)
    // A fix that is not in the library that was built would teach that nothing ever changes.
    guard base != target else {
      throw ValidationError("both files of '\(directory)' are the same")
    }
    return TrainingPair(base: base, target: target)
  }

  /// Prints the size of each delta without a prior and with one that was trained on other packages.
  private func measure(_ trainer: PriorTrainer) throws {
    let packages = pairs.map { Self.package($0) }
    let names = Array(Set(packages)).sorted()
    var sum = 0.0
    for part in 0..<Self.parts {
      let isLeftOut = packages.map { package in
        names.firstIndex(of: package).map { $0 % Self.parts == part } ?? false
      }
      let prior = try trainer.prior(of: pairs.indices.filter { !isLeftOut[$0] })
      for index in pairs.indices where isLeftOut[index] {
        let (before, after) = (trainer.sizes[index], try trainer.size(index, with: prior))
        sum += log(after / before)
        print(pairs[index], Self.rounded(before), Self.rounded(after), Self.rounded(after / before))
      }
    }
    print("geometric mean", Self.rounded(exp(sum / Double(pairs.count))))
  }

  private static let parts = 5

  private static func rounded(_ number: Double) -> Double { (number * 1000).rounded() / 1000 }

  private static func package(_ path: String) -> String {
    var name = path.split(separator: "/").last.map { String($0) } ?? path
    for machine in ["a64-", "la64-"] where name.hasPrefix(machine) {
      name.removeFirst(machine.count)
    }
    return name.split(separator: "-").prefix { $0.first?.isNumber == false }.joined(separator: "-")
  }
}
