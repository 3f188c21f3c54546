import Bytes
import CElf
import ElfImage
import Foundation
import TestSupport
import Testing

@Suite("ELF image")
struct ElfImageTests {
  /// Files of the system and of this build, of all kinds: libraries, programs, an object, modules.
  static let files: [String] = {
    let libraries = "/usr/lib/x86_64-linux-gnu"
    let candidates = [
      "\(libraries)/libc.so.6", "\(libraries)/libm.so.6", "\(libraries)/libstdc++.so.6",
      "\(libraries)/libcrypto.so.3", "\(libraries)/ld-linux-x86-64.so.2", "\(libraries)/crt1.o",
      "\(libraries)/crti.o", "/bin/ls", "/usr/bin/git", "/usr/bin/python3",
    ]
    return candidates.filter { FileManager.default.isReadableFile(atPath: $0) }
  }()

  private func read(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  private func judged() throws -> [(path: String, bytes: [UInt8])] {
    try #require(Self.files.count >= 3)
    let modules = try BuiltModules.all.map { try BuiltModules.path($0.0, $0.1) }
    return try (Self.files + modules).map { ($0, try read($0)) }
  }

  @Test func `headers, segments and sections are those that libelf reads`() throws {
    for (path, bytes) in try judged() {
      let image = try ElfImage(parsing: bytes)
      let judge = try LibelfJudge(bytes)
      #expect(image.header.machine.rawValue == judge.header.e_machine)
      #expect(image.header.type.rawValue == judge.header.e_type)
      #expect(image.header.flags == judge.header.e_flags)
      #expect(image.header.entry.rawValue == judge.header.e_entry)
      let segments = image.programHeaders.map { segment in
        [
          UInt64(segment.kind.rawValue), UInt64(segment.flags), segment.offset,
          segment.address.rawValue, segment.fileSize, segment.memorySize, segment.alignment,
        ]
      }
      let expected = judge.segments.map { segment in
        [
          UInt64(segment.p_type), UInt64(segment.p_flags), segment.p_offset, segment.p_vaddr,
          segment.p_filesz, segment.p_memsz, segment.p_align,
        ]
      }
      #expect(segments == expected, "\(path)")
      let sections = image.sections.dropFirst().map { "\($0.name) \($0.kind.rawValue) \($0.size)" }
      #expect(sections == judge.sections.map { "\($0.name) \($0.type) \($0.size)" }, "\(path)")
    }
  }

  @Test func `the dynamic segment, symbols and notes are those that libelf reads`() throws {
    for (path, bytes) in try judged() {
      let image = try ElfImage(parsing: bytes)
      let judge = try LibelfJudge(bytes)
      #expect(
        image.dynamic.map { [$0.tag.rawValue, $0.value] }
          == judge.dynamic.map { [$0.tag, $0.value] },
        "\(path)")
      let symbols = image.symbols.map { symbol in
        let info = symbol.binding.rawValue << 4 | symbol.kind.rawValue
        return
          "\(symbol.name) \(symbol.value.rawValue) \(symbol.size) \(info) \(symbol.sectionIndex)"
      }
      let expected = judge.symbols.map {
        "\($0.name) \($0.value) \($0.size) \($0.info) \($0.section)"
      }
      #expect(symbols == expected, "\(path)")
      if image.programHeaders.isEmpty { continue }
      let notes = image.notes.map { "\($0.owner) \($0.type) \($0.description.hex)" }
      #expect(
        notes == judge.notes.map { "\($0.owner) \($0.type) \($0.description.hex)" }, "\(path)")
    }
  }

  @Test func `symbol versions are those that readelf prints`() throws {
    var count = 0
    for (path, bytes) in try judged() {
      let printed = try run("/usr/bin/readelf", ["--dyn-syms", "-W", path])
      try #require(printed.status == 0)
      let expected = printed.output.split(separator: "\n").compactMap { line -> String? in
        let fields = line.split(separator: " ")
        guard fields.count >= 8, fields[0].hasSuffix(":"), Int(fields[0].dropLast()) != nil else {
          return nil
        }
        return fields[7].contains("@") ? String(fields[7]) : nil
      }
      let found = try ElfImage(parsing: bytes).symbols.compactMap { symbol -> String? in
        guard let version = symbol.version, symbol.name != version else { return nil }
        return "\(symbol.name)\(symbol.isDefaultVersion ? "@@" : "@")\(version)"
      }
      #expect(found == expected, "\(path)")
      count += found.count
    }
    #expect(count > 1000)
  }

  @Test func `relocations are those that readelf prints`() throws {
    for (path, bytes) in try judged() where !path.hasSuffix(".o") {
      let printed = try run("/usr/bin/readelf", ["-r", "-W", path])
      try #require(printed.status == 0)
      var expected: [UInt64] = []
      for line in printed.output.split(separator: "\n") {
        let first = line.prefix { $0.isHexDigit }
        if first.count == 16, let place = UInt64(first, radix: 16) { expected.append(place) }
      }
      var places: [UInt64] = []
      try ElfImage(parsing: bytes).visitRelocations { places.append($0.place.rawValue) }
      #expect(places.sorted() == expected.sorted(), "\(path)")
    }
  }

  @Test func `a module says who it is by its build-id and its note`() throws {
    let path = try BuiltModules.path("qer", "1.0.1")
    let image = try ElfImage(parsing: try read(path))
    let printed = try run("/usr/bin/readelf", ["-n", "-W", path])
    let buildID = try #require(image.buildID)
    #expect(printed.output.contains("Build ID: \(buildID.hex)"))
    let facts = try #require(image.moduleFacts)
    #expect(facts.name == "qer")
    #expect(facts.version == ModuleFacts.Version(1, 0, 1))
    #expect(facts.abiVersion == 1)
    #expect(facts.interfaceID == 0x5551_4552)
    #expect(facts.interfaceVersion == 1)
    #expect(facts.tableSize == 16)
    #expect(facts.states == [.init(id: 0x5145_5201, size: 32), .init(id: 0x424b_5401, size: 16)])
    #expect(image.sectionNotes == image.notes)
  }

  @Test func `bytes are found by address, and only where the file maps them`() throws {
    let image = try ElfImage(parsing: try BuiltModules.bytes("qer", "1.0.0"))
    #expect(image.fileBytes(at: VirtualAddress(0), count: 4) == [0x7f, 0x45, 0x4c, 0x46])
    #expect(image.fileBytes(at: VirtualAddress(0), count: 1 << 40) == nil)
    #expect(image.fileBytes(at: VirtualAddress(UInt64.max), count: 2) == nil)
    #expect(image.fileBytes(at: VirtualAddress(1 << 40), count: 0) == nil)
    let text = try #require(image.sections.first { $0.name == "hitless_patchable" })
    #expect(image.contents(of: text) == image.fileBytes(at: text.address, count: text.size))
  }

  @Test func `local symbols are read, and a stripped file has none`() throws {
    let directory = try TemporaryDirectory()
    let path = try BuiltModules.path("qer", "1.0.0")
    let names = try ElfImage(parsing: try read(path)).localSymbols().map(\.name)
    #expect(names.contains("process"))
    let stripped = directory.path("stripped.so")
    try #require(try run("/usr/bin/strip", ["-o", stripped, path]).status == 0)
    let image = try ElfImage(parsing: try read(stripped))
    #expect(try image.localSymbols().isEmpty)
    #expect(violations(image.bytes) == [])
  }
}
