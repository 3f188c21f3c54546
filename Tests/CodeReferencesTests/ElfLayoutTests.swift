import CodeReferences
import TestSupport
import Testing

@Suite("ELF layout")
struct ElfLayoutTests {
  private static let sample = Result { try FieldSamples.build() }

  private func sample() throws -> EditedElf { EditedElf(try Self.sample.get()) }

  @Test(arguments: FieldJudgeTests.libraries)
  func `sections, roles and addresses are those that readelf prints`(library: String) throws {
    let layout = try #require(try FieldSamples.map(library).layout)
    let roles: [Substring: SectionRole] = [
      ".text": .code, ".plt": .plt, ".rodata": .readOnly, ".data": .data, ".dynsym": .symbols,
      ".dynstr": .strings, ".rela.dyn": .relocations, ".eh_frame": .frames, ".bss": .empty,
      ".eh_frame_hdr": .frameHeader, ".got": .pointers, ".dynamic": .dynamic, ".shstrtab": .strings,
      ".gnu.version": .versions, ".gnu.version_r": .versions, ".gnu.hash": .hash,
      ".gcc_except_table": .exceptions, ".init_array": .pointers, ".note.gnu.build-id": .notes,
      ".gnu_debuglink": .unallocated, ".data.rel.ro": .data,
    ]
    var judged = 0
    for (index, section) in try Readelf(path: library).sections().enumerated() {
      // readelf prints no flags, link and type of section 0 in a way that divides into words.
      let index = index + layout.sections.count - (try Readelf(path: library).sections().count)
      #expect(layout.sections[index].offset == UInt64(section.offset))
      #expect(layout.sections[index].size == UInt64(section.size))
      if let role = roles[section.name] {
        #expect(layout.role(index) == role, "\(section.name)")
        judged += 1
      }
      guard section.type != "NOBITS", section.flags.contains("A"), section.size > 0 else {
        continue
      }
      let last = section.size - 1
      #expect(layout.section(atOffset: section.offset + last) == index)
      #expect(layout.section(atAddress: section.address) == index)
      #expect(layout.address(ofOffset: section.offset + last) == section.address + UInt64(last))
      #expect(layout.offset(ofAddress: section.address + UInt64(last)) == section.offset + last)
    }
    #expect(judged > 14)
    #expect(layout.section(atOffset: -1) == nil)
    #expect(layout.section(atOffset: layout.fileSize) == nil)
    #expect(layout.section(atAddress: .max) == nil)
  }

