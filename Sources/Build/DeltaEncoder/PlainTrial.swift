internal import Bytes
internal import DeltaModel

/// Codes a target by itself (codec 3), after finding out what the decoder has to be told.
///
/// A pass without repeats shows what the models need for each byte, and where they are of no use. Two ways with repeats
/// are tried then: one where each literal costs what it did, and one where it costs what it would if nothing
/// were known but how often each byte is, for where all is told by repeats the models learn less. A last pass takes of
/// the better one what has paid, at the prices that it has shown.
struct PlainTrial {
  /// So many bits of noise are worth another pass.
  private static let worthwhile = 64
  /// Repeats are worth another pass that save this part of all bits.
  private static let worthwhilePart = 512
  /// Repeats pay together in so many bytes, or not.
  private static let regionSize = 4096
  /// How often bytes are in a column is counted over so many.
  private static let columnSize = 1024
  /// So often ways are compared at most, each time with the prices of the last one.
  private static let parses = 5
  /// They are compared once more where the last one saved this part.
  private static let worthwhileSaving: UInt64 = 256
  /// Larger files are told without repeats: to look for them takes some 40 bytes of memory for each of the file.
  static let searchedSize = 64 << 20

  /// What is done one after the other, as far as it is; each takes about as long as the others.
  enum Part: Int, CaseIterable {
    case firstPass
    case lookByBytes, lookFromFew, lookFromMany
    case secondPass, thirdPass
    case lookAgain
    case lastPass
  }

  /// How many parts there are at most.
  static let parts = Part.allCases.count

  private let target: [UInt8]
  private let period: Int
  /// How many bytes there are already, and how many the target takes at least, roughly.
  private let known: Int
  private let least: Int
  private let keepsBook: Bool
  private let without: DeltaAblation
  private let listener: (Int) -> @Sendable (Int) -> Void

  /// A delta, how many bits of it come before each place of the target, and what it was told.
  private typealias Pass = (delta: EncodedDelta, spent: [UInt32], repeats: [PlainRepeat])

  /// One pass shows whether the target can be smaller than what there is: where it is so many times as large, and no
  /// bytes come again, it will not be.
  private static let hopeless = 2

  /// Returns the smallest delta of all passes; nil where no decoder would take one, or where it seems to be no smaller
  /// than the `known` bytes that there are already; it takes `least` bytes at least, roughly.
  ///
  /// Who `listener` gives for a part, counted from 0, is told places of the target as the part comes to them.
  static func encode(
    _ target: [UInt8], against known: Int = .max, least: Int = 0, keepsBook: Bool,
    without: DeltaAblation = [],
    listener: @escaping (Int) -> @Sendable (Int) -> Void
  ) -> EncodedDelta? {
    let trial = PlainTrial(
      target: target, period: PeriodFinder.period(of: target), known: known, least: least,
      keepsBook: keepsBook,
      without: without, listener: listener)
    return trial.smallest()
  }

  private func smallest() -> EncodedDelta? {
    guard let first = coded([], noise: [], .firstPass) else { return nil }
    guard first.delta.bytes.count / Self.hopeless <= known || least < known else { return nil }
    let isSearched = target.count <= Self.searchedSize && !without.contains(.plainRepeats)
    let plain = isSearched ? plainPrices() : []
    let ways = worthwhileWays(first, plain)
    guard !ways.isEmpty else {
      // Where the models did worse than none they also learned what is of no use elsewhere.
      let excess = excess(first.spent, without: [])
      guard excess.reduce(0, { $0 + max(0, $1) }) >= Self.worthwhile,
        let second = coded([], noise: excess.map { $0 > 0 }, .secondPass)
      else { return first.delta }
      return smaller(first.delta, second.delta)
    }
    let passes = zip(ways, [Part.secondPass, .thirdPass])
      .compactMap { coded($0, after: first, $1) }
    guard let best = passes.min(by: { $0.delta.bytes.count < $1.delta.bytes.count }) else {
      return first.delta
    }
    let both = smaller(first.delta, best.delta)
    let paid = betterRepeats(first, best, plain)
    guard !paid.isEmpty, paid != best.repeats,
      let last = coded(paid, after: first, .lastPass)
    else { return both }
    return smaller(both, last.delta)
  }

