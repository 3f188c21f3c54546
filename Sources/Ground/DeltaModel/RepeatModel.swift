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
  /// Whether the distance is the last one: blocks of which single bytes have changed.
  private var sameFlags = FlagModel(bits: 10, sets: 1, inputs: 2)
  private var lastDistance = 0
  /// One bit per such flag, the last one lowest.
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
    let sameContexts: InlineArray<2, ContextHash> = [
      ContextHash(0).with(gap), ContextHash(1).with(sames & 15),
    ]
    let isSame = sameFlags.code(
      wanted.map { $0.distance == lastDistance } ?? false, contexts: sameContexts, set: 0,
      coder: &coder)
    sames = sames << 1 | (isSame ? 1 : 0)
    let distance =
      isSame
      ? UInt64(max(lastDistance, 1) &- 1)
      : distances.code(
        UInt64((wanted?.distance ?? 1) &- 1), context: 0, hint: NumberModel.width(length),
        other: min(gap, 1), coder: &coder)
    // Before the first one there is no last one, and a distance has one spelling.
    let isCanonical = isSame == (distance &+ 1 == UInt64(lastDistance))
    guard length < size &- place, distance < place, isCanonical else {
      throw FormatError(
        .illegal("a repeat of \(length) bytes and one, \(distance) bytes and one before"),
        at: coder.offset)
    }
    let found = PlainRepeat(place: place, length: Int(length) &+ 1, distance: Int(distance) &+ 1)
    (lastGap, lastEnd, lastDistance) = (gap, place &+ found.length, found.distance)
    return found
  }
}
