internal import DeltaModel

/// The cheapest way through a file: bytes that models foretell, and repeats of what was before.
///
/// Ways are compared place by place, each going on from the cheapest that leads to it, with the distances that it has
/// used last. So a way that is dearer there but would have had the better distances is lost; but for the one that
/// matters most, a repeat that goes on behind one other byte, which is looked at as a whole.
///
/// Complexity: time by place, as far as a bounded number of sources of bounded length is; memory of 16 bytes for each
/// place, the sums of literals included, and 48 for each of a segment.
struct RepeatParse {
  /// A way and what all of it costs, in sixteenths of a bit.
  typealias Way = (repeats: [PlainRepeat], price: UInt64)

  /// Ways are compared within so many bytes.
  static let segment = 1 << 16
  /// A step leads so far at most: a repeat, a literal, and a repeat.
  private static let longestStep = 2 * RepeatSources.reach + 1

  /// How a place is come to.
  private struct Step {
    /// What the way to it costs from the beginning of the segment on.
    var price = UInt32.max
    /// How many bytes the last repeat has, 0 for a literal.
    var length: Int32 = 0
    var distance: Int32 = 0
    /// Bytes of a repeat, of the same distance, behind this one and one literal; else 0.
    var tail: Int32 = 0
    /// Literals since the last repeat.
    var gap: Int32 = 0
    var recent = RecentDistances()
  }

  private let target: [UInt8]
  /// What literals cost before each place.
  private let literals: [UInt64]
  private let prices: RepeatPrices
  private var sources: RepeatSources
  private var steps: [Step] = []
  private var start = 0
  /// How many bytes of the segment have steps.
  private var reach = 0
  private var way: Way = ([], 0)

  /// Returns the cheapest way through `target`, where `literals` are what the models need before each place.
  ///
  /// `listener` is told places of the target as they are come to.
  static func cheapest(
    through target: [UInt8], literals: [UInt64], prices: RepeatPrices,
    listener: (Int) -> Void = { _ in }
  ) -> Way {
    var parse = RepeatParse(target, literals, prices)
    return parse.cheapest(listener)
  }

  private init(_ target: [UInt8], _ literals: [UInt64], _ prices: RepeatPrices) {
    self.target = target
    self.literals = literals
    self.prices = prices
    sources = RepeatSources(of: target)
  }

  private mutating func cheapest(_ listener: (Int) -> Void) -> Way {
    var first = Step()
    first.price = 0
    while start < target.count {
      listener(start)
      first = walk(from: first)
    }
    way.repeats = joined(way.repeats)
    return way
  }

  /// Finds the way through the next segment, and returns its last step.
  private mutating func walk(from first: Step) -> Step {
    let count = min(Self.segment, target.count - start)
    steps.removeAll(keepingCapacity: true)
    steps.append(first)
    steps[0].price = 0
    reach = count
    for index in 0..<count {
      // Only as far as is looked ahead: a long repeat may end the segment soon.
      while steps.count <= min(index + Self.longestStep, count) { steps.append(Step()) }
      if let long = lookAhead(from: index) {
        return finish(index, with: long)
      }
    }
    return finish(count, with: nil)
  }

  /// Ends the segment at `end`, and goes on with a `long` repeat if there is one.
  private mutating func finish(_ end: Int, with long: PlainRepeat?) -> Step {
    var backwards: [PlainRepeat] = []
    var index = end
    while index > 0 {
      let step = steps[index]
      let (length, distance, tail) = (Int(step.length), Int(step.distance), Int(step.tail))
      if tail > 0 {
        backwards.append(
          PlainRepeat(place: start + index - tail, length: tail, distance: distance))
        index -= tail + 1
      }
      if length > 0 {
        backwards.append(
          PlainRepeat(place: start + index - length, length: length, distance: distance))
      }
      index -= max(length, 1)
    }
    way.repeats += backwards.reversed()
    way.price += UInt64(steps[end].price)
    var last = steps[end]
    start += end
    if let long {
      way.repeats.append(long)
      way.price += UInt64(
        prices.price(of: long, behind: last.recent, gap: Int(last.gap)))
      last.recent.use(long.distance)
      last.gap = 0
      // What is behind its beginning is where it was before, too.
      for place in start + 1..<start + min(long.length, RepeatSources.reach) {
        sources.search(place)
      }
      start += long.length
    }
    return last
  }

