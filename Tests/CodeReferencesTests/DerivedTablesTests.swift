import CodeReferences
import TestSupport
import Testing

@Suite("Derived tables")
struct DerivedTablesTests {
  @Test(arguments: FieldJudgeTests.libraries)
  func `.eh_frame_hdr of a library is made byte for byte`(library: String) throws {
    try checkFrameHeader(try #require(contents(of: library)), atLeast: 20_000)
  }

  @Test(arguments: FieldJudgeTests.libraries)
  func `.gnu.hash of a library is made byte for byte`(library: String) throws {
    try checkHash(try #require(contents(of: library)), atLeast: 10_000)
  }

  @Test(arguments: ["bfd", "gold"])
  func `both tables of a linker are made byte for byte`(linker: String) throws {
    let bytes = try FieldSamples.build(["-fuse-ld=\(linker)", "-Wl,--hash-style=gnu"])
    try checkFrameHeader(bytes, atLeast: 20)
    try checkHash(bytes, atLeast: 30)
  }

  @Test func `a changed name or place changes the table`() throws {
    var bytes = try FieldSamples.build(["-Wl,--hash-style=gnu"])
    let layout = try #require(layoutOf(bytes))
    let (hash, header, frames) = try sections(layout)
    let before = gnuHash(hash, layout: layout, bytes: bytes)
    let names = layout.range(of: Int(layout.sections[Int(layout.sections[hash].link)].link))
    bytes[names.upperBound - 3] ^= 1
    #expect(gnuHash(hash, layout: layout, bytes: bytes) != before)
    let table = frameHeader(header, layout: layout, frames: frames, bytes: bytes)
    bytes[layout.range(of: frames).upperBound - 32] ^= 1
    #expect(table != nil)
    #expect(
      frameHeader(header, layout: layout, frames: frames, bytes: bytes) != table)
  }

  @Test func `sizes that do not fit make no table`() throws {
    var elf = EditedElf(try FieldSamples.build(["-Wl,--hash-style=gnu"]))
    let layout = try #require(layoutOf(elf.bytes))
    let (hash, header, frames) = try sections(layout)
    let start = layout.range(of: hash).lowerBound
    for field in 0..<3 {
      var bytes = elf.bytes
      for value in [[UInt8](repeating: 0xff, count: 4), [0, 0, 0, 0x80], [0, 0, 0, 0]] {
        bytes.replaceSubrange(start + 4 * field..<start + 4 * field + 4, with: value)
        #expect(gnuHash(hash, layout: layout, bytes: bytes) == nil)
      }
    }
    #expect(gnuHash(9999, layout: layout, bytes: elf.bytes) == nil)
    #expect(gnuHash(-1, layout: layout, bytes: elf.bytes) == nil)
    #expect(
      frameHeader(header, layout: layout, frames: -1, bytes: elf.bytes) == nil)
    #expect(
      frameHeader(header, layout: layout, frames: frames, bytes: []) == nil)
    #expect(gnuHash(hash, layout: layout, bytes: []) == nil)
    elf[header].size -= 8
    let short = try #require(layoutOf(elf.bytes))
    #expect(
      frameHeader(header, layout: short, frames: frames, bytes: elf.bytes) == nil
    )
  }

  @Test func `names that would take too long to hash make no table`() throws {
    // 2048 symbols that all have the same name of 60 000 bytes: more than maximumHashedBytes.
    let file = HashBomb(symbols: 2048, nameLength: 60_000)
    let layout = try #require(layoutOf(file.bytes))
    #expect(gnuHash(3, layout: layout, bytes: file.bytes) == nil)
    let small = HashBomb(symbols: 2048, nameLength: 60)
    let other = try #require(layoutOf(small.bytes))
    #expect(gnuHash(3, layout: other, bytes: small.bytes) != nil)
  }

  private func sections(_ layout: ElfLayout) throws -> (hash: Int, header: Int, frames: Int) {
    func first(_ role: SectionRole) throws -> Int {
      try #require(layout.sections.indices.first { layout.role($0) == role }, "\(role)")
    }
    let hash = layout.sections.indices.first {
      layout.sections[$0].type == SectionHeader.typeGNUHash
    }
    return (try #require(hash), try first(.frameHeader), try first(.frames))
  }

  private func checkFrameHeader(_ bytes: [UInt8], atLeast size: Int) throws {
    let layout = try #require(layoutOf(bytes))
    let (_, header, frames) = try sections(layout)
    let range = layout.range(of: header)
    // What is made must not come from the table itself.
    var blank = bytes
    blank.replaceSubrange(range, with: repeatElement(0, count: range.count))
    let made = frameHeader(
      header, layout: layout, frames: frames, bytes: blank)
    #expect(range.count >= size)
    #expect(made == Array(bytes[range]))
  }

  private func checkHash(_ bytes: [UInt8], atLeast size: Int) throws {
    let layout = try #require(layoutOf(bytes))
    let (hash, _, _) = try sections(layout)
    let range = layout.range(of: hash)
    var blank = bytes
    blank.replaceSubrange(
      range.lowerBound + 16..<range.upperBound, with: repeatElement(0, count: range.count - 16))
    #expect(range.count >= size)
    #expect(gnuHash(hash, layout: layout, bytes: blank) == Array(bytes[range]))
  }
}

/// A file of a symbol table, a string table and a hash table in which all symbols share a long name.
private struct HashBomb {
  let bytes: [UInt8]

  init(symbols: Int, nameLength: Int) {
    let names = [0] + [UInt8](repeating: 0x61, count: nameLength) + [0]
    let record: [UInt8] = [1] + [UInt8](repeating: 0, count: 23)
    let table = [UInt8](repeating: 0, count: 24) + (0..<symbols).flatMap { _ in record }
    let hash: [UInt8] = [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0] + [UInt8](repeating: 0, count: 16)
    let chain = [UInt8](repeating: 0, count: 4 * symbols)
    let parts = [(table, 11 as UInt32, 2 as UInt32), (names, 3, 0), (hash + chain, 0x6fff_fff6, 1)]
    var file = [UInt8](repeating: 0, count: 64)
    var headers = SectionHeader().encoded
    for (content, type, link) in parts {
      var header = SectionHeader()
      (header.type, header.link, header.flags) = (type, link, 2)
      (header.offset, header.size) = (UInt64(file.count), UInt64(content.count))
      (header.address) = UInt64(file.count)
      headers += header.encoded
      file += content
    }
    var elf = EditedElf(file + headers)
    elf.bytes.replaceSubrange(0..<6, with: [0x7f, 0x45, 0x4c, 0x46, 2, 1])
    elf.set16(3, at: 16)
    elf.set16(62, at: 18)
    elf.set64(UInt64(file.count), at: 40)
    elf.set16(64, at: 58)
    elf.set16(4, at: 60)
    bytes = elf.bytes
  }
}
