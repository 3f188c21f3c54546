import DeltaDecoder
import DeltaEncoder
import DeltaModel
import Foundation
import TestSupport
import Testing

private enum XZ {
  static let program = "/usr/bin/xz"
}

/// Without a base that helps, a delta must not be larger than what everybody has: `xz -9e` of the file.
///
/// The inputs are of the kinds that general compressors are good at.
@Suite(
  "Never worse than xz",
  .enabled(if: FileManager.default.isExecutableFile(atPath: XZ.program)))
struct NeverWorseThanXZTests {
  /// A file; it is made when it is asked for.
  struct Input: Sendable {
    let name: String
    let bytes: @Sendable () -> [UInt8]

    init(_ name: String, _ bytes: @escaping @Sendable () -> [UInt8]) {
      self.name = name
      self.bytes = bytes
    }
  }

  static let inputs: [Input] = texts + tables + media + blocks + repeats + others

  private static let texts: [Input] = [
    Input("numbers") { lines(20_000) { "\($0 + 1)" } },
    Input("few numbers") { lines(1000) { "\($0 + 1)" } },
    Input("every seventh number") { lines(4000) { "\($0 * 7)" } },
    Input("hexadecimal numbers") { lines(8000) { String($0 * 16, radix: 16) } },
    Input("addresses") { lines(10_000) { "10.0.\($0 >> 8).\($0 & 255)" } },
    Input("keys and values") { lines(3000) { "key\($0)=value\($0 * $0 % 1000)" } },
    Input("CSV") {
      lines(3000) { "\($0),item\($0 % 37),\($0 * 25).\($0 % 10),\($0 * 7919 % 1000)" }
    },
    Input("a log") { lines(3000, logged) },
    Input("JSON") {
      lines(2000) { " {\"id\": \($0), \"name\": \"user\($0)\", \"score\": \($0 * 31 % 97)}," }
    },
    Input("XML") { lines(2000) { " <row id=\"\($0)\"><teid>\(4096 + $0)</teid></row>" } },
  ]

  private static let tables: [Input] = [
    Input("bytes that count") { (0..<40_000).map { UInt8(truncatingIfNeeded: $0) } },
    Input("words that count") { words(20_000) { $0 } },
    Input("words that count by 24") { words(20_000) { $0 * 24 + 0x40_0000 } },
    Input("records") { words(20_000) { $0 % 4 == 3 ? 7 : $0 / 4 * ($0 % 4 + 1) } },
    Input("hashes") { words(2000) { $0 &* 2_654_435_761 } },
    Input("a picture") {
      (0..<60_000).map { UInt8(truncatingIfNeeded: ($0 / 600 * ($0 % 600)) >> 8) }
    },
  ]

  /// Of such files a general model of bytes makes more than `xz`, unless it knows noise and columns.
  private static let media: [Input] = [
    Input("a picture of which the pixels are compressed") { SampleFiles.picture },
    Input("sound of 24 bits") { SampleFiles.sound },
    Input("icons of which the planes are compressed") { SampleFiles.icons },
    Input("an archive of small members") { SampleFiles.archive },
  ]

  /// A model of bytes knows such a block only when it has paid for its first bytes.
  private static let blocks: [Input] = [
    Input("digests that come again") { mixed(1500, of: 20, 6000) },
    Input("blocks of 4 bytes that come again") { mixed(3000, of: 4, 6000) },
    Input("blocks of 8 bytes that come again") { mixed(4000, of: 8, 12_000) },
    Input("blocks of 24 bytes that come again") { mixed(2000, of: 24, 6000) },
    Input("blocks of 32 bytes that come again") { mixed(1000, of: 32, 3000) },
    Input("blocks of 256 bytes that come again") { mixed(200, of: 256, 600) },
    Input("digests that come again between numbers") {
      mixed(1200, of: 20, 5000) { number in words(1) { _ in number } }
    },
    Input("zeros and ones that come again") {
      repeated(noise(8000).map { 48 | $0 & 1 }, 4)
    },
    Input("blocks of 40 bytes that come again with another byte") {
      var number = 0
      return mixed(600, of: 40, 2000).map { byte in
        number += 1
        return number > 24_000 && number % 40 == 17 ? byte &+ 1 : byte
      }
    },
    Input("a document, and digests that come again") {
      source("docs/concurrency.md") + mixed(1000, of: 32, 3000)
    },
  ]