  /// Takes the steps that begin at `index`; returns a repeat instead that is too long to think twice about.
  private mutating func lookAhead(from index: Int) -> PlainRepeat? {
    let place = start + index
    let step = steps[index]
    let gap = min(Int(step.gap), RepeatStatistics.gaps - 1)
    var next = step
    next.price = step.price &+ literal(place, 1) &+ prices.goOn[gap]
    (next.length, next.distance, next.tail) = (0, 0, 0)
    next.gap = Int32(min(Int(step.gap) + 1, RepeatStatistics.gaps))
    take(next, at: index + 1)
    let limit = min(RepeatSources.reach, target.count - place)
    // What models foretell for nothing needs no repeats, and is not noted as a source of any.
    guard literal(place, limit) > RepeatPrices.bit else { return nil }
    sources.search(place)
    guard literal(place, min(4, limit)) > RepeatPrices.bit else { return nil }
    var long: PlainRepeat?
    for number in 0..<RecentDistances.count {
      let distance = Int(step.recent.distances[number])
      guard distance > 0 && distance <= place else { continue }
      let length = sources.agreement(place - distance, place, from: 0, limit)
      guard length > 0 else { continue }
      if length >= RepeatSources.reach { long = longer(long, place, distance) }
      let base = step.price &+ prices.begin[gap] &+ prices.recents[number]
      take(1...length, distance, at: index, base: base, isRecent: true)
    }
    var shortest = 2
    for source in sources.found where source.length >= shortest {
      if source.length >= RepeatSources.reach { long = longer(long, place, source.distance) }
      if step.recent.index(of: source.distance) == nil {
        let base = step.price &+ prices.begin[gap] &+ prices.recents[RecentDistances.count]
        take(shortest...source.length, source.distance, at: index, base: base, isRecent: false)
      }
      shortest = source.length + 1
    }
    guard let long,
      UInt64(prices.price(of: long, behind: step.recent, gap: Int(step.gap)))
        < literals[place + long.length] - literals[place]
    else { return nil }
    return long
  }
}

extension RepeatParse {
  /// Takes repeats of all `lengths` from one distance; what they cost but for length and distance is `base`.
  private mutating func take(
    _ lengths: ClosedRange<Int>, _ distance: Int, at index: Int, base: UInt32, isRecent: Bool
  ) {
    var next = steps[index]
    let table = prices.lengths[min(Int(next.gap), 1)]
    next.recent.use(distance)
    (next.distance, next.tail, next.gap) = (Int32(distance), 0, 0)
    var (kind, price): (Int, UInt32) = (-1, 0)
    for length in lengths where index + length <= reach {
      if !isRecent && RepeatStatistics.lengthClass(length) != kind {
        kind = RepeatStatistics.lengthClass(length)
        price = prices.distance(distance, length: length)
      }
      next.price = base &+ price &+ table[length]
      next.length = Int32(length)
      take(next, at: index + length)
    }
    take(behind: next, lengths.upperBound, at: index)
  }

  /// Takes the repeat that goes on behind the byte that ends the one of `length` bytes from `index` on.
  private mutating func take(behind step: Step, _ length: Int, at index: Int) {
    let place = start + index + length + 1
    let limit = min(RepeatSources.reach, start + reach - place)
    guard limit > 1, Int(step.length) == length else { return }
    let tail = sources.agreement(place - Int(step.distance), place, from: 0, limit)
    guard tail > 1 else { return }
    var next = step
    next.tail = Int32(tail)
    next.price =
      step.price &+ literal(place - 1, 1) &+ prices.goOn[0] &+ prices.begin[1]
      &+ prices.recents[0] &+ prices.lengths[1][tail]
    take(next, at: index + length + 1 + tail)
  }

  private mutating func take(_ step: Step, at index: Int) {
    if step.price < steps[index].price { steps[index] = step }
  }

  /// What `count` literals cost.
  private func literal(_ place: Int, _ count: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: literals[place + count] - literals[place])
  }

  /// The longer one of `other` and the repeat at `place` from `distance`, as long as it can be.
  private func longer(_ other: PlainRepeat?, _ place: Int, _ distance: Int) -> PlainRepeat {
    let length = sources.agreement(
      place - distance, place, from: RepeatSources.reach, target.count - place)
    if let other, other.length >= length { return other }
    return PlainRepeat(place: place, length: length, distance: distance)
  }

  /// `repeats`, where one goes on as the one before as one.
  private func joined(_ repeats: [PlainRepeat]) -> [PlainRepeat] {
    var result: [PlainRepeat] = []
    for found in repeats {
      if let last = result.last, last.place + last.length == found.place,
        last.distance == found.distance
      {
        result[result.count - 1] = PlainRepeat(
          place: last.place, length: last.length + found.length, distance: last.distance)
      } else {
        result.append(found)
      }
    }
    return result
  }
}
