internal import DeltaModel

/// How often repeats of each kind were chosen, by what their model (`RepeatModel`) tells apart, roughly.
struct RepeatStatistics {
  /// Once in counts; what never happened counts a little, too.
  static let once: UInt64 = 64
  /// Literals between two repeats are told apart up to so many.
  static let gaps = 32
  /// Lengths are told apart up to so many bytes.
  static let lengths = RepeatSources.reach
  /// Widths of numbers.
  static let widths = 32
  private static let lengthClasses = 9

  /// How often something was so, and was not.
  struct Decision {
    var yes: UInt64
    var no: UInt64
  }

  /// By literals since the last repeat: whether one began.
  var begins: [Decision]
  /// Which of the last distances, and behind them another one.
  var recents: [UInt64]
  /// By whether literals came before, and by length.
  var lengthCounts: [[UInt64]]
  /// By class of length and by width of the distance.
  var distances: [[UInt64]]
  /// By width and place below the highest bit of a distance.
  var bits: [Decision]

  /// What to expect of a file of which nothing is known.
  init() {
    begins = (0..<Self.gaps).map { gap in
      gap == 0
        ? Decision(yes: Self.once, no: Self.once) : Decision(yes: Self.once, no: 8 * Self.once)
    }
    recents = Array(repeating: Self.once, count: RecentDistances.count) + [4 * Self.once]
    let lengths = (0...Self.lengths).map { 16 * Self.once / UInt64($0 + 8) + 1 }
    lengthCounts = [lengths, lengths]
    distances = Array(
      repeating: Array(repeating: Self.once / 8, count: Self.widths), count: Self.lengthClasses)
    bits = Array(
      repeating: Decision(yes: Self.once, no: Self.once), count: Self.widths * Self.widths)
  }

  /// Counts what is in `plan`, a way through a file of `size` bytes.
  init(_ plan: [PlainRepeat], size: Int) {
    self.init()
    var end = 0
    var recent = RecentDistances()
    for found in plan {
      noteLiterals(found.place - end)
      let gap = found.place - end
      begins[min(gap, Self.gaps - 1)].yes += Self.once
      let index = recent.index(of: found.distance)
      recents[index ?? RecentDistances.count] += Self.once
      lengthCounts[min(gap, 1)][min(found.length, Self.lengths)] += Self.once
      if index == nil { noteDistance(found.distance - 1, length: found.length) }
      recent.use(found.distance)
      end = found.place + found.length
    }
    noteLiterals(size - end)
  }

  private mutating func noteLiterals(_ count: Int) {
    for gap in 0..<min(count, Self.gaps - 1) { begins[gap].no += Self.once }
    begins[Self.gaps - 1].no += UInt64(max(0, count - Self.gaps + 1)) * Self.once
  }

  private mutating func noteDistance(_ number: Int, length: Int) {
    let width = Self.width(number)
    distances[Self.lengthClass(length)][width] += Self.once
    for position in 0..<max(0, width - 1) {
      let place = width * Self.widths + position
      if number >> position & 1 != 0 {
        bits[place].yes += Self.once
      } else {
        bits[place].no += Self.once
      }
    }
  }

  /// How many bits a number has.
  static func width(_ number: Int) -> Int { Int.bitWidth - number.leadingZeroBitCount }

  /// Lengths of one class have distances alike.
  static func lengthClass(_ length: Int) -> Int { min(width(length - 1), lengthClasses - 1) }
}
