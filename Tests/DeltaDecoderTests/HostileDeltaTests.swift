import Bytes
import CodeReferences
import DeltaDecoder
import DeltaModel
import Testing
import TestSupport

/// Files that no linker made, deltas that no encoder chose, and noise behind good beginnings: each ends
/// in a target or an error.
@Suite("Hostile deltas")
struct HostileDeltaTests {
  @Test(arguments: 0..<24 as Range<UInt64>)
  func `lying headers, covers anywhere and damage end in a target or an error`(
    seed: UInt64
  ) throws {
    let sample = HostileDelta(seed: seed)
    let delta = try sample.encoded()
    #expect(try DeltaDecoder.decode(delta, base: sample.base) == sample.target, "seed \(seed)")
    var choices = SeededChoices(seed: seed)
    let limits = DeltaLimits(targetSize: 1 << 17, memory: 1 << 26)
    for damaged in [delta] + (0..<2).map({ _ in HostileDelta.damaged(delta, &choices) }) {
      let size = try? DeltaHeader(parsing: damaged).targetSize
      let target = try? DeltaDecoder.decode(damaged, base: sample.base, limits: limits)
      #expect(target == nil || target.map { UInt64($0.count) } == size, "seed \(seed)")
    }
  }

  /// The decoder once turned the offset into an `Int` before it saw that the table was empty.
  @Test func `an empty program header table may be said to lie anywhere`() throws {
    let file = EmptyTables.file(programHeaders: .max)
    let delta = try encoded(base: file, target: file)
    #expect(try DeltaDecoder.decode(delta, base: file) == file)
  }

  /// The decoder once looked for code to learn from around the place that a header names.
  @Test(arguments: [1 << 20, 1 << 62, 1 << 63, .max] as [UInt64])
  func `a section of code of the base may be said to lie anywhere`(offset: UInt64) throws {
    let base = EmptyTables.file(programHeaders: 0, code: offset)
    let target = EmptyTables.file(programHeaders: 0, code: 64)
    let delta = try encoded(base: base, target: target)
    #expect(try DeltaDecoder.decode(delta, base: base) == target)
  }

  /// A byte of a cover that is said to differ cannot be the base's: there would be two ways to say it.
  @Test func `a byte that its flag has ruled out is refused`() throws {
    // One block, of which the beginning differs: what is refused behind that is a byte, not the block.
    var choices = SeededChoices(seed: 9)
    let base = choices.bytes(64)
    let target = base.map { $0 ^ UInt8(1 + choices.below(255)) }
    let header = DeltaHeader(mode: .delta, targetSize: UInt64(target.count), coverCount: 1)
    var book: CostBook?
    let delta =
      try header.encoded
      + DeltaBody.encode(
        base: base, target: target, covers: [Cover(target: 0, base: 0, count: base.count)],
        front: .none, fields: FieldMap(base), header: header, book: &book)
    #expect(try DeltaDecoder.decode(delta, base: base) == target)
    var ruledOut = 0
    for seed in 0..<2000 as Range<UInt64> {
      var choices = SeededChoices(seed: seed)
      // Noise makes every decision that a delta can, also those that none may; there is enough of it.
      let damaged = delta.prefix(delta.count / 4) + choices.bytes(2 * delta.count)
      do throws(FormatError) {
        _ = try DeltaDecoder.decode(Array(damaged), base: base)
      } catch  where error.reason == .notCanonical("the delta") {
        ruledOut += 1
      } catch {
        continue
      }
    }
    #expect(ruledOut > 0)
  }

  /// Work is bounded by what is declared: covers that make the decoder read the base's fields over and over
  /// are refused on both sides, by the same count.
  @Test func `covers that jump about the base more often than its size allows are refused`() throws
  {
    var choices = SeededChoices(seed: 3)
    let base = HostileFile(machine: 62, code: 64 * FieldMap.pageCount, using: &choices).bytes
    let covers = (0..<8_000).map { index in
      Cover(target: 4 * index, base: (index * 37 % 60 + 2) * FieldMap.pageCount, count: 4)
    }
    let target = Array(repeating: 0x90 as UInt8, count: 4 * covers.count)
    let header = DeltaHeader(
      mode: .delta, targetSize: UInt64(target.count), coverCount: UInt64(covers.count))
    let front = FrontMatter.none
    var book: CostBook?
    #expect {
      _ = try DeltaBody.encode(
        base: base, target: target, covers: covers, front: front, fields: FieldMap(base),
        header: header, book: &book)
    } throws: { error in
      guard case .overLimit(let what, _, _) = (error as? FormatError)?.reason else { return false }
      return what.contains("looks at the base")
    }
  }

  private func encoded(base: [UInt8], target: [UInt8]) throws -> [UInt8] {
    let found = ElfLayout(target.span)
    let layout = try #require(found)
    let header = DeltaHeader(mode: .whole, targetSize: UInt64(target.count))
    var book: CostBook?
    return try header.encoded
      + DeltaBody.encode(
        base: base, target: target, covers: [],
        front: FrontMatter(
          layout: layout, sources: layout.sections.indices.map { Int32(truncatingIfNeeded: $0) }),
        fields: FieldMap(base), header: header, book: &book)
  }
}

/// A file of 64 bytes of code, with a header table of one section and none of segments.
private enum EmptyTables {
  static func file(programHeaders: UInt64, code: UInt64 = 64) -> [UInt8] {
    var section = SectionHeader()
    (section.type, section.flags, section.size) = (1, 6, 64)
    (section.offset, section.address) = (code, 0x1040)
    var bytes: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0] + Array(repeating: 0, count: 8)
    bytes += littleEndian(3, 2) + littleEndian(62, 2) + littleEndian(1, 4) + littleEndian(0, 8)
    bytes += littleEndian(programHeaders, 8) + littleEndian(128, 8) + littleEndian(0, 4)
    bytes += littleEndian(64, 2) + littleEndian(56, 2) + littleEndian(0, 2) + littleEndian(64, 2)
    bytes += littleEndian(1, 2) + littleEndian(0, 2)
    return bytes + (0..<64).map { UInt8($0 * 3) } + section.encoded
  }
}