  /// Hardly more than repeats, of which the better way through them makes the smaller file.
  private static let repeats: [Input] = [
    Input("rows of zeros and ones, drawn") {
      var generator = SeededGenerator(seed: 41)
      let rows = (0..<100).map { _ in generator.bytes(64).map { $0 & 1 } }
      return (0..<2000).flatMap { _ in rows[Int.random(in: 0..<100, using: &generator)] }
    },
    Input("booleans, twice") { repeated(noise(40_000).map { $0 < 77 ? 1 : 0 }, 2) },
    Input("pixels of 300 colours") { mixed(300, of: 4, 20_000) },
    Input("slices of digits") {
      var generator = SeededGenerator(seed: 42)
      let digits = noise(20_000).map { 48 + $0 % 10 }
      return digits
        + (0..<1500).flatMap { _ in
          let start = Int.random(in: 0..<19_900, using: &generator)
          return digits[start..<start + Int.random(in: 10..<80, using: &generator)]
        }
    },
    Input("bits as text, twice") {
      let bytes = noise(3000)
      return repeated(lines(3000) { String(String(Int(bytes[$0]) + 256, radix: 2).dropFirst()) }, 2)
    },
    Input("addresses and ports") {
      let ports: [[UInt8]] = [[0, 80], [1, 187], [8, 104], [34, 101]]
      return mixed(4000, of: 4, 6000) { ports[$0 * $0 * 7 / 3 % 4] }
    },
    Input("blocks of 16 bytes of which each time one changes") {
      var generator = SeededGenerator(seed: 43)
      var blocks = (0..<2000).map { _ in generator.bytes(16) }
      return (0..<8000).flatMap { _ in
        let block = Int.random(in: 0..<2000, using: &generator)
        blocks[block][Int.random(in: 0..<16, using: &generator)] &+= 1
        return blocks[block]
      }
    },
  ]

  private static let others: [Input] = [
    Input("nothing") { [] },
    Input("one line") { Array("hello world\n".utf8) },
    Input("zeros") { Array(repeating: 0, count: 200_000) },
    Input("noise") { noise(20_000) },
    Input("a block of noise, again and again") { repeated(noise(3000), 60) },
    Input("a line, again and again") { repeated(Array("the quick brown fox\n".utf8), 4000) },
    Input("base64") { Array(Data(noise(15_000)).base64EncodedString().utf8) },
    Input("noise, compressed") { compressed(noise(20_000)) },
    Input("text, compressed") { compressed(source("docs/format.md")) },
    Input("a document") { source("docs/format.md") },
    Input("a program") { source("tools/lint") },
    Input("sources") { sources() },
  ]

  @Test(arguments: inputs.map(\.name))
  func `a file of no use to a base is at most as large`(name: String) throws {
    let input = try #require(Self.inputs.first { $0.name == name })
    let target = input.bytes()
    let delta = DeltaEncoder.encode(base: [], target: target)
    #expect(try DeltaDecoder.decode(delta.bytes, base: []).elementsEqual(target))
    let other = Self.compressed(target).count
    #expect(delta.bytes.count <= other, "\(delta.bytes.count) bytes, xz \(other)")
  }

  @Test(arguments: ["blocks of 24 bytes that come again", "a log", "an archive of small members"])
  func `nor is it larger where a base of another kind is given`(name: String) throws {
    let target = try #require(Self.inputs.first { $0.name == name }).bytes()
    let base = Self.source("docs/format.md") + Self.noise(5000)
    let delta = DeltaEncoder.encode(base: base, target: target)
    #expect(try DeltaDecoder.decode(delta.bytes, base: base) == target)
    let other = Self.compressed(target).count
    #expect(delta.bytes.count <= other, "\(delta.bytes.count) bytes, xz \(other)")
  }

