/// Codes bytes of which only the bytes before are known, bit by bit from the highest.
///
/// Each context remembers a history per bit and learns what its histories mean; each guess learns how good
/// it is. Three mixers choose their weights by different things: the guesses, the bits of the byte so far,
/// and how many contexts have been here before. A fourth mixes what they say.
struct PlainByteModel: Sendable {
  /// The contexts of a byte.
  typealias Contexts = InlineArray<24, ContextHash>
  /// One for each context, two for each guess.
  private typealias Inputs = Mixer.Inputs
  private static let contextCount = 24
  private static let inputCount = 28
  /// Sets of weights by guesses: by the length of the long one, and whether there is a short one that agrees.
  private static let guessLengths = 16
  private static let guessSets = 51

  private static let startWeight: Int32 = 6500
  private static let startOpinion: Int32 = 21_845
  private static let meaningLimit: UInt32 = 255
  /// Weights move faster at first.
  private static let rate = 30
  private static let haste = 200
  private static let hasteTime = 2048
  private static let finalRate = 6
  private static let surest = 16

  /// What the histories of each context mean: 256 adaptive bits for each.
  private var meanings: [UInt32]
  /// Whether guesses are right: 256 adaptive bits for each of both.
  private var trust: [UInt32]
  private var guessMixer: Mixer
  private var pathMixer: Mixer
  private var seenMixer: Mixer
  private var finalMixer: Mixer
  private var pathMap: ProbabilityMap
  private var guessMap: ProbabilityMap
  /// How many bits were coded.
  private var coded = 0
  private let tables = CodingTables.shared
  private let histories = BitHistory.shared

  init() {
    meanings = Array(repeatingLine: BitHistory.shared.start, count: Self.contextCount)
    // Three quarters of the guesses are right.
    trust = Array(repeating: 3 << 30 | 3, count: 2 * 256)
    let set = Array(repeating: Self.startWeight, count: Self.inputCount) + [0]
    guessMixer = Mixer(set, sets: Self.guessSets)
    pathMixer = Mixer(set, sets: 256)
    seenMixer = Mixer(set, sets: Self.contextCount + 1)
    let opinion = Array(repeating: Self.startOpinion, count: 3) + [0]
    finalMixer = Mixer(opinion, sets: Self.guessSets)
    pathMap = ProbabilityMap(contexts: 256)
    guessMap = ProbabilityMap(contexts: Self.guessSets << 3)
  }

  /// Codes one byte; the contexts find their memory in `table`.
  mutating func code(
    _ byte: UInt8, contexts: Contexts, long: PlainMatches.Guess, short: PlainMatches.Guess,
    table: inout HistoryTable, coder: inout BinaryCoder
  ) -> UInt8 {
    var path = 1
    for half in 0..<2 {
      var bytes = table.bytes.mutableSpan
      let lines = HistoryTable.lines(contexts, above: half == 0 ? 0 : path, in: &bytes)
      var node = 1
      for position in 0..<4 {
        let shift = 7 &- 4 &* half &- position
        let bit = codeBit(
          Int(byte) >> shift & 1, lines: lines, node: node, path: path, shift: shift, long: long,
          short: short, bytes: &bytes, coder: &coder)
        node = node << 1 | bit
        path = path << 1 | bit
      }
    }
    return UInt8(truncatingIfNeeded: path)
  }

  /// What a guess says of a bit: where the trust in it stands, or -1 if it is silent, and what it expects.
  private typealias Voice = (place: Int, bit: Int)

  /// Codes one bit at `node` of the lines; `path` is a one followed by the bits of the byte so far, `shift`
  /// how many follow.
  @inline(__always)
  private mutating func codeBit(
    _ value: Int, lines: InlineArray<24, Int>, node: Int, path: Int, shift: Int,
    long: PlainMatches.Guess, short: PlainMatches.Guess, bytes: inout MutableSpan<UInt8>,
    coder: inout BinaryCoder
  ) -> Int {
    var inputs = Inputs(repeating: 0)
    var places = InlineArray<24, Int>(repeating: 0)
    let seen = read(lines, node, bytes.span, &inputs, &places)
    let first = voice(of: long, number: 0, path, shift, &inputs)
    let second = voice(of: short, number: 1, path, shift, &inputs)
    let agreement = second.place < 0 ? 0 : first.place < 0 || first.bit == second.bit ? 1 : 2
    let length = first.place < 0 ? 0 : min(long.length, Self.guessLengths &- 1)
    let set = length &* 3 &+ agreement
    inputs[Self.inputCount] = Mixer.bias
    let (said, width) = (inputs.span, Self.inputCount + 1)
    let guessSum = guessMixer.sum(said, width, set: set)
    let pathSum = pathMixer.sum(said, width, set: path)
    let seenSum = seenMixer.sum(said, width, set: seen)
    let opinions = Mixer.opinions(guessSum, pathSum, seenSum)
    let sum = finalMixer.sum(opinions.span, 4, set: set)
    let mixed = probability(sum)
    let (byGuess, byPath, bySeen) = (
      probability(guessSum), probability(pathSum), probability(seenSum)
    )
    let context = set << 3 | shift
    let refined =
      coder.without.contains(.plainMaps) ? 2 &* mixed : corrected(sum, path: path, context)
    let bit = coder.code(
      value,
      probability: max(
        Self.surest, min(65536 &- Self.surest, (2 &* mixed &+ refined &+ 2) >> 2)))
    pathMap.learn(sum, context: path, bit: bit)
    guessMap.learn(sum, context: context, bit: bit)
    learn(bit, places, lines, node, &bytes)
    update(first, bit)
    update(second, bit)
    coded &+= 1
    let rate = Self.rate &+ Self.haste &* Self.hasteTime / (Self.hasteTime &+ coded)
    guessMixer.learn(said, width, set: set, bit: bit, probability: byGuess, rate: rate)
    pathMixer.learn(said, width, set: path, bit: bit, probability: byPath, rate: rate)
    seenMixer.learn(said, width, set: seen, bit: bit, probability: bySeen, rate: rate)
    finalMixer.learn(
      opinions.span, 4, set: set, bit: bit, probability: mixed, rate: Self.finalRate)
    return bit
  }

