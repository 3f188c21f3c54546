import Bytes
import ElfImage
import TestSupport
import Testing

/// Fields of a good module are changed one by one, as no linker would.
@Suite("Damaged modules")
struct DamagedModuleTests {
  private static let module = Result { try LoadabilityLintTests.clean.build() }

  private func module() throws -> ElfFile { ElfFile(bytes: try Self.module.get()) }

  @Test func `a module of which the end is missing is malformed`() throws {
    let bytes = try module().bytes
    for missing in [1, 64, 512, 4096, bytes.count - 64, bytes.count - 1, bytes.count] {
      #expect(violations(Array(bytes.dropLast(missing))).map(\.rule) == [.malformed])
    }
  }

  @Test func `segments beyond the file never reach the loader`() throws {
    for index in try module().segments(.load) {
      for size in [UInt64(1) << 20, 1 << 40, UInt64.max] {
        var file = try module()
        file.setSegment(index, .fileSize, size)
        file.setSegment(index, .memorySize, size)
        let rules = violations(file.bytes).map(\.rule)
        #expect(!rules.isEmpty)
        #expect(Set(rules).isSubset(of: [.segmentBeyondFile, .segmentLayout, .malformed]))
      }
    }
    var file = try module()
    file.setSegment(try #require(file.segments(.load).last), .offset, UInt64(file.bytes.count))
    #expect(!violations(file.bytes).isEmpty)
  }

  @Test(arguments: [
    (SegmentField.alignment, UInt64(0)), (.alignment, 3), (.alignment, 2048), (.alignment, 1 << 40),
    (.offset, 1), (.memorySize, 1), (.address, 8), (.address, UInt64.max), (.address, 1 << 40),
    (.memorySize, 1 << 31),
  ])
  func `a segment that the loader could not map is refused`(
    field: SegmentField, value: UInt64
  ) throws {
    for index in try module().segments(.load) {
      var file = try module()
      file.setSegment(index, field, value)
      let rules = Set(violations(file.bytes).map(\.rule))
      #expect(!rules.isEmpty, "segment \(index)")
      #expect(rules.isSubset(of: [.segmentLayout, .segmentBeyondFile, .malformed]), "\(rules)")
    }
  }

  @Test func `segments that overlap or are out of order are refused`() throws {
    let loads = try module().segments(.load)
    var file = try module()
    file.swapSegments(loads[0], loads[1])
    #expect(violations(file.bytes).map(\.rule).contains(.segmentLayout))
    file = try module()
    file.setSegment(loads[0], .memorySize, 0x1001)
    file.setSegment(loads[0], .fileSize, 0x1001)
    #expect(violations(file.bytes).map(\.rule).contains(.segmentLayout))
  }

  @Test(arguments: [ProgramHeader.Kind.dynamic, .note, .relro])
  func `what the loader reads must be what is mapped there`(kind: ProgramHeader.Kind) throws {
    var file = try module()
    let index = try #require(file.segments(kind).first)
    file.setSegment(index, .offset, 0x40)
    #expect(!violations(file.bytes).isEmpty)
    file = try module()
    file.setSegment(index, .address, 0x10_0000)
    #expect(!violations(file.bytes).isEmpty)
  }

  @Test func `two dynamic segments are one too many`() throws {
    var file = try module()
    let note = try #require(file.segments(.note).first)
    file.copySegment(try #require(file.segments(.dynamic).first), to: note)
    #expect(violations(file.bytes).map(\.rule).contains(.segmentLayout))
  }

  @Test func `without the entry for the stack it would be executable`() throws {
    var file = try module()
    file.setKind(try #require(file.segments(.stack).first), ProgramHeader.Kind.null)
    #expect(violations(file.bytes).map(\.rule) == [.executableStack])
  }

  @Test func `without protection after relocation the descriptor stays writable`() throws {
    var file = try module()
    file.setKind(try #require(file.segments(.relro).first), ProgramHeader.Kind.null)
    #expect(violations(file.bytes).map(\.rule) == [.writableData])
  }

  @Test(arguments: [
    (DynamicEntry.Tag.symbolEntry, UInt64(16)), (.relaEntry, 16), (.stringTable, 1 << 40),
    (.symbolTable, UInt64.max), (.gnuHash, 4), (.stringTableSize, 1 << 40), (.relaSize, 25),
    (.relaSize, 1 << 40), (.rela, UInt64.max - 7),
  ])
  func `a dynamic entry that the loader would trip over is refused`(
    tag: DynamicEntry.Tag, value: UInt64
  ) throws {
    var file = try module()
    try file.setDynamic(tag, value: value)
    let rules = Set(violations(file.bytes).map(\.rule))
    #expect(!rules.isEmpty)
    #expect(rules.isSubset(of: [.malformed, .dynamicTable]), "\(rules)")
  }

  @Test(arguments: [
    DynamicEntry.Tag.stringTable, .stringTableSize, .symbolTable, .gnuHash, .symbolEntry,
    .relaEntry,
  ])
  func `a dynamic entry that the loader needs must be there, once`(tag: DynamicEntry.Tag) throws {
    var file = try module()
    try file.renameDynamic(tag, to: DynamicEntry.Tag(rawValue: 0x6fff_fef0))
    let rules = Set(violations(file.bytes).map(\.rule))
    #expect(rules.contains(.dynamicTable) || rules == [.malformed], "\(rules)")
    file = try module()
    try file.renameDynamic(DynamicEntry.Tag(rawValue: 0x6fff_fff9), to: tag)
    #expect(!violations(file.bytes).isEmpty)
  }

  @Test func `versions come from needed libraries, and every symbol's is in a list`() throws {
    let importing = try LoadabilityLintTests.clean.with {
      $0.extra = """
        void *memcpy(void *, const void *, unsigned long);
        __attribute__((used)) static void *copy(void *a, void *b, unsigned long n) {
          return memcpy(a, b, n);
        }
        """
    }.build()
    #expect(violations(importing) == [])
    let other = DynamicEntry.Tag(rawValue: 0x6fff_fef0)
    for tag in [DynamicEntry.Tag.needed, .versionTable] {
      var file = ElfFile(bytes: importing)
      try file.renameDynamic(tag, to: other)
      #expect(violations(file.bytes).map(\.rule) == [.dynamicTable], "\(tag)")
    }
    var file = ElfFile(bytes: importing)
    let table = try #require(try ElfImage(parsing: importing).dynamic.value(of: .versionTable))
    file.set(at: Int(table) + 2, UInt16(77))
    #expect(violations(file.bytes).map(\.rule) == [.dynamicTable])
  }

  @Test func `an older hash table alone is refused, because it can have cycles`() throws {
    let bytes = try LoadabilityLintTests.clean.with { $0.flags = ["-Wl,--hash-style=sysv"] }.build()
    #expect(violations(bytes).map(\.rule) == [.dynamicTable])
    let both = try LoadabilityLintTests.clean.with { $0.flags = ["-Wl,--hash-style=both"] }.build()
    #expect(violations(both) == [])
  }

  @Test func `more relative relocations than there are would spoil others`() throws {
    var file = try module()
    try file.setDynamic(DynamicEntry.Tag.relativeCount, value: 100)
    #expect(violations(file.bytes).map(\.rule) == [.relocation])
  }

  @Test func `a bucket that leads before the hashed symbols is malformed`() throws {
    var file = try module()
    let image = try ElfImage(parsing: file.bytes)
    let table = Int(try #require(image.dynamic.value(of: .gnuHash)))
    file.set(at: table + 4, UInt32(9))
    #expect(violations(file.bytes).map(\.rule) == [.malformed])
  }

  @Test(arguments: [
    (UInt32(5), LintRule.relocation), (37, .indirectFunction), (16, .threadLocal),
    (18, .threadLocal), (99, .relocation),
  ])
  func `only relocations that modules need are done`(type: UInt32, rule: LintRule) throws {
    var file = try module()
    try file.setFirstRelocation(type: type)
    try file.setDynamic(DynamicEntry.Tag.relativeCount, value: 0)
    #expect(Set(violations(file.bytes).map(\.rule)) == [rule])
  }

  @Test func `a relocation of a segment that is not writable is refused`() throws {
    for place in [UInt64(0), 0x1000, UInt64.max] {
      var file = try module()
      try file.setFirstRelocation(place: place)
      #expect(violations(file.bytes).map(\.rule).contains(.textRelocation))
    }
  }

  @Test func `a machine that is read but not this one has its own relocations`() throws {
    for machine in ElfMachine.allCases where machine != .x8664 {
      var file = try module()
      file.set(at: 18, machine.rawValue)
      let image = try ElfImage(parsing: file.bytes)
      #expect(image.header.machine == machine)
      #expect(!violations(file.bytes).isEmpty)
    }
  }
}
