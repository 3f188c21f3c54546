internal import Bytes

/// Codes where bytes are told by what is at another place of the target.
///
/// The models of `PlainByteModel` know a repeat only by the bytes that begin it, and pay for these in full. That is dear
/// where blocks of noise come again and again: where they were is told with fewer bits.
struct RepeatModel: Sendable {
  /// Gaps and lengths of matches are told apart up to these.
  private static let longestGap = 255
  private static let longestMatch = 32

  private var flags = FlagModel(bits: 12, sets: 1, inputs: 3)
  private var lengths = NumberModel(contexts: 1)
  private var distances = NumberModel(contexts: 1)
  /// Whether the distance is the last one, as in blocks of which single bytes have changed, or one before.
  private var recentFlags = FlagModel(bits: 10, sets: RecentDistances.count, inputs: 2)
  private var recent = RecentDistances()
  /// One bit for each repeat, the last one lowest: whether its distance was the last one.
  private var sames = 0
  /// Where the last repeat ended.
  private var lastEnd = 0
  /// How many bytes were between the last one and the one before.
  private var lastGap = 0
  /// The first repeat of the plan that was not come to.
  private var next = 0

  /// Codes whether a repeat begins at `place` of `size` bytes, and if so, which; `planned` are those to be coded.
  mutating func code(
    _ planned: [PlainRepeat], at place: Int, size: Int, matched: Int, isNoise: Bool,
    coder: inout BinaryCoder
  ) throws(FormatError) -> PlainRepeat? {
    while next < planned.count && planned[next].place < place { next &+= 1 }
    let wanted = next < planned.count && planned[next].place == place ? planned[next] : nil
    let gap = min(place &- lastEnd, Self.longestGap)
    let contexts: InlineArray<3, ContextHash> = [
      ContextHash(0).with(gap << 8 | lastGap), ContextHash(1).with(gap),
      ContextHash(2).with(min(matched, Self.longestMatch) << 1 | (isNoise ? 1 : 0)),
    ]
    guard flags.code(wanted != nil, contexts: contexts, set: 0, coder: &coder) else { return nil }
    let length = lengths.code(
      UInt64((wanted?.length ?? 1) &- 1), context: 0, hint: min(gap, 1), coder: &coder)
    let index = codeRecent(wanted.flatMap { recent.index(of: $0.distance) }, gap, &coder)
    let distance =
      index < RecentDistances.count
      ? UInt64(max(recent.distances[index], 1) &- 1)
      : distances.code(
        UInt64((wanted?.distance ?? 1) &- 1), context: 0, hint: NumberModel.width(length),
        other: min(gap, 1), coder: &coder)
    guard length < size &- place, distance < place else {
      throw FormatError(
        .illegal("a repeat of \(length) bytes and one, \(distance) bytes and one before"),
        at: coder.offset)
    }
    guard (recent.index(of: Int(distance) &+ 1) ?? RecentDistances.count) == index else {
      throw FormatError(
        .illegal("a last distance where there is none yet, or one told as another"),
        at: coder.offset)
    }
    let found = PlainRepeat(place: place, length: Int(length) &+ 1, distance: Int(distance) &+ 1)
    (lastGap, lastEnd) = (gap, place &+ found.length)
    recent.use(found.distance)
    return found
  }

  /// Codes which of the last distances is that of a repeat; returns how many there are if it is another one.
  private mutating func codeRecent(
    _ wanted: Int?, _ gap: Int, _ coder: inout BinaryCoder
  ) -> Int {
    let wanted = wanted ?? RecentDistances.count
    // The last one, another one, or which of those between.
    let steps: InlineArray<4, Int> = [0, RecentDistances.count, 1, 2]
    var result = RecentDistances.count &- 1
    for number in 0..<steps.count {
      let contexts: InlineArray<2, ContextHash> = [
        ContextHash(0).with(gap).with(number), ContextHash(1).with(sames & 15).with(number),
      ]
      let isThis = recentFlags.code(
        wanted == steps[number], contexts: contexts, set: number, coder: &coder)
      if number == 0 { sames = sames << 1 | (isThis ? 1 : 0) }
      guard !isThis else {
        result = steps[number]
        break
      }
    }
    return result
  }
}
