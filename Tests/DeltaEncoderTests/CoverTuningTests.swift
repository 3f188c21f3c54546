import Synchronization
import TestSupport
import Testing

@testable import CodeReferences
@testable import DeltaEncoder
@testable import DeltaModel

/// The coder is one here whose prices are known.
///
/// It takes so many bits for each cover, for each byte that no cover has, and for
/// each byte of a cover that is another one in the base. What is cheapest is known then, too.
@Suite("Covers tuned by trying")
struct CoverTuningTests {
  private static let coverBits = 24
  private static let insertedBits = 8
  private static let changedBits = 12

  /// Two files, of which the second is made of pieces of the first, and noise between them.
  private struct Pair {
    let base: [UInt8]
    var target: [UInt8] = []
    /// The covers it was made of.
    var pieces: [Cover] = []

    init(seed: UInt64, pieces count: Int = 12) {
      var generator = SeededGenerator(seed: seed)
      base = generator.bytes(8000)
      for index in 0..<count {
        target += generator.bytes(Int.random(in: 1...9, using: &generator) * 4)
        let start = (index * 37 % count) * 600 + Int.random(in: 0..<50, using: &generator) * 4
        let length = Int.random(in: 10...60, using: &generator) * 4
        pieces.append(Cover(target: target.count, base: start, count: length))
        target += base[start..<start + length]
      }
      target += generator.bytes(8)
    }
  }

  @Test func `where no decoder would take any alignment there is nothing to tune`() {
    let files = Pair(seed: 3)
    let pair = PreparedPair(
      base: files.base, target: files.target, effort: .thorough, keepsBook: false, without: [])
    let refused = DeltaEncoder.Trial(delta: nil, covers: files.pieces, found: files.pieces)
    #expect(DeltaEncoder.tuned([refused, refused], pair, progress: { _ in }) == nil)
    #expect(DeltaEncoder.tuned([], pair, progress: { _ in }) == nil)
    let header = DeltaHeader(mode: .delta, targetSize: UInt64(files.target.count))
    let taken = DeltaEncoder.Trial(
      delta: EncodedDelta(bytes: Array(repeating: 0, count: 4000), header: header),
      covers: files.pieces, found: files.pieces)
    #expect(DeltaEncoder.tuned([refused, taken], pair, progress: { _ in }) != nil)
  }

  private static func book(_ pair: Pair, _ covers: [Cover]) -> CostBook {
    var book = CostBook()
    func spend(_ bits: Int) {
      for _ in 0..<bits { book.note(32_768) }
    }
    var place = 0
    for cover in covers {
      book.open(.covers, cover.target)
      spend(coverBits)
    }
    for cover in covers + [Cover(target: pair.target.count, base: 0, count: 1)] {
      for inserted in place..<cover.target {
        book.open(.newData, inserted)
        spend(insertedBits)
      }
      guard cover.target < pair.target.count else { break }
      for index in 0..<cover.count {
        book.open(.bytes, cover.target + index)
        if pair.base[cover.base + index] != pair.target[cover.target + index] { spend(changedBits) }
      }
      place = cover.targetEnd
    }
    return book
  }

  private static func bits(_ pair: Pair, _ covers: [Cover]) -> Int {
    Int(book(pair, covers).entries.reduce(0) { $0 + $1.cost } >> 16)
  }

  private static func tuned(
    _ pair: Pair, _ covers: [Cover], found: [Cover] = [],
    progress: @escaping @Sendable (Double) -> Void = { _ in }
  ) -> [Cover] {
    var bitmap = StartBitmap(byteCount: pair.base.count)
    bitmap.insert(every: 4, in: 0..<pair.base.count)
    let moves = CoverMoves(
      starts: StartIndex(bitmap), sizes: (pair.base.count, pair.target.count), found: found)
    return CoverTuning(moves: moves, book: { book(pair, $0) }, progress: progress).tuned(covers)
  }

  @Test(arguments: 0..<8 as Range<UInt64>)
  func `ends that are off move to where they are cheapest`(seed: UInt64) {
    let pair = Pair(seed: seed)
    var generator = SeededGenerator(seed: seed + 100)
    let off = pair.pieces.map { piece in
      let start = Int.random(in: 0...4, using: &generator) * 4
      let end = Int.random(in: 0...4, using: &generator) * 4
      return Cover(
        target: piece.target + start, base: piece.base + start, count: piece.count - start - end)
    }
    #expect(off != pair.pieces)
    #expect(Self.tuned(pair, off) == pair.pieces)
  }

  @Test(arguments: 0..<8 as Range<UInt64>)
  func `ends that are too far move back, also at the cost of a neighbour`(seed: UInt64) {
    let pair = Pair(seed: seed)
    // Each begins where the one before ends, and so in noise.
    var place = 0
    let far = pair.pieces.compactMap { piece -> Cover? in
      let start = min(piece.target, max(place, piece.target - piece.base))
      place = piece.targetEnd
      return Cover(
        target: start, base: piece.base - (piece.target - start),
        count: piece.targetEnd - start)
    }
    #expect(Self.tuned(pair, far) == pair.pieces)
  }

  @Test func `a cover that costs more than it saves is dropped`() {
    let pair = Pair(seed: 20)
    let useless = pair.pieces.enumerated().flatMap { index, piece -> [Cover] in
      let before = index == 0 ? 0 : pair.pieces[index - 1].targetEnd
      return index % 3 == 1 ? [Cover(target: before, base: 7000, count: 4), piece] : [piece]
    }
    #expect(useless.count > pair.pieces.count)
    #expect(Self.tuned(pair, useless) == pair.pieces)
  }