  private func smaller(_ left: EncodedDelta, _ right: EncodedDelta) -> EncodedDelta {
    right.bytes.count < left.bytes.count ? right : left
  }

  /// Whether the bytes around `place` took fewer bits in the `second` pass than in the `first`.
  private func hasPaid(_ place: Int, _ first: [UInt32], _ second: [UInt32]) -> Bool {
    let start = place / Self.regionSize * Self.regionSize
    let end = min(start + Self.regionSize, target.count)
    return second[end] &- second[start] < first[end] &- first[start]
  }

  /// How many bits each block takes beyond eight a byte, but for what `repeats` have.
  private func excess(_ spent: [UInt32], without repeats: [PlainRepeat]) -> [Int] {
    let blocks = (target.count + PlainBody.noiseCount - 1) / PlainBody.noiseCount
    var excess = Array(repeating: 0, count: blocks)
    var start = 0
    func add(upTo end: Int) {
      for place in start..<max(start, end) {
        excess[place / PlainBody.noiseCount] += Int(spent[place + 1] &- spent[place]) - 8
      }
    }
    for found in repeats {
      add(upTo: found.place)
      start = found.place + found.length
    }
    add(upTo: target.count)
    return excess
  }

  private func coded(_ repeats: [PlainRepeat], after first: Pass, _ part: Part) -> Pass? {
    coded(repeats, noise: excess(first.spent, without: repeats).map { $0 > 0 }, part)
  }

  private func coded(_ repeats: [PlainRepeat], noise: [Bool], _ part: Part) -> Pass? {
    let header = DeltaHeader(
      mode: .plain, targetSize: UInt64(target.count), period: period,
      hasRepeats: !repeats.isEmpty)
    guard (try? DeltaLimits.standard.check(header, baseSize: 0)) != nil else { return nil }
    var book: CostBook? = keepsBook ? CostBook() : nil
    let plan = PlainPlan(
      noise: without.contains(.plainNoise) ? [] : noise, repeats: repeats)
    guard
      let (body, spent) = try? PlainBody.encode(
        target, header: header, plan: plan, without: without, book: &book,
        listener: listener(part.rawValue))
    else { return nil }
    let delta = EncodedDelta(bytes: header.encoded + body, header: header, book: book)
    return (delta, spent, repeats)
  }
}

// MARK: - Ways

extension PlainTrial {
  /// Ways through the target with repeats that save enough; `plain` is what its bytes cost if nothing else is known.
  private func worthwhileWays(_ first: Pass, _ plain: [UInt32]) -> [[PlainRepeat]] {
    guard !plain.isEmpty else { return [] }
    let least = max(Self.worthwhile, 8 * first.delta.bytes.count / Self.worthwhilePart)
    let known = literalPrices { price(of: $0, first) }
    let byBytes = cheapest(
      literalPrices { max(plain[$0], price(of: $0, first)) }, RepeatStatistics(), .lookByBytes)
    // Where literals are dearest nothing is found: nor is it where they are not.
    guard !byBytes.repeats.isEmpty else { return [] }
    // Where they are many they are cheap, and where they are cheap they are many: there are two ends to begin from. Each
    // sum is at prices of its own, so that the smaller one is a guess.
    let few = cheapest(known, RepeatStatistics(), .lookFromFew)
    let many = cheapest(
      known, RepeatStatistics(byBytes.repeats, size: target.count), .lookFromMany)
    let byModels = many.price < few.price ? many : few
    let saved = Int(known[target.count]) - Int(byModels.price)
    var ways: [[PlainRepeat]] = []
    if saved >= least * Int(RepeatPrices.bit) { ways.append(byModels.repeats) }
    if saving(of: byBytes.repeats, known) >= least * Int(RepeatPrices.bit)
      && byBytes.repeats != ways.first
    {
      ways.append(byBytes.repeats)
    }
    return ways
  }

