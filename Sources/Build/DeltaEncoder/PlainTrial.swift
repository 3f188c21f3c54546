internal import Bytes
internal import DeltaModel

/// Codes a target by itself (codec 3), after finding out what the decoder has to be told.
enum PlainTrial {
  /// So many bits of noise are worth another pass.
  private static let worthwhile = 64

  /// The target is coded so often at most.
  static let passes = 2

  /// Returns nil where no decoder would take the delta.
  ///
  /// Who `listener` gives for a pass, 0 or 1, is told places of the target as the pass comes to them.
  static func encode(
    _ target: [UInt8], keepsBook: Bool, listener: (Int) -> @Sendable (Int) -> Void
  ) -> EncodedDelta? {
    let header = DeltaHeader(
      mode: .plain, targetSize: UInt64(target.count), period: PeriodFinder.period(of: target))
    guard (try? DeltaLimits.standard.check(header, baseSize: 0)) != nil,
      let (first, excess) = coded(
        target, header, noise: [], keepsBook: keepsBook, listener: listener(0))
    else { return nil }
    guard excess.reduce(0, { $0 + max(0, $1) }) >= worthwhile,
      // Where the models did worse than none they also learned what is of no use elsewhere.
      let (second, _) = coded(
        target, header, noise: excess.map { $0 > 0 }, keepsBook: keepsBook,
        listener: listener(1)),
      second.bytes.count < first.bytes.count
    else { return first }
    return second
  }

  /// The delta, and what each block of it costs beyond eight bits a byte.
  private static func coded(
    _ target: [UInt8], _ header: DeltaHeader, noise: [Bool], keepsBook: Bool,
    listener: @escaping @Sendable (Int) -> Void
  ) -> (delta: EncodedDelta, excess: [Int])? {
    var book: CostBook? = keepsBook ? CostBook() : nil
    guard
      let (body, excess) = try? PlainBody.encode(
        target, header: header, noise: noise, book: &book, listener: listener)
    else { return nil }
    let delta = EncodedDelta(bytes: header.encoded + body, header: header, book: book)
    return (delta, excess)
  }
}
