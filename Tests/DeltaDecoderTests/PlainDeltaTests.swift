import Bytes
import DeltaDecoder
import DeltaEncoder
import DeltaModel
import Testing
import TestSupport

/// Targets that are coded by themselves: what was made comes back, whatever else arrives is answered with a
/// target of the declared size or an error.
@Suite("Plain deltas")
struct PlainDeltaTests {
  /// Words, a stretch of noise, the same noise again, a table, and much that repeats.
  static let target: [UInt8] = {
    var generator = SeededGenerator(seed: 21)
    let noise = generator.bytes(600)
    var bytes: [UInt8] = (0..<60).flatMap { Array("word \($0 * 7 % 13) of a line\n".utf8) }
    let words = bytes.prefix(90)
    bytes += noise
    bytes += words
    bytes += noise
    for index in 0..<100 { bytes += [UInt8(truncatingIfNeeded: index), 0, UInt8(index & 3), 9, 1] }
    return bytes + Array(repeating: 0, count: 500)
  }()

  private static let header = DeltaHeader(
    mode: .plain, targetSize: UInt64(target.count), period: 5)

  private static let limits = DeltaLimits(targetSize: 1 << 16, memory: 1 << 25)

  /// The target's delta, the blocks in `noise` as noise.
  private static func delta(noise: [Bool] = []) throws -> [UInt8] {
    try body(header, target, PlainPlan(noise: noise))
  }

  /// The delta with `header` that yields `target`, coded as `plan` wants it.
  private static func body(
    _ header: DeltaHeader, _ target: [UInt8], _ plan: PlainPlan = PlainPlan()
  ) throws -> [UInt8] {
    var book: CostBook?
    return try header.encoded
      + PlainBody.encode(target, header: header, plan: plan, book: &book).bytes
  }

  @Test func `a target comes back, whatever is said to be noise`() throws {
    let blocks = Self.target.count / PlainBody.noiseCount + 1
    for noise in [[], [true], Array(repeating: true, count: blocks)] as [[Bool]] {
      let delta = try Self.delta(noise: noise)
      #expect(try DeltaDecoder.decode(delta, base: []) == Self.target)
      #expect(try DeltaDecoder.decode(delta, base: [1, 2, 3]) == Self.target)
    }
  }

  @Test func `noise that is said to be noise costs what it has`() throws {
    var generator = SeededGenerator(seed: 23)
    let words = Array("word and word and word of a line, and word\n".utf8)
    let target = words + generator.bytes(4096) + words
    let header = DeltaHeader(mode: .plain, targetSize: UInt64(target.count), period: 16)
    var book: CostBook?
    let (plain, spent) = try PlainBody.encode(
      target, header: header, plan: PlainPlan(), book: &book)
    let noise = stride(from: 0, to: target.count, by: PlainBody.noiseCount).map { start in
      let end = min(start + PlainBody.noiseCount, target.count)
      return Int(spent[end] - spent[start]) > 8 * (end - start)
    }
    let marked = try Self.body(header, target, PlainPlan(noise: noise))
    #expect(marked.count < plain.count)
    #expect(marked.count < 4096 + 64, "\(marked.count) bytes")
  }

  @Test func `noise that comes again costs next to nothing`() throws {
    let count = try Self.delta().count
    #expect(count < 600 + 200, "\(count) bytes")
  }

  private static let repeating = DeltaHeader(
    mode: .plain, targetSize: UInt64(target.count), period: 5, hasRepeats: true)

  @Test func `what is told by where it was comes back, into itself, in noise, and up to the end`()
    throws
  {
    let size = Self.target.count
    let blocks = size / PlainBody.noiseCount + 1
    // The noise is there again 690 bytes behind it; the zeros at the end reach into themselves.
    let noise = try #require(Self.place(of: Self.target[1300..<1400], behind: 1400))
    let repeats = [
      PlainRepeat(place: noise, length: 100, distance: noise - 1300),
      PlainRepeat(place: noise + 100, length: 1, distance: noise - 1300),
      PlainRepeat(place: size - 499, length: 400, distance: 1),
      PlainRepeat(place: size - 99, length: 99, distance: 300),
    ]
    for noise in [[], Array(repeating: true, count: blocks)] as [[Bool]] {
      let delta = try Self.body(
        Self.repeating, Self.target, PlainPlan(noise: noise, repeats: repeats))
      #expect(try DeltaDecoder.decode(delta, base: []) == Self.target)
    }
    let none = try Self.body(Self.repeating, Self.target)
    #expect(try DeltaDecoder.decode(none, base: []) == Self.target)
  }

  @Test func `a distance that was one of the last four costs less than another one`() throws {
    var generator = SeededGenerator(seed: 26)
    let noise = generator.bytes(4000)
    // Slices of it behind it, in turn from so many places before: each is told again, in any order.
    func size(_ distances: [Int]) throws -> Int {
      var target = noise
      var repeats: [PlainRepeat] = []
      for distance in distances {
        repeats.append(PlainRepeat(place: target.count, length: 20, distance: distance))
        let start = target.count - distance
        target += target[start..<start + 20]
        target += generator.bytes(1)
      }
      let header = DeltaHeader(
        mode: .plain, targetSize: UInt64(target.count), period: 8, hasRepeats: true)
      let delta = try Self.body(header, target, PlainPlan(repeats: repeats))
      #expect(try DeltaDecoder.decode(delta, base: []) == target)
      return delta.count
    }
    let distances = [3001, 1502, 2803, 977, 1800]
    // Of four in turn each is one of the last ones; of five in turn none is.
    let four = try size((0..<60).map { distances[$0 % 4] })
    let five = try size((0..<60).map { distances[$0 % 5] })
    #expect(four + 60 * 3 / 8 < five, "\(four) and \(five) bytes")
  }

