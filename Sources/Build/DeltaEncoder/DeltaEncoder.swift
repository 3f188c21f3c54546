internal import Bytes
internal import CodeReferences
internal import Dispatch
internal import Synchronization
package import DeltaModel

/// A delta and how it came to be.
package struct EncodedDelta: Sendable {
  /// The blob, header first.
  package let bytes: [UInt8]
  /// What the blob's first bytes say.
  package let header: DeltaHeader
  /// What its bits were spent on.
  package var book: CostBook?
  /// The name of the mode that gave the smallest blob.
  package var mode: String { header.mode.name }
}

/// How long the encoder may look for the smallest delta.
package enum EncodingEffort: Sendable {
  /// One alignment.
  case quick
  /// Several alignments of files that are not too large; the smallest delta is kept.
  case thorough
}

/// Makes deltas.
package enum DeltaEncoder {
  private static let labelRounds = 3

  /// Returns the smallest delta that yields `target` from `base`.
  ///
  /// The same inputs give the same bytes. `progress` is called with fractions from 0 to 1.
  package static func encode(
    base: [UInt8], target: [UInt8], effort: EncodingEffort = .thorough,
    keepsBook: Bool = false,
    progress: (Double) -> Void = { _ in }
  ) -> EncodedDelta {
    let pair = PreparedPair(base: base, target: target, effort: effort, keepsBook: keepsBook)
    var best = stored(target)
    var covered = 0
    for trial in trials(pair, progress: progress) {
      covered = max(covered, trial.covered)
      best = smaller(best, trial.delta)
    }
    if !target.isEmpty && covered < target.count / 2 || best.bytes.count > target.count / 8 {
      best = smaller(best, coded(.whole, pair, covers: []))
    }
    progress(1)
    return best
  }

  /// Of files up to this size several alignments are tried.
  private static let triedSize = 3 << 20

  private struct Trial: Sendable {
    let delta: EncodedDelta?
    let covered: Int
  }

  /// Codes the pair with several alignments and several notions of what a cover has to save.
  private static func trials(_ pair: PreparedPair, progress: (Double) -> Void) -> [Trial] {
    let tries = pair.effort == .thorough && pair.base.count + pair.target.count <= 2 * triedSize
    let thresholds = tries ? [8, 6, 10] : [8]
    let costs = tries ? [2.3, 1.2, 3.5] : [2.3]
    let results = Mutex<[Int: [Trial]]>([:])
    DispatchQueue.concurrentPerform(iterations: thresholds.count) { index in
      let covers = alignedCovers(pair, threshold: thresholds[index])
      var seen: [[Cover]] = []
      var trials: [Trial] = []
      for cost in costs {
        let pruning = pair.pruning(byteCost: (cost, 5))
        let chosen = pruning.snapped(pruning.pruned(covers))
        if chosen.isEmpty || seen.contains(chosen) { continue }
        seen.append(chosen)
        trials.append(
          Trial(
            delta: coded(.delta, pair, covers: chosen),
            covered: chosen.reduce(0) { $0 + $1.count }))
      }
      results.withLock { $0[index] = trials }
    }
    return results.withLock { all in thresholds.indices.flatMap { all[$0] ?? [] } }
  }

  /// Finds covers, first with addresses left out, then with labels that follow from the covers before.
  private static func alignedCovers(
    _ pair: PreparedPair, threshold: Int
  ) -> [Cover] {
    var covers = CoverFinder.covers(
      base: LabelImage.bytes(pair.base, fields: pair.baseFields, labels: LabelImage.Unknown()),
      target: LabelImage.bytes(
        pair.target, fields: pair.targetFields, labels: LabelImage.Unknown()),
      threshold: threshold, progress: { _ in })
    guard let layout = pair.front.layout, pair.baseFields.layout != nil else { return covers }
    for _ in 1...(pair.base.count > 8 << 20 ? 2 : labelRounds) {
      var isCovered = Array(repeating: false, count: pair.target.count)
      for cover in covers {
        for place in cover.target..<cover.targetEnd { isCovered[place] = true }
      }
      let map = pair.map(covers)
      covers = CoverFinder.covers(
        base: LabelImage.bytes(
          pair.base, fields: pair.baseFields, labels: LabelImage.OfBase(map: map)),
        target: LabelImage.bytes(
          pair.target, fields: pair.targetFields,
          labels: LabelImage.OfTarget(layout: layout, isCovered: isCovered)),
        threshold: threshold, progress: { _ in })
    }
    return covers
  }

  private static func stored(_ target: [UInt8]) -> EncodedDelta {
    let header = DeltaHeader(mode: .stored, targetSize: UInt64(target.count))
    return EncodedDelta(bytes: header.encoded + target, header: header)
  }

  /// Returns nil where the coder refuses, which leaves the target stored.
  private static func coded(
    _ mode: DeltaMode, _ pair: PreparedPair, covers: [Cover]
  ) -> EncodedDelta? {
    let header = DeltaHeader(
      mode: mode, targetSize: UInt64(pair.target.count), coverCount: UInt64(covers.count))
    var book: CostBook? = pair.keepsBook ? CostBook() : nil
    guard
      let body = try? DeltaBody.encode(
        base: pair.base, target: pair.target, covers: covers, front: pair.front,
        fields: pair.baseFields, header: header, book: &book)
    else { return nil }
    return EncodedDelta(bytes: header.encoded + body, header: header, book: book)
  }

  private static func smaller(_ left: EncodedDelta, _ right: EncodedDelta?) -> EncodedDelta {
    guard let right, right.bytes.count < left.bytes.count else { return left }
    return right
  }
}

/// Both files with what is known of their fields.
struct PreparedPair: Sendable {
  let base: [UInt8]
  let target: [UInt8]
  let baseFields: FieldMap
  let targetFields: FieldMap
  let front: FrontMatter
  let effort: EncodingEffort
  /// Whether what the bits are spent on is noted.
  let keepsBook: Bool

  init(base: [UInt8], target: [UInt8], effort: EncodingEffort, keepsBook: Bool) {
    self.effort = effort
    self.keepsBook = keepsBook
    self.base = base
    self.target = target
    baseFields = FieldMap(base)
    targetFields = FieldMap(target)
    front = SectionPairing.frontMatter(base: base, baseLayout: baseFields.layout, target: target)
  }

  func map(_ covers: [Cover]) -> AddressMap {
    AddressMap(
      from: baseFields.layout ?? .none, to: front.layout ?? .none,
      counterparts: front.counterparts(baseFields.layout?.sections.count ?? 0),
      positions: PositionMap(covers, baseSize: base.count))
  }

  func pruning(byteCost: (Double, Double)) -> CoverPruning {
    CoverPruning(
      base: base, target: target, byteCost: byteCost, starts: baseFields.starts,
      baseLayout: baseFields.layout)
  }
}
