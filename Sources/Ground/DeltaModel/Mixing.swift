/// The arithmetic of logistic mixing, shared by flags and bytes.
///
/// Each context gives a probability. Stretched and weighted they are summed, squashed again, and the
/// weights move along the gradient of the coding cost. All in integers of 32 bits, of which a weight has 18 and
/// a sum takes 16.
enum Mixing {
  /// Errors up to this, in 1/65536, leave the weights as they are.
  private static let certainty = 256
  /// Weights are from minus this up to this less one: minus two and two in 1/65536.
  private static let weightLimit: Int32 = 1 << 17
  /// The constant input that lets a mixer learn a bias.
  static let bias: Int32 = 256

  /// Returns the stretched probability of `slot`, the stronger the fewer bits it rests on.
  ///
  /// A context that was seen once and is new otherwise is worth more than its cautious probability;
  /// one that was never seen says nothing.
  @inline(__always)
  static func input(_ slot: UInt32, stretch: Span<Int16>) -> Int32 {
    // 0, 105, 90, 77, 77, 77 and 67, from the lowest byte on; a choice of them would be foretold badly.
    let gains: UInt64 = 0x43_4d4d_4d5a_6900
    let count = UInt64(min(slot & CodingTables.countLimit, 6))
    let gain = Int32(truncatingIfNeeded: gains &>> (8 &* count) & 0xff)
    return (Int32(stretch[Int(slot >> 16)]) &* gain) >> 6
  }

  /// Returns the weighted sum of `inputs`, within the limits of a stretched probability.
  @inline(__always)
  static func sum<let n: Int>(
    _ inputs: InlineArray<n, Int32>, weights: Span<Int32>, from start: Int
  ) -> Int {
    let set = weights.extracting(start..<start &+ n &+ 1)
    var sum = bias &* (set[n] >> 2)
    for index in 0..<n { sum &+= inputs[index] &* (set[index] >> 2) }
    let limit = CodingTables.stretchLimit
    return max(-limit, min(limit, Int(sum >> 14)))
  }

  /// Moves the weights after `bit` was seen where `probability` was that of a one.
  @inline(__always)
  static func learn<let n: Int>(
    _ inputs: InlineArray<n, Int32>, weights: inout MutableSpan<Int32>, from start: Int,
    bit: Int, probability: Int, rate: Int
  ) {
    guard let error = error(bit: bit, probability: probability, rate: rate) else { return }
    // Bounds are checked once for all: one check per weight took a tenth of the time.
    guard start >= 0 && start < weights.count &- n else { return }
    for index in 0..<n {
      let weight = unsafe weights[unchecked: start &+ index]
      unsafe weights[unchecked: start &+ index] = moved(weight, inputs[index] &* error)
    }
    let weight = unsafe weights[unchecked: start &+ n]
    unsafe weights[unchecked: start &+ n] = moved(weight, bias &* error)
  }

  /// How wrong `probability` was, times `rate`, in 16 bits; nil where there is nothing to learn.
  @inline(__always)
  private static func error(bit: Int, probability: Int, rate: Int) -> Int32? {
    let miss = (bit << 16) &- probability
    // What was all but certain teaches nothing, and most bits are.
    return miss.magnitude > certainty ? Int32(truncatingIfNeeded: (miss &* rate) >> 8) : nil
  }

  @inline(__always)
  private static func moved(_ weight: Int32, _ step: Int32) -> Int32 {
    max(-weightLimit, min(weightLimit &- 1, weight &+ ((step &+ (1 << 11)) >> 12)))
  }
}

extension Array {
  /// `line`, `count` times over.
  init(repeatingLine line: [Element], count: Int) {
    self = []
    reserveCapacity(line.count * count)
    for _ in 0..<count { append(contentsOf: line) }
  }
}