  private static func place(of bytes: ArraySlice<UInt8>, behind start: Int) -> Int? {
    (start...target.count - bytes.count).first {
      target[$0..<$0 + bytes.count].elementsEqual(bytes)
    }
  }

  @Test(arguments: [
    PlainRepeat(place: 10, length: 1, distance: 11),
    PlainRepeat(place: 10, length: 1, distance: 1 << 40),
    PlainRepeat(place: 10, length: 1 << 40, distance: 1),
    PlainRepeat(place: 0, length: 1, distance: 1),
  ])
  func `a repeat that reaches beyond the target is refused`(wrong: PlainRepeat) throws {
    // The encoder refuses to write such a one at the same place, with what it has written up to there.
    #expect(throws: FormatError.self) {
      try Self.body(Self.repeating, Self.target, PlainPlan(repeats: [wrong]))
    }
  }

  @Test func `a delta with such a repeat is refused for it`() {
    var refused = 0
    for seed: UInt64 in 0..<64 {
      var choices = SeededChoices(seed: seed)
      // Ones are likely where all bytes are high: repeats of whatever length, from wherever.
      let delta =
        Self.repeating.encoded + choices.bytes(40, below: 2) + choices.bytes(200, below: 256)
      do throws(FormatError) {
        _ = try DeltaDecoder.decode(delta, base: [], limits: Self.limits)
      } catch {
        if "\(error)".contains("repeat") { refused += 1 }
      }
    }
    #expect(refused > 0)
  }

  @Test func `the encoder tells blocks of noise that come again by where they were`() throws {
    var generator = SeededGenerator(seed: 24)
    let blocks = (0..<500).map { _ in generator.bytes(24) }
    var target = blocks.flatMap { $0 }
    for _ in 0..<1500 { target += blocks[Int.random(in: 0..<500, using: &generator)] }
    let delta = DeltaEncoder.encode(base: [], target: target)
    #expect(delta.mode == "plain" && delta.header.hasRepeats)
    #expect(try DeltaDecoder.decode(delta.bytes, base: []) == target)
    // Which of 500 blocks it is takes 9 bits, and where the last one like it was not many more.
    #expect(delta.bytes.count < 500 * 24 + 1500 * 14 / 8, "\(delta.bytes.count) bytes")
  }

  @Test func `the encoder finds a period`() {
    var generator = SeededGenerator(seed: 22)
    var records: [UInt8] = []
    for index in 0..<200 {
      records += [UInt8(index), 0, 1, 200]
      records += generator.bytes(1)
      records += [7, 7, 3, 90]
    }
    let delta = DeltaEncoder.encode(base: [], target: records)
    #expect(delta.mode == "plain")
    #expect(delta.header.period == 9)
  }

  @Test func `zeros without an end cost next to nothing`() throws {
    let header = DeltaHeader(mode: .plain, targetSize: 1 << 18, period: 16)
    let zeros: [UInt8] = Array(repeating: 0, count: 1 << 18)
    let delta = try Self.body(header, zeros)
    #expect(delta.count < 64, "\(delta.count) bytes")
    #expect(try DeltaDecoder.decode(delta, base: []) == zeros)
  }

  @Test func `no proper prefix and no longer delta yields the target`() throws {
    let delta = try Self.delta()
    for count in stride(from: 0, to: delta.count, by: 37) {
      let part = Array(delta.prefix(count))
      let target = try? DeltaDecoder.decode(part, base: [], limits: Self.limits)
      #expect(target != Self.target, "prefix of \(count) bytes")
    }
    #expect(throws: FormatError.self) { try DeltaDecoder.decode(delta + [0], base: []) }
  }

  @Test(arguments: 0..<24 as Range<UInt64>)
  func `what is damaged or made up ends in a target or an error`(seed: UInt64) throws {
    var choices = SeededChoices(seed: seed)
    var delta = try Self.delta()
    if seed % 2 == 0 {
      delta = HostileDelta.damaged(delta, &choices)
    } else {
      let size = UInt64(1 + choices.below(3000))
      let header = DeltaHeader(
        mode: .plain, targetSize: size, period: 1 + choices.below(255),
        hasRepeats: seed % 3 == 0)
      delta = header.encoded + choices.bytes(choices.below(400), below: seed % 4 == 1 ? 256 : 3)
    }
    do throws(FormatError) {
      let target = try DeltaDecoder.decode(delta, base: [], limits: Self.limits)
      #expect(try UInt64(target.count) == DeltaHeader(parsing: delta).targetSize)
    } catch {
      #expect(error.offset <= delta.count)
    }
  }

  @Test func `more than is allowed is refused before it is made`() throws {
    let header = DeltaHeader(mode: .plain, targetSize: 1 << 31)
    #expect(
      throws: FormatError(
        .overLimit("the target size", found: 1 << 31, limit: DeltaLimits.largestTarget), at: 1)
    ) { try DeltaDecoder.decode(header.encoded, base: []) }
    let memory = Self.header.memoryNeeded
    #expect(
      throws: FormatError(
        .overLimit("the memory needed", found: memory, limit: memory - 1), at: 1)
    ) {
      try DeltaDecoder.decode(
        try Self.delta(), base: [], limits: DeltaLimits(targetSize: 1 << 16, memory: memory - 1))
    }
  }
}