  /// Twice what `sum` has turned out to mean, by the bits of the byte so far and by the guesses.
  @inline(__always)
  private func corrected(_ sum: Int, path: Int, _ context: Int) -> Int {
    pathMap.refined(sum, context: path) &+ guessMap.refined(sum, context: context)
  }

  @inline(__always)
  private func probability(_ stretched: Int) -> Int {
    Int(tables.squash[stretched &+ CodingTables.stretchLimit])
  }

  /// Takes what the contexts say, and where the meanings of their histories stand.
  ///
  /// Returns how many have been here; one that was never here says nothing.
  @inline(__always)
  private func read(
    _ lines: InlineArray<24, Int>, _ node: Int, _ bytes: Span<UInt8>, _ inputs: inout Inputs,
    _ places: inout InlineArray<24, Int>
  ) -> Int {
    let stretch = tables.stretch
    let meanings = meanings.span.extracting(0..<Self.contextCount * BitHistory.count)
    // Through a span: the loop would copy all of them each time.
    let starts = lines.span
    var seen = 0
    for index in 0..<24 {
      let history = Int(unsafe bytes[unchecked: starts[index] | node & 15])
      let place = index << 8 | history
      places[index] = place
      let slot = unsafe meanings[unchecked: place]
      inputs[index] = history == 0 ? 0 : unsafe stretch[unchecked: Int(slot >> 16)]
      seen &+= history == 0 ? 0 : 1
    }
    return seen
  }

  /// Takes what a guess says of the bit, as long as the bits before it were as guessed.
  @inline(__always)
  private func voice(
    of guess: PlainMatches.Guess, number: Int, _ path: Int, _ shift: Int, _ inputs: inout Inputs
  ) -> Voice {
    let expected = guess.byte | 256
    guard guess.length > 0, expected >> (shift &+ 1) == path else { return (-1, 0) }
    let place = number << 8 | guess.context
    let probability = Int(trust[place] >> 16)
    let stretched = tables.stretch[probability]
    let linear = Int16(truncatingIfNeeded: (probability &- 32768) >> 7)
    let bit = expected >> shift & 1
    let first = Self.contextCount &+ 2 &* number
    inputs[first] = bit != 0 ? stretched : -stretched
    inputs[first &+ 1] = bit != 0 ? linear : -linear
    return (place, bit)
  }

  /// Lets histories and their meanings see `bit`.
  @inline(__always)
  private mutating func learn(
    _ bit: Int, _ places: InlineArray<24, Int>, _ lines: InlineArray<24, Int>, _ node: Int,
    _ bytes: inout MutableSpan<UInt8>
  ) {
    let (tables, histories) = (tables, histories)
    let rates = tables.rate
    let next = histories.next.span.extracting(0..<2 * BitHistory.count)
    var meanings = meanings.mutableSpan
    let (starts, places) = (lines.span, places.span)
    for index in 0..<24 {
      let place = places[index]
      unsafe meanings[unchecked: place] = AdaptiveBit.updated(
        unsafe meanings[unchecked: place], bit: bit, limit: Self.meaningLimit, rates: rates)
      let spot = starts[index] | node & 15
      unsafe bytes[unchecked: spot] = next[Int(unsafe bytes[unchecked: spot]) << 1 | bit]
    }
  }

  /// Lets the trust in a guess see `bit`.
  @inline(__always)
  private mutating func update(_ voice: Voice, _ bit: Int) {
    guard voice.place >= 0 else { return }
    trust[voice.place] = AdaptiveBit.updated(
      trust[voice.place], bit: voice.bit == bit ? 1 : 0, limit: Self.meaningLimit,
      rates: tables.rate)
  }
}
