package import Bytes
package import DeltaModel

/// A pair of files from which a prior learns.
package struct TrainingPair: Sendable {
  private let pair: PreparedPair
  /// How the target is covered by the base.
  package let covers: [Cover]
  private let header: DeltaHeader

  /// Prepares to code `target` as often as is needed, with one alignment by `base`.
  package init(base: [UInt8], target: [UInt8], covers known: [Cover]? = nil) {
    pair = PreparedPair(
      base: base, target: target, effort: .quick, keepsBook: false, without: [])
    covers =
      known
      ?? pair.chosen(
        DeltaEncoder.alignedCovers(
          pair, threshold: 8, ProgressMeter(parts: 1 + pair.labelRounds, share: 0...1) { _ in }),
        byteCost: (2.3, 5))
    header = DeltaHeader(
      mode: covers.isEmpty ? .whole : .delta, targetSize: UInt64(target.count),
      coverCount: UInt64(covers.count))
  }

  /// Codes the target with `prior`; returns what the models became, and the cost in 1/65536 bits.
  ///
  /// With `isLearning` the tables are the largest, so that what is learned can be told apart best.
  package func code(
    prior: DeltaPrior, isLearning: Bool = false
  ) throws(FormatError) -> (states: [TrainedState], cost: UInt64) {
    try DeltaBody.train(
      base: pair.base, target: pair.target, covers: covers, front: pair.front,
      fields: pair.baseFields, header: header, prior: prior,
      tableBits: isLearning ? DeltaPrior.keyBits - 1 : nil)
  }

  /// The weights with which models start that are given `prior`, by their numbers.
  package static func startWeights(_ prior: DeltaPrior) -> [[Int32]] {
    DeltaBody.startWeights(prior)
  }
}
