import DeltaModel
import Synchronization
import TestSupport
import Testing

@testable import DeltaEncoder

@Suite("Ways with repeats")
struct RepeatParseTests {
  /// The cheapest way through `target` where each literal costs eight bits, but for those of `cheap` places one.
  private static func way(through target: [UInt8], cheap: Set<Int> = []) -> RepeatParse.Way {
    var literals: [UInt64] = [0]
    for place in target.indices {
      let bits: UInt64 = cheap.contains(place) ? 1 : 8
      literals.append((literals.last ?? 0) + bits * UInt64(RepeatPrices.bit))
    }
    return RepeatParse.cheapest(
      through: target, literals: literals, prices: RepeatPrices(RepeatStatistics()))
  }

  private static func mixed(seed: UInt64) -> [UInt8] {
    var generator = SeededGenerator(seed: seed)
    var target = generator.bytes(500).map { $0 % (seed % 2 == 0 ? 2 : 255) }
    while target.count < 140_000 {
      let start = Int.random(in: 0..<target.count, using: &generator)
      let length = Int.random(in: 1...(target.count < 20_000 ? 60 : 30_000), using: &generator)
      target += target[start..<min(start + length, target.count)]
      target += generator.bytes(Int.random(in: 0...2, using: &generator))
    }
    return target
  }

  @Test(arguments: 0..<6 as Range<UInt64>)
  func `each repeat is what is there, and begins behind the one before`(seed: UInt64) {
    let target = Self.mixed(seed: seed)
    let way = Self.way(through: target)
    var end = 0
    for found in way.repeats {
      #expect(found.place >= end && found.length > 0 && 1...found.place ~= found.distance)
      end = found.place + found.length
      guard end <= target.count else { break }
      let isThere = (found.place..<end).allSatisfy { target[$0] == target[$0 - found.distance] }
      #expect(isThere, "\(found)")
    }
    #expect(end <= target.count)
    #expect(way.price < UInt64(target.count) * 8 * UInt64(RepeatPrices.bit) / 2)
  }

  @Test func `a block that comes again is one repeat, however long`() {
    var generator = SeededGenerator(seed: 7)
    let block = generator.bytes(90_000)
    let way = Self.way(through: block + block)
    let found = way.repeats.filter { $0.place >= 90_000 }
    #expect(found == [PlainRepeat(place: 90_000, length: 90_000, distance: 90_000)])
  }

  @Test func `a repeat goes on behind a changed byte, though another one is nearer`() {
    var generator = SeededGenerator(seed: 8)
    let block = generator.bytes(60)
    var changed = block
    changed[30] ^= 1
    // All but its last byte is there once more, nearer by: to take that is cheaper, but it cannot go on.
    let nearer = block[0..<29] + [block[29] ^ 1, 2]
    let target = block + generator.bytes(700) + nearer + changed
    let place = target.count - 60
    let way = Self.way(through: target, cheap: [place + 29])
    let tail = way.repeats.suffix(2).map { [$0.length, $0.distance] }
    #expect(tail == [[30, place], [29, place]], "\(way.repeats)")
  }

  @Test(arguments: [-120, -100, -1, 0, 1])
  func `a repeat over the end of a segment is one`(offset: Int) {
    var generator = SeededGenerator(seed: 10)
    let noise = generator.bytes(RepeatParse.segment + offset)
    let way = Self.way(through: noise + noise[50..<250] + generator.bytes(300))
    let found = way.repeats.filter { $0.length > 3 }
    #expect(found.count == 1 && found.first.map { $0.length > 198 } == true, "\(found)")
  }

  @Test func `where nothing comes again nothing is found`() {
    var generator = SeededGenerator(seed: 9)
    #expect(Self.way(through: generator.bytes(3000)).repeats.isEmpty)
    #expect(Self.way(through: []).repeats.isEmpty && Self.way(through: [1]).repeats.isEmpty)
  }
}

@Suite("Sources of repeats")
struct RepeatSourcesTests {
  @Test(arguments: 0..<12 as Range<UInt64>)
  func `of each length from four on the nearest source is found, and the longest`(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let target = generator.bytes(120).map { $0 % UInt8(2 + seed % 3) }
    var sources = RepeatSources(of: target)
    for place in target.indices {
      sources.search(place)
      let lengths = (0..<place).map { other in
        zip(target[other...], target[place...]).prefix { $0 == $1 }.count
      }
      let longest = lengths.max() ?? 0
      #expect(sources.found.map(\.length) == sources.found.map(\.length).sorted())
      guard longest >= 4, target.count - place >= 4 else { continue }
      #expect(sources.found.last?.length == longest)
      for source in sources.found where source.length >= 4 {
        #expect(lengths[place - source.distance] == source.length)
        #expect(lengths.lastIndex { $0 >= source.length } == place - source.distance)
      }
    }
  }
}

@Suite("Prices of repeats")
struct RepeatPricesTests {
  @Test func `what comes as often as all else together costs one bit`() {
    #expect(RepeatPrices.prices([1, 1, 2]) == [32, 32, 16])
    let prices = RepeatPrices.prices([1, 2, 4, 9, 200, 1 << 40])
    #expect(prices == prices.sorted(by: >))
  }

  @Test func `a way that was taken often is cheaper than one that was not`() {
    let often = (0..<100).map { PlainRepeat(place: 1000 + $0 * 30, length: 20, distance: 700 + $0) }
    let prices = RepeatPrices(RepeatStatistics(often, size: 5000))
    let recent = RecentDistances()
    func price(_ length: Int, _ distance: Int, gap: Int) -> UInt32 {
      prices.price(
        of: PlainRepeat(place: 4500, length: length, distance: distance), behind: recent, gap: gap)
    }
    #expect(price(20, 750, gap: 10) < price(21, 750, gap: 10))
    #expect(price(20, 750, gap: 10) < price(20, 3000, gap: 10))
    #expect(price(20, 750, gap: 10) < price(20, 750, gap: 9))
  }

  @Test func `who waits is told how far each pass is, and each look for ways`() {
    var generator = SeededGenerator(seed: 5)
    let blocks = (0..<1000).map { _ in generator.bytes(24) }
    let file = (0..<5000).flatMap { _ in blocks[Int.random(in: 0..<1000, using: &generator)] }
    let told = Mutex<[Int: Int]>([:])
    let delta = PlainTrial.encode(file, keepsBook: false) { part in
      { place in told.withLock { $0[part] = max($0[part] ?? 0, place) } }
    }
    #expect(delta?.header.hasRepeats == true)
    let places = told.withLock { $0 }
    let looks: [PlainTrial.Part] = [.lookByBytes, .lookFromFew, .lookFromMany, .lookAgain]
    for part in [.firstPass] + looks {
      // A way that two looks of five have found has told of a fifth at least.
      #expect(places[part.rawValue, default: 0] > file.count / 6, "\(part): \(places)")
    }
  }
}
