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
