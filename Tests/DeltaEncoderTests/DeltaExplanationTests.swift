import DeltaDecoder
import DeltaEncoder
import DeltaModel
import Foundation
import Synchronization
import Testing
import TestSupport

/// What the encoder tells of its work: how far it is, what the bits went into, what each part earns.
@Suite("Delta explanation")
struct DeltaExplanationTests {
  private let base: [UInt8]
  private let target: [UInt8]

  init() throws {
    let directory = try TemporaryDirectory()
    var module = TestModule()
    module.bulk = 30
    base = try Self.image(module, in: directory)
    module.unmarkedConstant = 0x1234_5678
    module.extra = "HITLESS_EXPORT int added(int x) { return answer(x) * other(x + 9); }"
    target = try Self.image(module, in: directory)
  }

  private static func image(
    _ module: TestModule, in directory: TemporaryDirectory
  ) throws -> [UInt8] {
    let path = try module.build("module.so", in: directory)
    return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  @Test func `what is noted of the bits agrees with the bytes`() throws {
    let delta = DeltaEncoder.encode(base: base, target: target, keepsBook: true)
    let book = try #require(delta.book)
    let bits = book.entries.reduce(0) { $0 + Double($1.cost) / 65536 }
    let written = Double(8 * (delta.bytes.count - delta.header.count))
    #expect(abs(bits - written) < 24)
    #expect(book.entries.allSatisfy { target.indices.contains($0.place) })
  }

  @Test func `keeping a book does not change the delta`() {
    let plain = DeltaEncoder.encode(base: base, target: target)
    let noted = DeltaEncoder.encode(base: base, target: target, keepsBook: true)
    #expect(plain.bytes == noted.bytes)
    #expect(plain.book == nil)
  }

  @Test(arguments: [EncodingEffort.quick, .thorough])
  func `progress rises from nothing to one`(effort: EncodingEffort) {
    let told = Mutex<[Double]>([])
    let size = DeltaEncoder.encode(base: base, target: target, effort: effort) { fraction in
      told.withLock { $0.append(fraction) }
    }.bytes.count
    #expect(size > 0)
    let fractions = told.withLock { $0 }
    #expect(fractions == fractions.sorted())
    #expect(fractions.count > 5)
    #expect(fractions.first.map { $0 > 0 && $0 < 0.5 } == true)
    #expect(fractions.last == 1)
  }

  @Test func `progress rises in small steps while a file is coded by itself`() {
    let told = Mutex<[Double]>([])
    var generator = SeededGenerator(seed: 8)
    // Blocks that come again and again: every way through them is looked for, and coded.
    let blocks = (0..<1000).map { _ in generator.bytes(24) }
    let file = (0..<5000).flatMap { _ in blocks[Int.random(in: 0..<1000, using: &generator)] }
    let delta = DeltaEncoder.encode(base: [], target: file) { fraction in
      told.withLock { $0.append(fraction) }
    }
    #expect(delta.header.mode == .plain)
    let fractions = told.withLock { $0 }
    #expect(fractions == fractions.sorted())
    let steps = zip(fractions, fractions.dropFirst()).map { $1 - $0 }
    #expect(steps.allSatisfy { $0 < 0.1 }, "\(fractions)")
    #expect(fractions.first.map { $0 < 0.1 } == true)
    #expect(fractions.last == 1)
  }

  @Test(arguments: DeltaAblation.parts.map(\.name))
  func `a delta without a part comes back without it`(name: String) throws {
    let part = try #require(DeltaAblation.parts.first { $0.name == name }).part
    let delta = DeltaEncoder.encode(base: base, target: target, effort: .quick, without: part)
    #expect(delta.header.mode == .delta)
    let result = try DeltaBody.decode(
      delta.bytes, base: base, header: delta.header, without: part)
    #expect(result == target)
  }

  @Test func `the parts that matter most do matter`() {
    let whole = DeltaEncoder.encode(base: base, target: target, effort: .quick)
    for name in ["fields", "derived-tables"] {
      let part = DeltaAblation.parts.first { $0.name == name }?.part ?? []
      let less = DeltaEncoder.encode(base: base, target: target, effort: .quick, without: part)
      #expect(less.bytes.count > whole.bytes.count, "\(name)")
    }
  }

  @Test func `what is stored costs a byte for each byte`() {
    var generator = SeededGenerator(seed: 5)
    let noise = generator.bytes(3000)
    let delta = DeltaEncoder.encode(base: [], target: noise, keepsBook: true)
    let explanation = DeltaExplanation(delta, target: noise)
    #expect(delta.header.mode == .stored)
    #expect(explanation.whole.bytes(.newData) == 3000)
    #expect(explanation.sections.map(\.name) == ["whole file"])
    #expect(explanation.rounding == 0)
  }

  @Test func `what is coded by itself adds up`() {
    let text = Array((0..<80).map { "line \($0) of a text that repeats itself\n" }.joined().utf8)
    let delta = DeltaEncoder.encode(base: [], target: text, keepsBook: true)
    let explanation = DeltaExplanation(delta, target: text)
    #expect(delta.header.mode == .plain)
    #expect(explanation.whole.bytes(.newData) == explanation.whole.bytes)
    #expect(explanation.sections.map(\.name) == ["whole file"])
    #expect(abs(explanation.rounding) < 2)
  }

  /// A file that says that its symbols and names lie anywhere must not stop the one who explains it.
  @Test(arguments: 0..<20 as Range<UInt64>)
  func `files that lie are explained`(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var hostile = target
    for _ in 0..<40 {
      let isHeader = Bool.random(using: &generator)
      let place =
        isHeader
        ? hostile.count - 1 - Int.random(in: 0..<min(2000, hostile.count), using: &generator)
        : Int.random(in: hostile.indices, using: &generator)
      hostile[place] = UInt8.random(in: 0...255, using: &generator)
    }
    let delta = DeltaEncoder.encode(
      base: base, target: hostile, effort: .quick, keepsBook: true)
    let explanation = DeltaExplanation(delta, target: hostile)
    let sums = [explanation.sections, explanation.functions].map { $0.reduce(0) { $0 + $1.bytes } }
    for sum in sums { #expect(abs(sum - explanation.whole.bytes) < 0.001) }
  }
}