  @Test func `decoded headers give the layout that the file gives`() throws {
    let elf = try sample()
    let whole = try #require(layoutOf(elf.bytes))
    let header = Array(elf.bytes.prefix(64))
    let made = try #require(
      ElfLayout(
        header: header, programHeaders: whole.programHeaders, sections: whole.sections,
        fileSize: elf.bytes.count))
    #expect(made.extents == whole.extents)
    #expect(made.frames == whole.frames)
    #expect(made.machine == 62 && !made.isSynthetic && !made.isRelocatable)
    for section in made.sections.indices where made.role(section) != whole.role(section) {
      #expect(whole.role(section).rawValue >= SectionRole.frames.rawValue)
    }
    for wrong in [Array(whole.sections.dropLast()), whole.sections + [SectionHeader()], []] {
      #expect(
        ElfLayout(
          header: header, programHeaders: whole.programHeaders, sections: wrong,
          fileSize: elf.bytes.count) == nil)
    }
    #expect(
      ElfLayout(
        header: header, programHeaders: [], sections: whole.sections, fileSize: elf.bytes.count)
        == nil)
    #expect(
      ElfLayout(
        header: header, programHeaders: whole.programHeaders, sections: whole.sections,
        fileSize: elf.bytes.count - 1) == nil)
  }

  @Test func `section headers are written as they were read`() throws {
    let elf = try sample()
    for section in 0..<elf.sectionCount {
      let start = elf.tableOffset + 64 * section
      #expect(elf[section].encoded == Array(elf.bytes[start..<start + 64]))
    }
  }

  @Test func `the first of overlapping sections owns the bytes, and the other has no fields`()
    throws
  {
    var elf = try sample()
    let layout = try #require(layoutOf(elf.bytes))
    let text = try #require(
      layout.sections.indices.last { layout.role($0) == .code })
    let later = try #require(layout.sections.indices.first { layout.role($0) == .frames })
    var moved = elf[later]
    moved.offset = elf[text].offset + 8
    moved.address = elf[text].address + 8
    moved.size = elf[text].size + 56
    elf[later] = moved
    let changed = try #require(layoutOf(elf.bytes))
    let end = layout.range(of: text).upperBound
    #expect(changed.section(atOffset: end - 1) == text)
    #expect(changed.section(atAddress: moved.address) == text)
    #expect(changed.isWhole(text))
    #expect(!changed.isWhole(later))
    #expect(changed.range(of: later) == end..<end + 64)
    #expect(changed.section(atOffset: end) == later)
    #expect(changed.section(atAddress: moved.address + moved.size - 1) == later)
    let kinds = allKinds(FieldMap(elf.bytes))
    #expect(count(.codeRange, in: kinds) == 0)
    #expect(count(.relative32, in: kinds) > 5)
  }

  @Test func `numbers beyond 63 bits and sections beyond the file own nothing`() throws {
    for value in [UInt64(1) << 63, .max, 1 << 62, UInt64(try sample().bytes.count)] {
      for field in [\SectionHeader.offset, \.size, \.address] {
        var elf = try sample()
        for section in 1..<elf.sectionCount { elf[section][keyPath: field] = value }
        let layout = try #require(layoutOf(elf.bytes))
        if field != \.address { #expect(layout.extents.isEmpty) }
        _ = allKinds(FieldMap(elf.bytes))
      }
    }
  }

  @Test func `limits of the numbers of headers are kept`() throws {
    var elf = try sample()
    elf.bytes += [UInt8](repeating: 0, count: 64 * (ElfLayout.maximumSections + 1))
    elf.set64(UInt64(elf.bytes.count - 64 * (ElfLayout.maximumSections + 1)), at: 40)
    elf.set16(UInt16(ElfLayout.maximumSections), at: 60)
    #expect(layoutOf(elf.bytes) != nil)
    elf.set16(UInt16(ElfLayout.maximumSections + 1), at: 60)
    #expect(layoutOf(elf.bytes) == nil)
    elf = try sample()
    elf.set16(UInt16(ElfLayout.maximumProgramHeaders), at: 56)
    #expect(layoutOf(elf.bytes) != nil)
    elf.set16(UInt16(ElfLayout.maximumProgramHeaders + 1), at: 56)
    #expect(layoutOf(elf.bytes) == nil)
  }

  @Test func `a file without section headers has those of its segments`() throws {
    var elf = try sample()
    let named = try #require(FieldMap(elf.bytes).layout)
    elf.hideSections()
    let map = FieldMap(elf.bytes)
    let layout = try #require(map.layout)
    #expect(layout.isSynthetic)
    let code = layout.sections.indices.filter { layout.role($0) == .code }
    #expect(code.count == 1)
    let dynamic = try #require(layout.sections.indices.first { layout.role($0) == .dynamic })
    let original = try #require(named.sections.indices.first { named.role($0) == .dynamic })
    #expect(layout.range(of: dynamic) == named.range(of: original))
    let text = try #require(named.sections.indices.last { named.role($0) == .code })
    let place = named.range(of: text).lowerBound
    #expect(layout.address(ofOffset: place) == named.address(ofOffset: place))
    let kinds = allKinds(map)
    #expect(count(.relative32, in: kinds) > 5)
    #expect(count(.sectionSize, in: kinds) > 1)
    let made = ElfLayout(
      header: Array(elf.bytes.prefix(64)), programHeaders: layout.programHeaders, sections: [],
      fileSize: elf.bytes.count)
    #expect(made?.sections == layout.sections)
  }

  @Test func `in a relocatable file sections are where they stand in the file`() throws {
    let directory = try TemporaryDirectory()
    let source = try directory.write("sample.c", Array(FieldSamples.source.utf8))
    let built = try run("/usr/bin/gcc", ["-O2", "-c", "-o", directory.path("sample.o"), source])
    try #require(built.status == 0, "\(built.errors)")
    let map = FieldMap(try directory.bytes("sample.o"))
    let layout = try #require(map.layout)
    #expect(layout.isRelocatable)
    for extent in layout.extents where layout.sections[extent.section].isAllocated {
      #expect(layout.address(ofOffset: extent.range.lowerBound) == UInt64(extent.range.lowerBound))
    }
    #expect(count(.relative32, in: allKinds(map)) > 10)
  }
}
