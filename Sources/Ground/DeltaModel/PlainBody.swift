package import Bytes

/// The body of a delta that codes its target by itself (docs/format.md, "Delta codec 3: plain").
///
/// Nothing is known of the target and no base is looked at. Bytes are coded one by one; where much has
/// followed what it followed before, one flag stands for many; what no model foretells is said to be noise
/// and costs eight bits a byte, not more.
package struct PlainBody: ~Copyable {
  /// Bytes that are noise together end at multiples of this.
  package static let noiseCount = 256
  /// Bytes that one flag can stand for.
  private static let runCount = 64
  /// So often the input is looked at, in bytes.
  private static let checkCount = 64

  private var coder: BinaryCoder
  private var model = PlainByteModel()
  private var table: HistoryTable
  private var matches: PlainMatches
  var text = TextWalk()
  let period: Int
  private let size: Int

  private var noiseFlags = FlagModel(bits: 8, sets: 1, inputs: 3)
  /// One bit per flag for noise, the last one lowest.
  private var noises = 0
  /// Whether the bytes before `noiseEnd` are noise, as far as they are not coded.
  private var isNoise = false
  private var noiseEnd = 0
  private var runFlags = FlagModel(bits: 8, sets: 1, inputs: 3)
  /// One bit per flag for a run, the last one lowest.
  private var runs = 0
  /// Before this place no run is asked for.
  private var nextRun = 0
  private var costs: Costs

  /// What each block costs beyond eight bits a byte, while it is noted.
  private struct Costs {
    var excess: [Int]
    var start = 0
    var bits = 0
  }

  private init(_ coder: BinaryCoder, _ header: DeltaHeader, blocks: Int) {
    self.coder = coder
    size = Int(header.targetSize)
    period = header.period
    table = HistoryTable(bits: header.plainBits.table)
    matches = PlainMatches(bits: header.plainBits.places)
    costs = Costs(excess: Array(repeating: 0, count: blocks))
  }

  /// Returns the body of the delta that yields `target`, and for each block of `noiseCount` bytes how many
  /// bits it costs beyond eight a byte; blocks of which `noise` is true are coded as noise.
  ///
  /// `listener` is told places of the target as they are come to.
  package static func encode(
    _ target: [UInt8], header: DeltaHeader, noise: [Bool], book: inout CostBook?,
    listener: (@Sendable (Int) -> Void)? = nil
  ) throws(FormatError) -> (bytes: [UInt8], excess: [Int]) {
    var coder = BinaryCoder()
    coder.book = book
    coder.listener = listener
    var body = PlainBody(coder, header, blocks: (target.count + noiseCount - 1) / noiseCount)
    // Filled as the decoder fills it, so that nothing is foretold from what it cannot know.
    var output: [UInt8] = Array(repeating: 0, count: target.count)
    var bytes = output.mutableSpan
    try body.codeContents(target.span, noise: noise, output: &bytes)
    if let entries = body.coder.book { book = entries }
    return (body.coder.finish(), body.costs.excess)
  }

  /// Returns what `delta`, of which `header` was read, yields.
  package static func decode(
    _ delta: [UInt8], header: DeltaHeader
  ) throws(FormatError) -> [UInt8] {
    var body = PlainBody(BinaryCoder(decoding: delta, from: header.count), header, blocks: 0)
    var output: [UInt8] = Array(repeating: 0, count: Int(header.targetSize))
    var bytes = output.mutableSpan
    // Nobody looks at the truth while decoding.
    try body.codeContents(delta.span, noise: [], output: &bytes)
    try body.checkInput()
    try body.coder.checkEnd()
    return output
  }

  private mutating func codeContents(
    _ truth: Span<UInt8>, noise: [Bool], output: inout MutableSpan<UInt8>
  ) throws(FormatError) {
    var place = 0
    while place < size {
      if place & 15 == 0 { coder.open(.newData, place) }
      matches.search(place, output.span)
      if place >= noiseEnd { codeNoiseFlag(place, noise) }
      if !isNoise, codeRun(place, truth, &output) {
        place &+= Self.runCount
        try checkInput()
        continue
      }
      let actual = coder.isDecoding ? 0 : truth[place]
      let byte = isNoise ? codeNoise(actual) : codeByte(actual, place, output.span)
      output[place] = byte
      matches.add(byte)
      text.add(byte, at: place)
      place &+= 1
      if place & (Self.checkCount &- 1) == 0 { try checkInput() }
    }
    noteCosts(upTo: size)
  }

  private func checkInput() throws(FormatError) {
    guard !coder.isExhausted else {
      throw FormatError(.truncated(missing: 1), at: coder.offset)
    }
  }

  private mutating func codeByte(
    _ byte: UInt8, _ place: Int, _ target: Span<UInt8>
  ) -> UInt8 {
    model.code(
      byte, contexts: contexts(place, long: matches.long, short: matches.short, target),
      long: matches.long, short: matches.short, table: &table, coder: &coder)
  }
}

