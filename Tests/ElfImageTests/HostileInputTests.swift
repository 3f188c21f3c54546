import Bytes
import ElfImage
import TestSupport
import Testing

@Suite("Hostile ELF input")
struct HostileInputTests {
  private static let module = Result { try BuiltModules.bytes("classify", "1.0.0") }

  /// Reads everything there is to read; the return value is not the point, that there is one is.
  private func exhaust(_ bytes: [UInt8]) -> Bool {
    guard let image = try? ElfImage(parsing: bytes) else { return false }
    _ = (image.buildID, image.moduleFacts, try? image.localSymbols())
    for section in image.sections { _ = image.contents(of: section)?.count }
    return LoadabilityLint.violations(of: image, policy: .standard).isEmpty
  }

  @Test func `every prefix of a module is refused`() throws {
    let bytes = try Self.module.get()
    for count in bytes.indices {
      #expect(throws: FormatError.self, "\(count)") {
        try ElfImage(parsing: Array(bytes[..<count]))
      }
    }
    #expect(exhaust(bytes))
  }

  @Test func `every prefix of a module without sections ends in a value or an error`() throws {
    var file = ElfFile(bytes: try Self.module.get())
    file.set(at: 40, UInt64(0))
    file.set(at: 60, UInt16(0))
    file.set(at: 62, UInt16(0))
    #expect(exhaust(file.bytes))
    // The end of what is mapped: from there on only the sections are missing.
    let image = try ElfImage(parsing: file.bytes)
    let end = try #require(image.programHeaders.compactMap(\.file?.upperBound).max())
    for count in stride(from: 0, to: Int(end), by: 7) {
      #expect(!exhaust(Array(file.bytes[..<count])), "\(count)")
    }
  }

  @Test(arguments: 0..<8)
  func `changed bytes end in a value or an error`(seed: UInt64) throws {
    let bytes = try Self.module.get()
    var random = SeededGenerator(seed: seed)
    // Where the structures are, so that most changes hit one.
    let image = try ElfImage(parsing: bytes)
    let dynamic = try #require(image.programHeaders.first { $0.kind == .dynamic }?.file)
    let regions = [
      0..<UInt64(0x3c0), dynamic, image.header.sectionHeaders.offset..<UInt64(bytes.count),
    ]
    for _ in 0..<600 {
      var changed = bytes
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let region = regions[Int.random(in: 0..<regions.count, using: &random)]
        let offset = Int(UInt64.random(in: region, using: &random))
        changed[offset] = interesting(&random)
      }
      // A trap here names no input: run the test with this seed alone to find it.
      _ = exhaust(changed)
    }
  }

  private func interesting(_ random: inout SeededGenerator) -> UInt8 {
    let values: [UInt8] = [0, 1, 7, 8, 0x7f, 0x80, 0xff, UInt8.random(in: 0...255, using: &random)]
    return values[Int.random(in: 0..<values.count, using: &random)]
  }

  @Test(arguments: 0..<4)
  func `random bytes after a good header end in an error`(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<200 {
      var file = ElfFile(bytes: random.bytes(4096))
      for (index, byte) in try Self.module.get()[..<64].enumerated() {
        file.set(at: index, byte)
      }
      file.set(at: 40, UInt64.random(in: 0..<4096, using: &random))
      #expect(!exhaust(file.bytes), "SeededGenerator(seed: \(seed))")
    }
  }

  @Test(arguments: [
    (4, [UInt8(1)]), (5, [2]), (6, [2]), (16, [9, 0]), (18, [3, 0]), (20, [2, 0, 0, 0]),
    (52, [63, 0]),
    (54, [55, 0]), (58, [65, 0]), (0, [0x7e]),
  ])
  func `another class, byte order, version, type, machine or entry size is refused`(
    offset: Int, bytes: [UInt8]
  ) throws {
    var file = ElfFile(bytes: try Self.module.get())
    for (index, byte) in bytes.enumerated() { file.set(at: offset + index, byte) }
    let error = try #require(throws: FormatError.self) { try ElfImage(parsing: file.bytes) }
    #expect(error.offset == offset)
    #expect(violations(file.bytes).map(\.rule) == [.malformed])
  }

  @Test func `counts over their caps are refused before anything is read`() throws {
    var file = ElfFile(bytes: try Self.module.get())
    file.set(at: 56, UInt16(0xffff))
    #expect(
      throws: FormatError(
        .overLimit("number of program headers", found: 65_535, limit: ElfLimits.programHeaders),
        at: 56)
    ) { try ElfImage(parsing: file.bytes) }
    file = ElfFile(bytes: try Self.module.get())
    // The number of sections is in the first one when the header says none.
    let sections = Int(try ElfImage(parsing: file.bytes).header.sectionHeaders.offset)
    file.set(at: 60, UInt16(0))
    file.set(at: sections + 32, ElfLimits.sections + 1)
    #expect(
      throws: FormatError(
        .overLimit("number of sections", found: ElfLimits.sections + 1, limit: ElfLimits.sections),
        at: 60)
    ) { try ElfImage(parsing: file.bytes) }
  }

  @Test func `more symbols than there may be are refused before anything is read`() throws {
    var file = ElfFile(bytes: try LoadabilityLintTests.clean.build())
    let image = try ElfImage(parsing: file.bytes)
    let table = Int(try #require(image.dynamic.value(of: .rela)))
    file.set(at: table + 12, UInt32(ElfLimits.symbols))
    let error = try #require(throws: FormatError.self) { try ElfImage(parsing: file.bytes) }
    #expect(
      error.reason
        == .overLimit(
          "number of dynamic symbols", found: ElfLimits.symbols + 1, limit: ElfLimits.symbols))
  }

  @Test func `a dynamic segment without end, and one that is too long, are refused`() throws {
    var file = ElfFile(bytes: try LoadabilityLintTests.clean.build())
    let segment = try #require(
      try ElfImage(parsing: file.bytes).programHeaders.first { $0.kind == .dynamic })
    let count = Int(segment.fileSize) / 16
    for index in 0..<count { file.set(at: Int(segment.offset) + 16 * index, UInt64(0x7000_0001)) }
    #expect(throws: FormatError.self) { try ElfImage(parsing: file.bytes) }
  }

  @Test func `names and notes are bounded`() throws {
    var notes: [UInt8] = []
    for _ in 0...ElfLimits.notes { notes += [4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 65, 66, 67, 0] }
    let error = try #require(throws: FormatError.self) {
      try ElfImage(parsing: Self.noteFile(notes))
    }
    #expect(
      error.reason
        == .overLimit(
          "number of notes", found: UInt64(ElfLimits.notes) + 1, limit: UInt64(ElfLimits.notes)))
    #expect(
      try ElfImage(parsing: Self.noteFile(Array(notes.dropLast(16)))).notes.count == ElfLimits.notes
    )
  }

  @Test(arguments: [
    [UInt8](repeating: 0xff, count: 12), [5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 65],
    [0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0], [1, 2, 3],
  ])
  func `a note that reaches beyond its segment is refused`(bytes: [UInt8]) {
    #expect(throws: FormatError.self) { try ElfImage(parsing: Self.noteFile(bytes)) }
  }

  /// A file of one note segment, and nothing else.
  private static func noteFile(_ notes: [UInt8]) -> [UInt8] {
    var file = ElfFile(bytes: [UInt8](repeating: 0, count: 120) + notes)
    for (index, byte) in [UInt8(0x7f), 0x45, 0x4c, 0x46, 2, 1, 1].enumerated() {
      file.set(at: index, byte)
    }
    file.set(at: 16, UInt16(3))
    file.set(at: 18, UInt16(62))
    file.set(at: 20, UInt32(1))
    file.set(at: 32, UInt64(64))
    file.set(at: 52, UInt16(64))
    file.set(at: 54, UInt16(56))
    file.set(at: 56, UInt16(1))
    file.set(at: 64, UInt32(4))
    file.set(at: 72, UInt64(120))
    file.set(at: 96, UInt64(notes.count))
    file.set(at: 112, UInt64(4))
    return file.bytes
  }
}
