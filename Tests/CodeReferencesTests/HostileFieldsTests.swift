import CodeReferences
import TestSupport
import Testing

/// Nothing that a file says may stop the process, or take long.
@Suite("Hostile fields")
struct HostileFieldsTests {
  private static let sample = Result {
    try FieldSamples.build(["-Wl,-z,pack-relative-relocs", "-Wl,--hash-style=both"])
  }

  private func sample() throws -> EditedElf { EditedElf(try Self.sample.get()) }

  /// Looks at everything that there is to see of a file.
  private func exhaust(_ bytes: [UInt8]) -> Int {
    let map = FieldMap(bytes)
    let reader = FieldView(map)
    var targets = 0
    for offset in bytes.indices {
      let kind = reader.kind(at: offset)
      if reader.target(at: offset, kind: kind) != nil { targets += 1 }
      if reader.end(at: offset, kind: kind) != nil { targets += 1 }
      if map.starts.previous(offset) != nil, kind.isStart {
        #expect(map.starts.select(map.starts.rank(offset)) == offset)
      }
    }
    guard let layout = map.layout else { return targets }
    for section in layout.sections.indices {
      _ = gnuHash(section, layout: layout, bytes: bytes)
      for frames in [section, section + 1, layout.sections.count / 2] {
        _ = frameHeader(section, layout: layout, frames: frames, bytes: bytes)
      }
    }
    return targets
  }

  @Test func `a file cut at every 97th byte is read as far as it goes`() throws {
    let elf = try sample()
    // With its section headers at the front, so that they are never cut off, and without them.
    var moved = elf
    let table = Array(elf.bytes[elf.tableOffset..<elf.tableOffset + 64 * elf.sectionCount])
    moved.bytes.replaceSubrange(4096..<4096, with: [])
    let place = 0x800
    moved.bytes.replaceSubrange(place..<place + table.count, with: table)
    moved.set64(UInt64(place), at: 40)
    var hidden = elf
    hidden.hideSections()
    for bytes in [moved.bytes, hidden.bytes, elf.bytes] {
      for length in stride(from: 0, to: bytes.count, by: 97) {
        _ = exhaust(Array(bytes.prefix(length)))
      }
    }
    #expect(exhaust(moved.bytes) > 100)
  }

  @Test(arguments: 0..<40)
  func `section tables of any numbers are read`(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<3 {
      var elf = try sample()
      let edges: [UInt64] = [
        0, 1, 7, 63, 64, UInt64(elf.bytes.count), UInt64(elf.bytes.count) - 1, 1 << 31, 1 << 32,
        1 << 63, (1 << 63) - 1, .max, .max - 7,
      ]
      for _ in 0..<Int.random(in: 1...12, using: &random) {
        let section = Int.random(in: 1..<elf.sectionCount, using: &random)
        let near = UInt64.random(in: 0...UInt64(elf.bytes.count), using: &random)
        let value = Bool.random(using: &random) ? near : edges.randomElement(using: &random) ?? 0
        switch Int.random(in: 0..<7, using: &random) {
        case 0: elf[section].offset = value
        case 1: elf[section].size = value
        case 2: elf[section].address = value
        case 3: elf[section].flags = value
        case 4: elf[section].link = UInt32(truncatingIfNeeded: value)
        case 5: elf[section].type = UInt32.random(in: 0...20, using: &random)
        default:
          let other = Int.random(in: 1..<elf.sectionCount, using: &random)
          (elf[section].offset, elf[section].size) = (elf[other].offset, elf[other].size)
        }
      }
      _ = exhaust(elf.bytes)
    }
  }

  @Test(arguments: 100..<130)
  func `contents of any bytes are read`(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<3 {
      var elf = try sample()
      for _ in 0..<200 {
        let offset = Int.random(in: 64..<elf.tableOffset, using: &random)
        elf.bytes[offset] =
          [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &random) ?? 0
      }
      elf.set16([62, 183, 243, 258, 0].randomElement(using: &random) ?? 62, at: 18)
      _ = exhaust(elf.bytes)
    }
  }

  @Test(arguments: [UInt16(62), 183, 243, 258])
  func `a section of any bytes is read in every role`(machine: UInt16) throws {
    var random = SeededGenerator(seed: UInt64(machine))
    for fill in [nil, 0, 1, 0x55, 0xff] as [UInt8?] {
      var elf = try sample()
      elf.set16(machine, at: 18)
      let layout = try #require(layoutOf(elf.bytes))
      for extent in layout.extents where layout.role(extent.section) != .strings {
        for offset in extent.range {
          elf.bytes[offset] = fill ?? UInt8.random(in: 0...255, using: &random)
        }
      }
      _ = exhaust(elf.bytes)
    }
  }
}