  /// Most of the target is in the base, and what is left is little; still it is told with less by itself.
  @Test func `nor is it larger where the base has all of it once, in another order`()
    throws
  {
    var generator = SeededGenerator(seed: 44)
    let records = (0..<1000).map { _ in generator.bytes(40) }
    let shuffled = records.shuffled(using: &generator).flatMap { $0 }
    let base = records.flatMap { $0 }
    let target = Self.repeated(shuffled, 12)
    let delta = DeltaEncoder.encode(base: base, target: target)
    #expect(try DeltaDecoder.decode(delta.bytes, base: base) == target)
    let other = Self.compressed(target).count
    #expect(delta.bytes.count <= other, "\(delta.bytes.count) bytes, xz \(other)")
  }

  /// No cover tells what counts, and no bytes come again: only models do.
  @Test(arguments: [EncodingEffort.quick, .thorough])
  func `nor where the base has the same lines, with numbers that count, in another order`(
    effort: EncodingEffort
  ) throws {
    var generator = SeededGenerator(seed: 45)
    let lines = (0..<1000).map { number in
      Array(
        "\(100_000 + number): a line of which only the number is another one in each place\n".utf8)
    }
    let base = lines.shuffled(using: &generator).flatMap { $0 }
    let target = lines.flatMap { $0 }
    let delta = DeltaEncoder.encode(base: base, target: target, effort: effort)
    #expect(try DeltaDecoder.decode(delta.bytes, base: base) == target)
    let other = Self.compressed(target).count
    #expect(delta.bytes.count <= other, "\(delta.bytes.count) bytes, xz \(other)")
  }

  private static func compressed(_ bytes: [UInt8]) -> [UInt8] {
    guard let scratch = try? TemporaryDirectory(), let path = try? scratch.write("file", bytes),
      let made = try? run(XZ.program, ["-9e", "-k", path]), made.status == 0
    else { return [] }
    return (try? scratch.bytes("file.xz")) ?? []
  }

  private static func noise(_ count: Int) -> [UInt8] {
    var generator = SeededGenerator(seed: 11)
    return generator.bytes(count)
  }

  /// `count` blocks of noise of `size` bytes, then `repeats` of them in any order, each followed by what `mark`
  /// makes of its number.
  private static func mixed(
    _ count: Int, of size: Int, _ repeats: Int, mark: (Int) -> [UInt8] = { _ in [] }
  ) -> [UInt8] {
    var generator = SeededGenerator(seed: 31)
    let blocks = (0..<count).map { _ in generator.bytes(size) }
    return blocks.flatMap { $0 }
      + (0..<repeats).flatMap { blocks[Int.random(in: 0..<count, using: &generator)] + mark($0) }
  }

  private static func repeated(_ bytes: [UInt8], _ count: Int) -> [UInt8] {
    Array(repeatElement(bytes, count: count).joined())
  }

  private static func lines(_ count: Int, _ line: (Int) -> String) -> [UInt8] {
    (0..<count).flatMap { Array((line($0) + "\n").utf8) }
  }

  private static func logged(_ index: Int) -> String {
    let session = String(index &* 2_654_435_761 & 0xffff_ffff, radix: 16)
    let start = "2026-03-0\(index / 400)T12:\(index % 60):07Z upfd[\(1000 + index / 900)]"
    return "\(start): session \(session) modified seid=\(index)"
  }

  /// Numbers of four bytes, the lowest first.
  private static func words(_ count: Int, _ word: (Int) -> Int) -> [UInt8] {
    var bytes: [UInt8] = []
    for index in 0..<count {
      let value = word(index)
      for shift in stride(from: 0, to: 32, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: value >> shift))
      }
    }
    return bytes
  }

  /// A file of this repository.
  private static func source(_ path: String) -> [UInt8] {
    (try? Data(contentsOf: URL(fileURLWithPath: "\(TestModule.root)/\(path)"))).map { [UInt8]($0) }
      ?? []
  }

  /// Sources of the codec, one behind the other.
  private static func sources() -> [UInt8] {
    let folder = "Sources/Ground/DeltaModel"
    let names = try? FileManager.default.contentsOfDirectory(atPath: "\(TestModule.root)/\(folder)")
    return (names ?? []).sorted().flatMap { source("\(folder)/\($0)") }
  }
}
