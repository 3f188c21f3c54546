internal import Bytes
internal import DeltaModel

/// Codes a target by itself (codec 3), after finding out what the decoder has to be told.
struct PlainTrial {
  /// So many bits of noise are worth another pass.
  private static let worthwhile = 64
  /// Repeats are worth another pass that save this part of all bits for sure.
  private static let worthwhilePart = 512
  /// Repeats pay together in so many bytes, or not.
  private static let regionSize = 4096

  /// The target is coded so often at most.
  static let passes = 3

  private let target: [UInt8]
  private let period: Int
  private let keepsBook: Bool
  private let listener: (Int) -> @Sendable (Int) -> Void

  /// A delta, and how many bits of it come before each place of the target.
  private typealias Pass = (delta: EncodedDelta, spent: [UInt32])

  /// Returns the smallest delta of all passes; nil where no decoder would take one.
  ///
  /// Who `listener` gives for a pass, counted from 0, is told places of the target as the pass comes to them.
  static func encode(
    _ target: [UInt8], keepsBook: Bool, listener: @escaping (Int) -> @Sendable (Int) -> Void
  ) -> EncodedDelta? {
    let trial = PlainTrial(
      target: target, period: PeriodFinder.period(of: target), keepsBook: keepsBook,
      listener: listener)
    return trial.smallest()
  }

  private func smallest() -> EncodedDelta? {
    guard let first = coded(PlainPlan(), pass: 0) else { return nil }
    let repeats = worthwhileRepeats(first)
    // Where the models did worse than none they also learned what is of no use elsewhere.
    let excess = excess(first.spent, without: repeats)
    guard !repeats.isEmpty || excess.reduce(0, { $0 + max(0, $1) }) >= Self.worthwhile,
      let second = coded(PlainPlan(noise: excess.map { $0 > 0 }, repeats: repeats), pass: 1)
    else { return first.delta }
    let both = smaller(first.delta, second.delta)
    let paid = repeats.filter { hasPaid($0.place, first.spent, second.spent) }
    guard paid.count < repeats.count else { return both }
    let noise = self.excess(first.spent, without: paid).map { $0 > 0 }
    guard let third = coded(PlainPlan(noise: noise, repeats: paid), pass: 2) else { return both }
    return smaller(both, third.delta)
  }

  private func smaller(_ left: EncodedDelta, _ right: EncodedDelta) -> EncodedDelta {
    right.bytes.count < left.bytes.count ? right : left
  }

  /// All repeats that could pay, if enough of them do for sure.
  private func worthwhileRepeats(_ first: Pass) -> [PlainRepeat] {
    let candidates = RepeatFinder.candidates(in: target, spent: first.spent)
    let saved = candidates.reduce(0) { $0 + max(0, $1.saved) }
    let least = max(Self.worthwhile, 8 * first.delta.bytes.count / Self.worthwhilePart)
    return saved >= least ? candidates.map(\.found) : []
  }

  /// Whether the bytes around `place` took fewer bits in the `second` pass than in the `first`.
  private func hasPaid(_ place: Int, _ first: [UInt32], _ second: [UInt32]) -> Bool {
    let start = place / Self.regionSize * Self.regionSize
    let end = min(start + Self.regionSize, target.count)
    return second[end] &- second[start] < first[end] &- first[start]
  }

  /// How many bits each block takes beyond eight a byte, but for what `repeats` have.
  private func excess(_ spent: [UInt32], without repeats: [PlainRepeat]) -> [Int] {
    let blocks = (target.count + PlainBody.noiseCount - 1) / PlainBody.noiseCount
    var excess = Array(repeating: 0, count: blocks)
    var start = 0
    func add(upTo end: Int) {
      for place in start..<max(start, end) {
        excess[place / PlainBody.noiseCount] += Int(spent[place + 1] &- spent[place]) - 8
      }
    }
    for found in repeats {
      add(upTo: found.place)
      start = found.place + found.length
    }
    add(upTo: target.count)
    return excess
  }

  private func coded(_ plan: PlainPlan, pass: Int) -> Pass? {
    let header = DeltaHeader(
      mode: .plain, targetSize: UInt64(target.count), period: period,
      hasRepeats: !plan.repeats.isEmpty)
    guard (try? DeltaLimits.standard.check(header, baseSize: 0)) != nil else { return nil }
    var book: CostBook? = keepsBook ? CostBook() : nil
    guard
      let (body, spent) = try? PlainBody.encode(
        target, header: header, plan: plan, book: &book, listener: listener(pass))
    else { return nil }
    return (EncodedDelta(bytes: header.encoded + body, header: header, book: book), spent)
  }
}
