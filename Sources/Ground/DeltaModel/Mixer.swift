/// Logistic mixing of what contexts say, shared by flags and bytes.
///
/// Each context gives a probability. Stretched and weighted they are summed, squashed again, and the
/// weights move along the gradient of the coding cost. Of several sets of weights the caller chooses one. All in
/// integers of 32 bits, of which a weight has 18 and a sum takes 16.
///
/// What is multiplied has 16 bits, sets are gone through eight weights at a time, and inputs are read through spans:
/// so the compiler makes vectors of them on every processor. Where a set is no multiple of eight, the inputs
/// behind it are zero and leave the weights of the next set as they are.
struct Mixer: Sendable {
  /// What contexts say, at most 31, behind them the bias, and zeros.
  typealias Inputs = InlineArray<32, Int16>

  /// The constant input that lets a mixer learn a bias.
  static let bias: Int16 = 256
  /// Errors up to this, in 1/65536, leave the weights as they are.
  private static let certainty = 256
  /// Weights are from minus this up to this less one: minus two and two in 1/65536.
  private static let weightLimit: Int32 = 1 << 17
  /// Bits of a weight.
  private static let weightBits: UInt32 = 18
  /// Up to this rate the error has 16 bits.
  private static let narrowRate = 127
  /// Weights of a step.
  private static let lanes = 8

  /// Set after set, and zeros for the last step.
  private var storage: [Int32]
  /// How many weights the sets have together.
  private let count: Int

  /// Makes `sets` sets that start as `set`, of which the last weight is that of the bias.
  init(_ set: [Int32], sets: Int) {
    count = set.count * sets
    storage = Array(repeatingLine: set, count: sets) + Array(repeating: 0, count: Self.lanes)
  }

  /// The weights of all sets.
  var weights: [Int32] { Array(storage[..<count]) }

  /// Puts `value` at `place` among all weights, or makes `place` what it is behind them; false in that case.
  mutating func put(_ value: Int32, at place: inout Int) -> Bool {
    guard place < count else {
      place -= count
      return false
    }
    storage[place] = value
    return true
  }

  /// Returns the stretched probability of `slot`, the stronger the fewer bits it rests on.
  ///
  /// A context that was seen once and is new otherwise is worth more than its cautious probability;
  /// one that was never seen says nothing.
  @inline(__always)
  static func input(_ slot: UInt32, _ tables: CodingTables) -> Int16 {
    // Of ten bits and of sixteen, as many as the tables have elements.
    let gain = Int32(unsafe tables.gains[unchecked: Int(slot & CodingTables.countLimit)])
    let stretched = Int32(unsafe tables.stretch[unchecked: Int(slot >> 16)])
    return Int16(truncatingIfNeeded: (stretched &* gain) >> 6)
  }

  /// What three mixers say, as inputs of a fourth.
  @inline(__always)
  static func opinions(_ first: Int, _ second: Int, _ third: Int) -> InlineArray<8, Int16> {
    [
      Int16(truncatingIfNeeded: first), Int16(truncatingIfNeeded: second),
      Int16(truncatingIfNeeded: third), bias, 0, 0, 0, 0,
    ]
  }

  /// Returns the sum of the first `width` of `inputs`, each with its weight in `set`, within the limits of a
  /// stretched probability; all inputs behind them are zero.
  @inline(__always)
  func sum(_ inputs: Span<Int16>, _ width: Int, set: Int) -> Int {
    let start = set &* width
    let steps = Self.padded(width)
    // Bounds are checked once for all, here and where weights are learned.
    precondition(start >= 0 && start <= storage.count &- steps && steps <= inputs.count)
    let weights = storage.span
    var sum: Int32 = 0
    for index in 0..<steps {
      let weight = Int16(truncatingIfNeeded: unsafe weights[unchecked: start &+ index] >> 2)
      sum &+= Int32(unsafe inputs[unchecked: index]) &* Int32(weight)
    }
    let limit = CodingTables.stretchLimit
    return max(-limit, min(limit, Int(sum >> 14)))
  }

  /// Moves the weights of `set` after `bit` was seen where `probability` was that of a one.
  @inline(__always)
  mutating func learn(
    _ inputs: Span<Int16>, _ width: Int, set: Int, bit: Int, probability: Int, rate: Int
  ) {
    let miss = (bit << 16) &- probability
    // What was all but certain teaches nothing, and most bits are.
    guard miss.magnitude > Self.certainty else { return }
    let start = set &* width
    let steps = Self.padded(width)
    precondition(start >= 0 && start <= storage.count &- steps && steps <= inputs.count)
    let product = (miss &* rate) >> 8
    guard rate <= Self.narrowRate else {
      return move(start..<start &+ width, inputs, by: Int32(truncatingIfNeeded: product))
    }
    let error = Int16(truncatingIfNeeded: product)
    var weights = storage.mutableSpan
    var range: UInt32 = 0
    for index in 0..<steps {
      let product = Int32(unsafe inputs[unchecked: index]) &* Int32(error)
      let weight = unsafe weights[unchecked: start &+ index] &+ Self.step(product)
      unsafe weights[unchecked: start &+ index] = weight
      range |= UInt32(bitPattern: weight &+ Self.weightLimit)
    }
    // Hardly ever does a weight pass a limit, and asking each one took as long as moving it.
    if range >> Self.weightBits != 0 { clamp(start..<start &+ width) }
  }

  /// Brings weights back that have passed a limit.
  @inline(never)
  private mutating func clamp(_ range: Range<Int>) {
    for index in range { storage[index] = Self.clamped(storage[index]) }
  }

  /// Moves weights by an error of more than 16 bits.
  @inline(never)
  private mutating func move(_ range: Range<Int>, _ inputs: Span<Int16>, by error: Int32) {
    for index in range {
      let step = Self.step(Int32(inputs[index &- range.lowerBound]) &* error)
      storage[index] = Self.clamped(storage[index] &+ step)
    }
  }

  @inline(__always)
  private static func padded(_ width: Int) -> Int { (width &+ lanes &- 1) / lanes &* lanes }

  @inline(__always)
  private static func clamped(_ weight: Int32) -> Int32 {
    max(-weightLimit, min(weightLimit &- 1, weight))
  }

  @inline(__always)
  private static func step(_ product: Int32) -> Int32 { (product &+ (1 << 11)) >> 12 }
}

extension Array {
  /// `line`, `count` times over.
  init(repeatingLine line: [Element], count: Int) {
    self = []
    reserveCapacity(line.count * count)
    for _ in 0..<count { append(contentsOf: line) }
  }
}