  /// What those of `repeats` save that save anything where literals cost what they are `known` to.
  private func saving(of repeats: [PlainRepeat], _ known: [UInt64]) -> Int {
    let prices = RepeatPrices(RepeatStatistics(repeats, size: target.count))
    var (recent, end, saved) = (RecentDistances(), 0, 0)
    for found in repeats {
      let price = prices.price(of: found, behind: recent, gap: found.place - end)
      recent.use(found.distance)
      end = found.place + found.length
      saved += max(0, Int(known[end]) - Int(known[found.place]) - Int(price))
    }
    return saved
  }

  /// The repeats that save most with what the `other` pass has shown, where its own have paid.
  private func betterRepeats(_ first: Pass, _ other: Pass, _ plain: [UInt32]) -> [PlainRepeat] {
    var isRepeated = Array(repeating: false, count: target.count)
    for found in other.repeats {
      for place in found.place..<found.place + found.length { isRepeated[place] = true }
    }
    let literals = literalPrices { place in
      guard hasPaid(place, first.spent, other.spent) else { return price(of: place, first) }
      return isRepeated[place]
        ? max(plain[place], price(of: place, first)) : price(of: place, other)
    }
    let known = RepeatStatistics(other.repeats, size: target.count)
    return cheapest(literals, known, .lookAgain).repeats
      .filter { hasPaid($0.place, first.spent, other.spent) }
  }

  /// The cheapest way where literals cost what `literals` say, and repeats, at first, what is `known` of them.
  private func cheapest(
    _ literals: [UInt64], _ known: RepeatStatistics, _ part: Part
  ) -> RepeatParse.Way {
    let listener = listener(part.rawValue)
    var known = known
    var way: RepeatParse.Way = ([], 0)
    for number in 0..<Self.parses {
      let next = RepeatParse.cheapest(
        through: target, literals: literals, prices: RepeatPrices(known)
      ) { listener((number * target.count + $0) / Self.parses) }
      if number > 0 && next.price >= way.price - way.price / Self.worthwhileSaving {
        return next.price < way.price ? next : way
      }
      way = next
      known = RepeatStatistics(way.repeats, size: target.count)
    }
    return way
  }

  private func price(of place: Int, _ pass: Pass) -> UInt32 {
    (pass.spent[place + 1] &- pass.spent[place]) &* RepeatPrices.bit
  }

  /// What literals cost before each place, where each has its price; noise costs eight bits a byte.
  private func literalPrices(_ price: (Int) -> UInt32) -> [UInt64] {
    var sums: [UInt64] = [0]
    sums.reserveCapacity(target.count + 1)
    var (start, sum): (Int, UInt64) = (0, 0)
    while start < target.count {
      let end = min(start + PlainBody.noiseCount, target.count)
      let prices = (start..<end).map(price)
      let isNoise = prices.reduce(0, +) > UInt32(8 * (end - start)) * RepeatPrices.bit
      for price in prices {
        sum += UInt64(isNoise ? 8 * RepeatPrices.bit : price)
        sums.append(sum)
      }
      start = end
    }
    return sums
  }

  /// What each byte costs by how often it is in its column of its surroundings.
  private func plainPrices() -> [UInt32] {
    var prices = Array(repeating: UInt32(0), count: target.count)
    let size = Self.columnSize * period
    var start = 0
    while start < target.count {
      let end = min(start + size, target.count)
      for column in start..<min(start + period, end) {
        let places = stride(from: column, to: end, by: period)
        var counts = Array(repeating: UInt64(0), count: 256)
        for place in places { counts[Int(target[place])] += 1 }
        let table = RepeatPrices.prices(counts)
        for place in places { prices[place] = table[Int(target[place])] }
      }
      start = end
    }
    return prices
  }
}
