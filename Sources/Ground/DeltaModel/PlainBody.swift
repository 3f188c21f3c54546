package import Bytes

/// The body of a delta that codes its target by itself (docs/format.md, "Delta codec 3: plain").
///
/// Nothing is known of the target and no base is looked at. Bytes are coded one by one; where much has
/// followed what it followed before, one flag stands for many; what no model foretells is said to be noise
/// and costs eight bits a byte, not more; and what came before in the midst of such noise is told by where
/// that was.
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
  /// From this place on what bits are spent on is another piece.
  private var nextPiece = 0
  private var repeats = RepeatModel()
  private let hasRepeats: Bool
  /// How many bits were written before each place; empty unless somebody wants to know.
  private var spent: [UInt32]

  private init(_ coder: BinaryCoder, _ header: DeltaHeader, places: Int) {
    self.coder = coder
    size = Int(header.targetSize)
    period = header.period
    hasRepeats = header.hasRepeats
    table = HistoryTable(bits: header.plainBits.table)
    matches = PlainMatches(bits: header.plainBits.places)
    spent = Array(repeating: 0, count: places)
  }

  /// Returns the body of the delta that yields `target`, coded as `plan` wants it, and how many bits were written
  /// before each place of the target, the one behind its end included.
  ///
  /// `listener` is told places of the target as they are come to.
  package static func encode(
    _ target: [UInt8], header: DeltaHeader, plan: PlainPlan, without: DeltaAblation = [],
    book: inout CostBook?, listener: (@Sendable (Int) -> Void)? = nil
  ) throws(FormatError) -> (bytes: [UInt8], spent: [UInt32]) {
    var coder = BinaryCoder()
    coder.book = book
    coder.listener = listener
    coder.without = without
    var body = PlainBody(coder, header, places: target.count + 1)
    // Filled as the decoder fills it, so that nothing is foretold from what it cannot know.
    var output: [UInt8] = Array(repeating: 0, count: target.count)
    var bytes = output.mutableSpan
    try body.codeContents(target.span, plan: plan, output: &bytes)
    if let entries = body.coder.book { book = entries }
    return (body.coder.finish(), body.spent)
  }

  /// Returns what `delta`, of which `header` was read, yields.
  package static func decode(
    _ delta: [UInt8], header: DeltaHeader, without: DeltaAblation = [],
    listener: (@Sendable (Int) -> Void)? = nil
  ) throws(FormatError) -> [UInt8] {
    var coder = BinaryCoder(decoding: delta, from: header.count)
    coder.without = without
    coder.listener = listener
    var body = PlainBody(coder, header, places: 0)
    var output: [UInt8] = Array(repeating: 0, count: Int(header.targetSize))
    var bytes = output.mutableSpan
    // Nobody looks at the truth while decoding.
    try body.codeContents(delta.span, plan: PlainPlan(), output: &bytes)
    try body.checkInput()
    try body.coder.checkEnd()
    return output
  }

  private mutating func codeContents(
    _ truth: Span<UInt8>, plan: PlainPlan, output: inout MutableSpan<UInt8>
  ) throws(FormatError) {
    var place = 0
    while place < size {
      if place >= nextPiece {
        coder.open(.newData, place)
        nextPiece = (place | 15) &+ 1
      }
      matches.search(place, output.span)
      if place >= noiseEnd { codeNoiseFlag(place, plan) }
      let many = try codeMany(place, truth, plan, &output)
      if many > 0 {
        noteSpending(place, many)
        place &+= many
        try checkInput()
        continue
      }
      let actual = coder.isDecoding ? 0 : truth[place]
      let byte = isNoise ? codeNoise(actual) : codeByte(actual, place, output.span)
      output[place] = byte
      matches.add(byte)
      text.add(byte, at: place)
      noteSpending(place, 1)
      place &+= 1
      if place & (Self.checkCount &- 1) == 0 { try checkInput() }
    }
  }

  /// Codes a repeat or a run that begins at `place`; returns of how many bytes, 0 if there is none.
  @inline(__always)
  private mutating func codeMany(
    _ place: Int, _ truth: Span<UInt8>, _ plan: PlainPlan, _ output: inout MutableSpan<UInt8>
  ) throws(FormatError) -> Int {
    if hasRepeats {
      let count = try codeRepeat(place, plan, &output)
      if count > 0 { return count }
    }
    return matches.isSure && !isNoise && codeRun(place, truth, &output) ? Self.runCount : 0
  }

  /// Notes what `count` bytes from `place` on have cost.
  @inline(__always)
  private mutating func noteSpending(_ place: Int, _ count: Int) {
    guard !spent.isEmpty else { return }
    let bits = UInt32(truncatingIfNeeded: coder.bitCount)
    for index in place..<place &+ count { spent[index &+ 1] = bits }
  }

  private func checkInput() throws(FormatError) {
    guard !coder.isExhausted else {
      throw FormatError(.truncated(missing: 1), at: coder.offset)
    }
  }

  private mutating func codeByte(
    _ byte: UInt8, _ place: Int, _ target: Span<UInt8>
  ) -> UInt8 {
    let isGuessing = !coder.without.contains(.plainGuesses)
    let long = isGuessing ? matches.long : PlainMatches.Guess()
    let short = isGuessing ? matches.short : PlainMatches.Guess()
    return model.code(
      byte, contexts: contexts(place, long: long, short: short, target, without: coder.without),
      long: long, short: short, table: &table, coder: &coder)
  }
}

// MARK: - Noise

extension PlainBody {
  /// Codes whether the bytes up to the next multiple of `noiseCount` are noise; where a match is sure they
  /// are not, and nothing is asked.
  private mutating func codeNoiseFlag(_ place: Int, _ plan: PlainPlan) {
    isNoise = false
    guard !matches.isSure else { return }
    let block = place / Self.noiseCount
    noiseEnd = (block &+ 1) &* Self.noiseCount
    let contexts: InlineArray<3, ContextHash> = [
      ContextHash(0).with(noises & 1), ContextHash(1).with(noises & 15),
      ContextHash(2).with(noises & 255),
    ]
    isNoise = noiseFlags.code(
      block < plan.noise.count && plan.noise[block], contexts: contexts, set: 0, coder: &coder)
    noises = noises << 1 | (isNoise ? 1 : 0)
  }

  private mutating func codeNoise(_ byte: UInt8) -> UInt8 {
    var value = 0
    for shift in stride(from: 7, through: 0, by: -1) {
      value = value << 1 | coder.code(Int(byte) >> shift & 1, probability: 32_768)
    }
    return UInt8(truncatingIfNeeded: value)
  }
}

// MARK: - Repeats

extension PlainBody {
  /// Codes whether the bytes from `place` on are told by where they were before, and writes them.
  ///
  /// Returns how many these are, 0 if there is no repeat.
  private mutating func codeRepeat(
    _ place: Int, _ plan: PlainPlan, _ output: inout MutableSpan<UInt8>
  ) throws(FormatError) -> Int {
    guard
      let found = try repeats.code(
        plan.repeats, at: place, size: size, matched: matches.matched, isNoise: isNoise,
        coder: &coder)
    else { return 0 }
    for index in place..<place &+ found.length {
      let byte = output[index &- found.distance]
      output[index] = byte
      text.add(byte, at: index)
    }
    matches.forget()
    return found.length
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
    guard place >= nextRun, size &- place >= Self.runCount,
      !coder.without.contains(.plainRuns)
    else { return false }
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