// MARK: - Noise

extension PlainBody {
  /// Codes whether the bytes up to the next multiple of `noiseCount` are noise; where a match is sure they
  /// are not, and nothing is asked.
  private mutating func codeNoiseFlag(_ place: Int, _ noise: [Bool]) {
    isNoise = false
    guard !matches.isSure else { return }
    noteCosts(upTo: place)
    let block = place / Self.noiseCount
    noiseEnd = (block &+ 1) &* Self.noiseCount
    let contexts: InlineArray<3, ContextHash> = [
      ContextHash(0).with(noises & 1), ContextHash(1).with(noises & 15),
      ContextHash(2).with(noises & 255),
    ]
    isNoise = noiseFlags.code(
      block < noise.count && noise[block], contexts: contexts, set: 0, coder: &coder)
    noises = noises << 1 | (isNoise ? 1 : 0)
  }

  private mutating func codeNoise(_ byte: UInt8) -> UInt8 {
    var value = 0
    for shift in stride(from: 7, through: 0, by: -1) {
      value = value << 1 | coder.code(Int(byte) >> shift & 1, probability: 32_768)
    }
    return UInt8(truncatingIfNeeded: value)
  }

  /// Notes what the block before `place` has cost.
  private mutating func noteCosts(upTo place: Int) {
    let block = costs.start / Self.noiseCount
    guard block < costs.excess.count else { return }
    let bits = coder.bitCount
    costs.excess[block] = bits - costs.bits - 8 * (place - costs.start)
    (costs.start, costs.bits) = (place, bits)
  }
}

// MARK: - Runs

extension PlainBody {
  /// Codes whether the next bytes go on as they did where the match is; if so, writes them.
  ///
  /// Returns false where that is not asked, too.
  private mutating func codeRun(
    _ place: Int, _ truth: Span<UInt8>, _ output: inout MutableSpan<UInt8>
  ) -> Bool {
    guard matches.isSure, place >= nextRun, size &- place >= Self.runCount else { return false }
    let contexts: InlineArray<3, ContextHash> = [
      ContextHash(0).with(runs & 15),
      ContextHash(1).with(NumberModel.width(UInt64(matches.matched))), ContextHash(2),
    ]
    let goesOn = runFlags.code(
      !coder.isDecoding && follows(place, truth), contexts: contexts, set: 0, coder: &coder)
    runs = runs << 1 | (goesOn ? 1 : 0)
    guard goesOn else {
      nextRun = place &+ Self.runCount
      return false
    }
    for index in 0..<Self.runCount {
      let byte = output[matches.match &+ index]
      output[place &+ index] = byte
      text.add(byte, at: place &+ index)
    }
    matches.skip(Self.runCount)
    return true
  }

  /// Whether the bytes from `place` on are those behind the match.
  private func follows(_ place: Int, _ truth: Span<UInt8>) -> Bool {
    for index in 0..<Self.runCount
    where truth[place &+ index] != truth[matches.match &+ index] { return false }
    return true
  }
}
