/// The tables of the bit-exact arithmetic: logistic function, its inverse, adaptation rates.
///
/// Made from integers alone, so that they are the same on every machine and at every optimiser
/// setting (docs/format.md, "Delta codec 1: numbers and tables").
package struct CodingTables: Sendable {
  /// Largest magnitude of a stretched probability: ln(p / (1 - p)) in units of 1/256.
  package static let stretchLimit = 2880
  /// Highest count an adaptive bit can hold.
  static let countLimit: UInt32 = 1023

  /// Stretched probability of each 16-bit probability.
  let stretch: ConstantTable<Int16>
  /// 16-bit probability of each stretched one, from `-stretchLimit`.
  let squash: ConstantTable<UInt16>
  /// Share of the error, in 1/65536, by which an adaptive bit moves after `count` bits.
  let rate: ConstantTable<UInt32>
  /// By how much in 1/64 what a context says counts that has seen `count` bits.
  let gains: ConstantTable<Int16>

  /// The one set of tables.
  package static let shared = CodingTables()

  private init() {
    let upper = Self.complements()
    let limit = Self.stretchLimit
    let squash = (-limit...limit).map {
      $0 < 0 ? upper[-$0] : UInt16(65536 - UInt32(upper[$0]))
    }
    self.squash = ConstantTable(squash)
    stretch = ConstantTable(Self.inverse(of: squash))
    rate = ConstantTable((0...Self.countLimit).map { 131_072 / (2 * $0 + 3) })
    let first: [Int16] = [0, 105, 90, 77, 77, 77]
    gains = ConstantTable(
      first + Array(repeating: 67, count: Int(Self.countLimit) + 1 - first.count))
  }

  /// 65536 / (1 + e^(k/256)) for k from 0 to the limit, rounded, never below 1.
  private static func complements() -> [UInt16] {
    // 2^48 * e^(1/256), from five terms of the series; exact to the last bit used below.
    let one: UInt64 = 1 << 48
    let ratio = one + one >> 8 + one >> 17 + (one >> 24) / 6 + (one >> 32) / 24
    var power: UInt64 = 1 << 32
    return (0...stretchLimit).map { _ in
      let divisor = power + 1 << 32
      let value = (one + divisor / 2) / divisor
      let product = power.multipliedFullWidth(by: ratio)
      power = product.high << 16 | product.low >> 48
      return UInt16(max(1, value))
    }
  }

  /// For each probability the largest stretched value whose probability does not exceed it.
  private static func inverse(of squash: [UInt16]) -> [Int16] {
    var stretch: [Int16] = Array(repeating: Int16(-stretchLimit), count: 65536)
    for index in squash.indices {
      let end = index + 1 < squash.count ? Int(squash[index + 1]) : 65536
      for probability in Int(squash[index])..<end {
        stretch[probability] = Int16(index - stretchLimit)
      }
    }
    return stretch
  }
}