  @Test func `two covers that go on as one are one`() {
    let pair = Pair(seed: 21)
    let halves = pair.pieces.flatMap { piece in
      [
        Cover(target: piece.target, base: piece.base, count: 16),
        Cover(target: piece.target + 24, base: piece.base + 24, count: piece.count - 24),
      ]
    }
    #expect(Self.tuned(pair, halves) == pair.pieces)
  }

  @Test func `what was found and not taken is taken where it pays`() {
    let pair = Pair(seed: 22)
    let taken = pair.pieces.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
    let noise = [Cover(target: 0, base: 4, count: 4)]
    #expect(Self.tuned(pair, taken) != pair.pieces)
    #expect(Self.tuned(pair, taken, found: noise + pair.pieces) == pair.pieces)
  }

  @Test func `covers that are the cheapest stay as they are`() {
    let pair = Pair(seed: 23)
    #expect(Self.tuned(pair, pair.pieces, found: pair.pieces) == pair.pieces)
    #expect(Self.tuned(pair, []) == [])
  }

  @Test func `what saves around its place but not in all is not done`() {
    let pair = Pair(seed: 24)
    let off = pair.pieces.map { piece in
      Cover(target: piece.target, base: piece.base, count: piece.count - 4)
    }
    var bitmap = StartBitmap(byteCount: pair.base.count)
    bitmap.insert(every: 4, in: 0..<pair.base.count)
    let moves = CoverMoves(
      starts: StartIndex(bitmap), sizes: (pair.base.count, pair.target.count), found: [])
    // Each byte that a longer cover saves costs twice as much at the file's very end.
    let tuning = CoverTuning(
      moves: moves,
      book: { covers in
        var book = Self.book(pair, covers)
        let covered = covers.reduce(0) { $0 + $1.count }
        book.open(.newData, pair.target.count - 1)
        for _ in 0..<covered * 2 * Self.insertedBits { book.note(32_768) }
        return book
      }, progress: { _ in })
    let before = off.reduce(0) { $0 + $1.count }
    #expect(tuning.tuned(off).reduce(0) { $0 + $1.count } <= before)
  }

  @Test func `the only cover is not dropped, even if it does not pay`() {
    let pair = Pair(seed: 25, pieces: 1)
    let useless = [Cover(target: 0, base: 7000, count: 4)]
    #expect(Self.tuned(pair, useless).count == 1)
  }

  @Test func `where the coder takes no covers these stay as they are`() {
    let pair = Pair(seed: 26)
    let moves = CoverMoves(
      starts: StartIndex(StartBitmap(byteCount: 0)), sizes: (pair.base.count, pair.target.count),
      found: [])
    let tuning = CoverTuning(moves: moves, book: { _ in nil }, progress: { _ in })
    #expect(tuning.tuned(pair.pieces) == pair.pieces)
  }

  @Test func `what is told of progress rises to one, and covers that are tried are in order`() {
    let pair = Pair(seed: 27)
    let off = pair.pieces.map { piece in
      Cover(target: piece.target + 4, base: piece.base + 4, count: piece.count - 8)
    }
    var bitmap = StartBitmap(byteCount: pair.base.count)
    bitmap.insert(every: 4, in: 0..<pair.base.count)
    let moves = CoverMoves(
      starts: StartIndex(bitmap), sizes: (pair.base.count, pair.target.count),
      found: pair.pieces)
    let told = Mutex<[Double]>([])
    let wrong = Mutex(0)
    let tuning = CoverTuning(
      moves: moves,
      book: { covers in
        var place = 0
        for cover in covers {
          let isRight =
            cover.target >= place && cover.count > 0 && cover.base >= 0
            && cover.baseEnd <= pair.base.count && cover.targetEnd <= pair.target.count
          if !isRight { wrong.withLock { $0 += 1 } }
          place = cover.targetEnd
        }
        return Self.book(pair, covers)
      }, progress: { fraction in told.withLock { $0.append(fraction) } })
    let first = tuning.tuned(off)
    #expect(wrong.withLock { $0 } == 0)
    let fractions = told.withLock { $0 }
    #expect(fractions.count > 20 && fractions.last == 1)
    #expect(fractions.allSatisfy { $0 > 0 && $0 <= 1 })
    #expect(tuning.tuned(off) == first)
  }

  @Test(arguments: [
    ("qer", "1.0.0", "1.0.1"), ("qer", "1.0.0", "1.1.0"), ("classify", "1.0.0", "1.0.1"),
  ])
  func `a delta of real modules is smaller for it, and comes back`(
    name: String, old: String, new: String
  ) throws {
    let base = try BuiltModules.bytes(name, old)
    let target = try BuiltModules.bytes(name, new)
    let without = DeltaEncoder.encode(base: base, target: target, without: .tuning)
    let with = DeltaEncoder.encode(base: base, target: target)
    #expect(with.bytes.count < without.bytes.count)
    let header = try DeltaHeader(parsing: with.bytes)
    #expect(try header.decodeBody(of: with.bytes, base: base).elementsEqual(target))
  }

  @Test func `pieces of the base in another order, again and again, come back`() throws {
    var generator = SeededGenerator(seed: 28)
    let pieces = (0..<4096).map { _ in generator.bytes(32) }
    let target = (0..<3).flatMap { _ in pieces.shuffled(using: &generator).flatMap { $0 } }
    let base = pieces.flatMap { $0 }
    let delta = DeltaEncoder.encode(base: base, target: target)
    let header = try DeltaHeader(parsing: delta.bytes)
    #expect(try header.decodeBody(of: delta.bytes, base: base).elementsEqual(target))
  }
}
