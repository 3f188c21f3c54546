internal import Bytes
internal import CodeReferences
internal import Dispatch
internal import Platform
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
package enum EncodingEffort: String, CaseIterable, Sendable {
  /// One alignment.
  case quick
  /// Several alignments of files that are not too large, of which the smallest delta is kept; its covers are tuned,
  /// where that takes no more than some seconds.
  case thorough
}

/// Makes deltas.
package enum DeltaEncoder {
  /// Returns the smallest delta that yields `target` from `base`.
  ///
  /// The same inputs give the same bytes. `progress` is called with fractions that rise from 0 to 1,
  /// by one thread at a time but not always the same. With `keepsBook` the result says what its bits
  /// were spent on. What is left out by `without`, a decoder has to leave out too.
  package static func encode(
    base: [UInt8], target: [UInt8], effort: EncodingEffort = .thorough,
    keepsBook: Bool = false, without: DeltaAblation = [],
    progress: @escaping @Sendable (Double) -> Void = { _ in }
  ) -> EncodedDelta {
    let pair = PreparedPair(
      base: base, target: target, effort: effort, keepsBook: keepsBook, without: without)
    var best = stored(target)
    let trials = trials(pair, progress: progress)
    let covered = trials.map(\.covered).max() ?? 0
    for trial in trials { best = smaller(best, trial.delta) }
    best = smaller(best, tuned(trials, pair, progress: progress))
    let leastByItself = leastByItself(target)
    if !target.isEmpty && covered < target.count / 2 || best.bytes.count > target.count / 8
      || leastByItself < best.bytes.count || mayFollowByItself(pair, best)
    {
      best = withoutCovers(pair, best, leastByItself, progress: progress)
    }
    // Whatever a file claims about itself: what does not come back is stored.
    if !comesBack(best, pair) { best = stored(target) }
    progress(1)
    return best
  }

  /// Returns `best`, or what is smaller without covers: the target with all that is known of such files, or
  /// by itself, which takes `leastByItself` bytes or more.
  private static func withoutCovers(
    _ pair: PreparedPair, _ best: EncodedDelta, _ leastByItself: Int,
    progress: @escaping @Sendable (Double) -> Void
  ) -> EncodedDelta {
    let wholes = pair.hasModels ? 1 : 0
    let meter = ProgressMeter(
      parts: wholes + PlainTrial.parts, share: coveredShare(pair)...finishedShare, progress)
    let whole =
      pair.hasModels
      ? coded(
        .whole, pair, covers: [], listener: meter.places(part: 0, of: pair.target.count)) : nil
    let smallest = smaller(best, whole)
    // Where the whole is far larger than what covers yield, it is no smaller by itself.
    let isWorthTrying =
      (pair.front.layout == nil || pair.target.count <= smallLibrary)
      && smallest.bytes.count > pair.target.count / hopeless
      && (whole?.bytes.count ?? 0) / 2 <= smallest.bytes.count
    guard
      isWorthTrying || leastByItself < smallest.bytes.count || mayFollowByItself(pair, smallest)
    else { return smallest }
    let plain = PlainTrial.encode(
      pair.target, against: smallest.bytes.count, least: leastByItself,
      keepsBook: pair.keepsBook, without: pair.without
    ) {
      meter.places(part: wholes + $0, of: pair.target.count)
    }
    return smaller(smallest, plain)
  }

  /// Whether a target of which nothing but bytes is known may follow from itself, where the base holds all of it in another
  /// order: lines with a number that counts, say, are told by no cover, and are no bytes that come again either.
  private static func mayFollowByItself(_ pair: PreparedPair, _ best: EncodedDelta) -> Bool {
    pair.front.layout == nil && pair.target.count <= smallText
      && best.bytes.count > pair.target.count / hopeless
  }

  /// How many bytes `target` takes at least by itself, roughly; of what is too large to look, more than anything.
  private static func leastByItself(_ target: [UInt8]) -> Int {
    target.count <= PlainTrial.searchedSize
      ? RoughSize.estimate(of: target) / RoughSize.roughness : .max
  }

  /// Whether decoding yields the target.
  private static func comesBack(_ delta: EncodedDelta, _ pair: PreparedPair) -> Bool {
    // As a decoder does: with what the bytes say of themselves.
    let decoded = try? DeltaHeader(parsing: delta.bytes)
      .decodeBody(of: delta.bytes, base: pair.base, without: pair.without)
    return decoded == pair.target
  }

  /// Of files up to this size several alignments are tried.
  private static let triedSize = 3 << 20
  /// What an inserted byte may cost, in bits, of code and of other bytes; the likeliest first.
  private static let byteCosts: [(Double, Double)] = [(2.6, 4), (1.8, 3.5), (1.4, 3)]

  /// To code the target by itself is not tried where less than this part of it is left.
  private static let hopeless = 1024
  /// Nor is it for a larger file with a layout: it takes minutes, and what is known of those is worth more but where
  /// they hold little else than blocks of noise that come again.
  private static let smallLibrary = 8 << 20
  /// A file without a layout is tried up to this size, whatever the base is good for.
  private static let smallText = 2 << 20

  /// How far all is when the last delta is made and has yet to be compared.
  private static let finishedShare = 0.98

  /// How far all is when every alignment was tried, and when covers are tuned: with a base these two are most of the
  /// work.
  private static func trialShare(_ pair: PreparedPair) -> Double {
    pair.base.isEmpty ? 0 : tunes(pair) ? 0.25 : coveredShare(pair)
  }
  private static func coveredShare(_ pair: PreparedPair) -> Double { pair.base.isEmpty ? 0 : 0.8 }

  /// Covers of larger files are not tuned.
  private static let tunedSize = 8 << 20
  /// What is done of tuning is told in so many steps.
  private static let tuningSteps = 1000

  private static func tunes(_ pair: PreparedPair) -> Bool {
    pair.effort == .thorough && !pair.without.contains(.tuning)
      && max(pair.base.count, pair.target.count) <= tunedSize
      && CoverTuning.isWorthwhile(sizes: (pair.base.count, pair.target.count), bytes: 0)
  }

  /// One alignment, and what became of it.
  struct Trial: Sendable {
    /// The delta; nil if no decoder would take it.
    let delta: EncodedDelta?
    /// What was taken of the covers that were found.
    let covers: [Cover]
    let found: [Cover]

    var covered: Int { covers.reduce(0) { $0 + $1.count } }
  }

  /// Codes the pair with several alignments and several notions of what a cover has to save.
  private static func trials(
    _ pair: PreparedPair, progress: @escaping @Sendable (Double) -> Void
  ) -> [Trial] {
    let tries = pair.effort == .thorough && pair.base.count + pair.target.count <= 2 * triedSize
    let thresholds = tries ? [8, 6, 10] : [8]
    let costs = tries ? Self.byteCosts : [Self.byteCosts[0]]
    let rounds = pair.labelRounds
    let results = Guarded<[Int: [Trial]]>([:])
    let meter = ProgressMeter(
      parts: thresholds.count * (1 + rounds + costs.count), share: 0...trialShare(pair), progress)
    DispatchQueue.concurrentPerform(iterations: thresholds.count) { index in
      let covers = alignedCovers(pair, threshold: thresholds[index], meter)
      var seen: [[Cover]] = []
      var trials: [Trial] = []
      for cost in costs {
        defer { meter.finishPart() }
        let chosen = pair.chosen(covers, byteCost: cost)
        if chosen.isEmpty || seen.contains(chosen) { continue }
        seen.append(chosen)
        trials.append(
          Trial(delta: coded(.delta, pair, covers: chosen), covers: chosen, found: covers))
      }
      results.withLock { $0[index] = trials }
    }
    return results.withLock { all in thresholds.indices.flatMap { all[$0] ?? [] } }
  }

  /// Returns the delta by way of the covers of the best trial, after these were tuned; nil if there is none.
  static func tuned(
    _ trials: [Trial], _ pair: PreparedPair, progress: @escaping @Sendable (Double) -> Void
  ) -> EncodedDelta? {
    // The first one of the smallest; where no decoder would take any there is nothing to tune.
    let sizes = trials.compactMap { $0.delta?.bytes.count }
    guard tunes(pair), let size = sizes.min(),
      let best = trials.first(where: { $0.delta?.bytes.count == size }),
      CoverTuning.isWorthwhile(sizes: (pair.base.count, pair.target.count), bytes: size)
    else { return nil }
    let share = trialShare(pair)...coveredShare(pair)
    let meter = ProgressMeter(parts: 1, share: share, progress).places(part: 0, of: tuningSteps)
    let found = trials.flatMap { $0.found + $0.covers }
      .sorted { ($0.target, $0.count, $0.base) < ($1.target, $1.count, $1.base) }
      .reduce(into: [Cover]()) { if $0.last != $1 { $0.append($1) } }
    let moves = CoverMoves(
      starts: pair.baseFields.starts, sizes: (pair.base.count, pair.target.count), found: found)
    let tuning = CoverTuning(
      moves: moves, book: { coded(.delta, pair, covers: $0, keepsBook: true)?.book },
      progress: { meter(Int($0 * Double(tuningSteps))) })
    return coded(.delta, pair, covers: tuning.tuned(best.covers))
  }

  /// Finds covers, first with addresses left out, then with labels that follow from the covers before.
  static func alignedCovers(
    _ pair: PreparedPair, threshold: Int, _ meter: ProgressMeter
  ) -> [Cover] {
    var covers = find(
      LabelImage.bytes(pair.base, fields: pair.baseFields, labels: LabelImage.Unknown()),
      LabelImage.bytes(pair.target, fields: pair.targetFields, labels: LabelImage.Unknown()),
      threshold: threshold, meter)
    guard let layout = pair.front.layout else { return covers }
    for _ in 0..<pair.labelRounds {
      var isCovered = Array(repeating: false, count: pair.target.count)
      for cover in covers {
        for place in cover.target..<cover.targetEnd { isCovered[place] = true }
      }
      let map = pair.map(covers)
      covers = find(
        LabelImage.bytes(
          pair.base, fields: pair.baseFields, labels: LabelImage.OfBase(map: map)),
        LabelImage.bytes(
          pair.target, fields: pair.targetFields,
          labels: LabelImage.OfTarget(layout: layout, isCovered: isCovered)),
        threshold: threshold, meter)
    }
    return covers
  }

  private static func find(
    _ base: [UInt8], _ target: [UInt8], threshold: Int, _ meter: ProgressMeter
  ) -> [Cover] {
    meter.part { progress in
      CoverFinder.covers(base: base, target: target, threshold: threshold, progress: progress)
    }
  }

  private static func stored(_ target: [UInt8]) -> EncodedDelta {
    let header = DeltaHeader(mode: .stored, targetSize: UInt64(target.count))
    return EncodedDelta(bytes: header.encoded + target, header: header)
  }

  /// Returns nil where the coder refuses, which leaves the target stored.
  private static func coded(
    _ mode: DeltaMode, _ pair: PreparedPair, covers: [Cover], keepsBook: Bool = false,
    listener: (@Sendable (Int) -> Void)? = nil
  ) -> EncodedDelta? {
    let header = DeltaHeader(
      mode: mode, targetSize: UInt64(pair.target.count), coverCount: UInt64(covers.count))
    // Of the largest targets no decoder takes a delta with very many covers.
    guard (try? DeltaLimits.standard.check(header, baseSize: pair.base.count)) != nil else {
      return nil
    }
    var book: CostBook? = pair.keepsBook || keepsBook ? CostBook() : nil
    guard
      let body = try? DeltaBody.encode(
        base: pair.base, target: pair.target, covers: covers, front: pair.front,
        fields: pair.baseFields, header: header, without: pair.without, book: &book,
        listener: listener)
    else { return nil }
    return EncodedDelta(bytes: header.encoded + body, header: header, book: book)
  }

  private static func smaller(_ left: EncodedDelta, _ right: EncodedDelta?) -> EncodedDelta {
    guard let right, right.bytes.count < left.bytes.count else { return left }
    return right
  }
}
