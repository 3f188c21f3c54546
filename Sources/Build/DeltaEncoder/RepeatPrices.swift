internal import DeltaModel

/// What repeats cost, as far as that follows from how often those of each kind were chosen before.
///
/// Their model learns more than this, and while it codes; it has to tell ways through a file apart, not to be right.
/// All prices are in sixteenths of a bit.
struct RepeatPrices {
  /// What one bit costs.
  static let bit: UInt32 = 16

  /// By literals since the last repeat: what it costs to begin one there, and not to.
  let begin: [UInt32]
  let goOn: [UInt32]
  /// Each of the last distances, and behind them another one.
  let recents: [UInt32]
  /// By whether literals came before, and by length.
  let lengths: [[UInt32]]
  /// By class of length and by width of the distance.
  private let distances: [[UInt32]]
  /// By width, place and value of a bit below the highest.
  private let bits: [UInt32]

  /// Takes each thing for as likely as it was often.
  init(_ known: RepeatStatistics) {
    begin = known.begins.map { Self.price($0.yes, of: $0.yes + $0.no) }
    goOn = known.begins.map { Self.price($0.no, of: $0.yes + $0.no) }
    recents = Self.prices(known.recents)
    lengths = known.lengthCounts.map(Self.lengthPrices)
    distances = known.distances.map(Self.prices)
    bits = known.bits.flatMap { Self.prices([$0.no, $0.yes]) }
  }

  /// What `found` costs, `gap` literals behind the last repeat, where `recent` distances were the last ones.
  func price(of found: PlainRepeat, behind recent: RecentDistances, gap: Int) -> UInt32 {
    let base =
      begin[min(gap, RepeatStatistics.gaps - 1)]
      &+ lengths[min(gap, 1)][min(found.length, RepeatStatistics.lengths)]
    guard let index = recent.index(of: found.distance) else {
      return base &+ recents[RecentDistances.count]
        &+ distance(found.distance, length: found.length)
    }
    return base &+ recents[index]
  }

  /// What a distance costs that is none of the last ones, for `length` bytes.
  func distance(_ distance: Int, length: Int) -> UInt32 {
    let number = distance - 1
    let width = RepeatStatistics.width(number)
    var price = distances[RepeatStatistics.lengthClass(length)][width]
    for position in 0..<max(0, width - 1) {
      let place = width * RepeatStatistics.widths + position
      price += bits[2 * place + number >> position & 1]
    }
    return price
  }

  /// What each of several things costs, of which one comes, by how often they came; those that never did, too much.
  static func prices(_ counts: [UInt64]) -> [UInt32] {
    let all = counts.reduce(0, +)
    return counts.map { price($0, of: all) }
  }

  /// Half of what is expected of a length is as often as it was, the other half as often as all of its width.
  private static func lengthPrices(_ counts: [UInt64]) -> [UInt32] {
    var widths = Array(repeating: RepeatStatistics.once, count: RepeatStatistics.widths)
    for length in 1..<counts.count { widths[RepeatStatistics.width(length - 1)] += counts[length] }
    let all = widths.reduce(0, +)
    return counts.indices.map { length in
      guard length > 0 else { return 0 }
      let width = RepeatStatistics.width(length - 1)
      let share = widths[width] >> UInt64(max(0, width - 1))
      return price(counts[length] + share, of: 2 * all)
    }
  }

  private static func price(_ count: UInt64, of all: UInt64) -> UInt32 {
    logarithm(all) - logarithm(max(1, min(count, all)))
  }

  /// Sixteen times the logarithm of `number` to the base of two, rounded down.
  private static func logarithm(_ number: UInt64) -> UInt32 {
    let width = UInt64.bitWidth - number.leadingZeroBitCount
    // The number over the power of two that it reaches, in 2^-31: squared four times, it tells four bits.
    var rest = width > 32 ? number >> UInt64(width - 32) : number << UInt64(32 - width)
    var result = UInt32(width - 1)
    for _ in 0..<4 {
      rest = rest * rest >> 31
      result <<= 1
      if rest >> 32 != 0 {
        rest >>= 1
        result |= 1
      }
    }
    return result
  }
}
