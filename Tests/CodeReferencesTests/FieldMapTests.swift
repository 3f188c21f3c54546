import CodeReferences
import TestSupport
import Testing

@Suite("Field map")
struct FieldMapTests {
  @Test func `the pages of code are what a sweep over whole sections marks`() throws {
    let map = try FieldSamples.map(FieldSamples.c)
    let layout = try #require(map.layout)
    let kinds = allKinds(map)
    var instructions = 0
    for section in layout.sections.indices where layout.role(section) == .code {
      let range = layout.range(of: section)
      var marked = [UInt8](repeating: 0, count: range.count)
      var span = marked.mutableSpan
      var start = range.lowerBound
      while start < range.upperBound {
        let one = X86Instruction(map.bytes.span, at: start, end: range.upperBound)
        one.write(kinds: &span, at: start - range.lowerBound)
        start += one.count
        instructions += 1
      }
      #expect(marked == Array(kinds[range]))
    }
    #expect(instructions > 200_000)
  }

  @Test(arguments: [UInt16(183), 243, 258])
  func `the pages of words are what marking a whole section marks`(machine: UInt16) throws {
    // The code of a library, read as if it were another machine's: any words will do.
    var elf = EditedElf(try #require(contents(of: FieldSamples.crypto)))
    elf.set16(machine, at: 18)
    let map = FieldMap(elf.bytes)
    let layout = try #require(map.layout)
    let words = try #require(WordCode(machine: machine))
    let range = layout.range(
      of: try #require(layout.sections.indices.last { layout.role($0) == .code }))
    var marked = [UInt8](repeating: 0, count: range.count)
    var distances = [Int16](repeating: 0, count: range.count / 4 + 2)
    var kinds = marked.mutableSpan
    var partners = distances.mutableSpan
    words.mark(
      map.bytes.span, section: range, window: range, kinds: &kinds, partners: &partners)
    let reader = FieldView(map)
    for (index, kind) in marked.enumerated() {
      let offset = range.lowerBound + index
      guard reader.kind(at: offset).rawValue == kind else {
        Issue.record("\(offset) has another kind in its page")
        return
      }
      #expect(map.starts.contains(offset) == (kind & ByteKind.start != 0))
      if offset & 3 == 0 {
        #expect(reader.partner(at: offset) == Int(distances[offset / 4 - range.lowerBound / 4]))
      }
    }
  }

  @Test func `first bytes of fields are found as their kinds say, across pages too`() throws {
    let map = try FieldSamples.map(FieldSamples.c)
    var reader = FieldReader(map)
    var fields = 0
    for offset in stride(from: 4000, to: map.bytes.count - 64, by: 61) {
      let count = 1 + offset % 64
      let marks = reader.firstBytes(from: offset, count: count)
      for index in 0..<64 {
        let isFirst = index < count && reader.kind(at: offset + index).isFirst
        guard isFirst == (marks >> UInt64(index) & 1 != 0) else {
          Issue.record("\(index) bytes behind \(offset)")
          return
        }
      }
      fields += marks.nonzeroBitCount
    }
    #expect(fields > 10_000)
  }

  @Test func `starts are numbered as they stand in the pages`() throws {
    let map = FieldMap(try FieldSamples.build())
    var number = 0
    var last: Int?
    for (offset, kind) in allKinds(map).enumerated() {
      #expect(map.starts.rank(offset) == number)
      if kind & ByteKind.start != 0 {
        #expect(map.starts.select(number) == offset)
        number += 1
        last = offset
      }
      #expect(map.starts.previous(offset) == last)
      #expect(map.starts.contains(offset) == (kind & ByteKind.start != 0))
    }
    #expect(number > 200)
    #expect(map.starts.count == number)
    #expect(map.starts.select(number) == nil)
    #expect(map.starts.select(-1) == nil)
    #expect(map.starts.rank(.max) == number)
    #expect(map.starts.previous(.max) == last)
  }

  @Test func `every field has all its bytes, and only the first is marked as one`() throws {
    for map in [try FieldSamples.map(FieldSamples.c), FieldMap(try FieldSamples.build())] {
      let kinds = allKinds(map)
      var previous: UInt8 = 0
      for (offset, kind) in kinds.enumerated() where (42..<54).contains(kind & 63) {
        let isContinued = offset > 0 && kinds[offset - 1] & 63 == kind & 63
        #expect(kind & ByteKind.first != 0 || isContinued)
        previous = kind
      }
      #expect(previous != 0)
    }
  }

  @Test(arguments: ["bfd", "gold"])
  func `jump tables have the entries that the compiler wrote`(linker: String) throws {
    let directory = try TemporaryDirectory()
    let name = try FieldSamples.build(["-fuse-ld=\(linker)"], in: directory)
    let entries = try Self.writtenEntries("/usr/bin/gcc", [], in: directory)
    #expect(entries > 15)
    // The entries of cases that are missing between others are the compiler's too.
    let map = FieldMap(try directory.bytes(name))
    #expect(try Self.countedEntries(map) == entries)
    #expect(map.jumpTableBase(at: 0) == nil)
  }

  @Test(.enabled(if: contents(of: "/usr/bin/clang") != nil))
  func `jump tables of RISC-V have the entries that the compiler wrote`() throws {
    let directory = try TemporaryDirectory()
    let source = try directory.write("sample.c", Array(FieldSamples.source.utf8))
    let options = ["--target=riscv64-linux-gnu", "-march=rv64gc"]
    let built = try run(
      "/usr/bin/clang",
      options + [
        "-O2", "-fPIC", "-shared", "-nostdlib", "-fuse-ld=lld", "-o", directory.path("sample.so"),
        source,
      ])
    try #require(built.status == 0, "\(built.errors)")
    let entries = try Self.writtenEntries("/usr/bin/clang", options, in: directory)
    #expect(entries > 15)
    #expect(try Self.countedEntries(FieldMap(try directory.bytes("sample.so"))) == entries)
  }

  /// Debian's compilers know no LoongArch64; that of tools/corpus/build-cross-pairs does.
  @Test(.enabled(if: contents(of: Self.zig) != nil, "tools/corpus/build-cross-pairs brings it"))
  func `jump tables of LoongArch64 have the entries that the compiler wrote`() throws {
    let directory = try TemporaryDirectory()
    let source = try directory.write("sample.c", Array(FieldSamples.source.utf8))
    let options = ["-m", "ziglang", "cc", "-target", "loongarch64-linux-gnu"]
    let built = try run(
      Self.zig,
      options + ["-O2", "-fPIC", "-shared", "-nostdlib", "-o", directory.path("sample.so"), source])
    try #require(built.status == 0, "\(built.errors)")
    let entries = try Self.writtenEntries(Self.zig, options, in: directory)
    #expect(entries > 15)
    #expect(try Self.countedEntries(FieldMap(try directory.bytes("sample.so"))) == entries)
  }

  private static let zig = "\(TestModule.root)/.build/corpus/.zig/bin/python"

  /// How many distances from a table to code a compiler writes for the sample in `directory`.
  private static func writtenEntries(
    _ compiler: String, _ options: [String], in directory: TemporaryDirectory
  ) throws -> Int {
    let compiled = try run(
      compiler,
      options
        + ["-O2", "-fPIC", "-S", "-o", directory.path("sample.s"), directory.path("sample.c")])
    try #require(compiled.status == 0, "\(compiled.errors)")
    let assembly = String(decoding: try directory.bytes("sample.s"), as: UTF8.self)
    return assembly.split(separator: "\n").count { line in
      let words = line.split { $0 == " " || $0 == "\t" }
      return words.count == 2 && [".long", ".word"].contains(words[0]) && words[1].contains("-.L")
    }
  }

  /// How many entries of jump tables are found, all of which have to name code.
  private static func countedEntries(_ map: FieldMap) throws -> Int {
    let layout = try #require(map.layout)
    let reader = FieldView(map)
    let found = map.bytes.indices.filter {
      let kind = reader.kind(at: $0)
      return kind.plain == .jumpTableEntry && kind.isFirst
    }
    for offset in found {
      let target = try #require(reader.target(at: offset, kind: .jumpTableEntry))
      let place = try #require(layout.offset(ofAddress: target))
      #expect(reader.kind(at: place).isStart)
      #expect(layout.role(layout.section(atOffset: place) ?? 0) == .code)
    }
    return found.count
  }

  @Test func `a pointer to language data that is 0 is none`() throws {
    var bytes = try FieldSamples.build(["-fexceptions"])
    let map = FieldMap(bytes)
    let layout = try #require(map.layout)
    let frames = try #require(layout.sections.indices.first { layout.role($0) == .frames })
    let reader = FieldView(map)
    let pointers = layout.range(of: frames).filter {
      let kind = reader.kind(at: $0)
      guard kind.isFirst, let target = reader.target(at: $0, kind: kind) else { return false }
      return layout.section(atAddress: target).map { layout.role($0) } == .exceptions
    }
    #expect(!pointers.isEmpty)
    for pointer in pointers {
      bytes.replaceSubrange(pointer..<pointer + 4, with: [0, 0, 0, 0])
      #expect(FieldView(FieldMap(bytes)).kind(at: pointer).plain == .none)
    }
  }

  @Test func `what a PLT entry pushes is the number of its relocation`() throws {
    let map = FieldMap(try FieldSamples.build(["-Wl,-z,lazy"]))
    let reader = FieldView(map)
    let pushed = map.bytes.indices.filter {
      reader.kind(at: $0).rawValue == ByteKind.pltIndex.rawValue | ByteKind.first
    }.map { map.bytes[$0] }
    #expect(pushed == Array(0..<6))
  }

  @Test func `branches and addresses in code name what objdump prints`() throws {
    let directory = try TemporaryDirectory()
    let name = try FieldSamples.build([], in: directory)
    let map = FieldMap(try directory.bytes(name))
    let layout = try #require(map.layout)
    let reader = FieldView(map)
    let printed = try run(
      "/usr/bin/objdump", ["-d", "-w", "--no-show-raw-insn", directory.path(name)])
    var targets: Set<UInt64> = []
    for line in printed.output.split(separator: "\n") where line.contains("\t") {
      let words = line.split { $0 == " " || $0 == "\t" }
      if let hash = words.firstIndex(of: "#"), let target = UInt64(words[hash + 1], radix: 16) {
        targets.insert(target)
      } else if words.last?.hasSuffix(">") == true,
        let target = UInt64(words[words.count - 2], radix: 16)
      {
        targets.insert(target)
      }
    }
    var found: Set<UInt64> = []
    for offset in map.bytes.indices {
      let kind = reader.kind(at: offset)
      guard kind.isFirst, layout.role(layout.section(atOffset: offset) ?? 0).isCode,
        let target = reader.target(at: offset, kind: kind)
      else { continue }
      found.insert(target)
    }
    #expect(targets.count > 15)
    #expect(found == targets)
  }

  @Test func `a file that is no ELF file has no fields`() {
    for bytes in [[], [0x7f], [UInt8](repeating: 0x90, count: 10_000)] {
      let map = FieldMap(bytes)
      #expect(map.layout == nil)
      #expect(map.starts.count == 0)
      #expect(allKinds(map) == [UInt8](repeating: 0, count: bytes.count))
      let reader = FieldView(map)
      #expect(reader.kind(at: -1) == .none)
      #expect(reader.kind(at: .max) == .none)
      #expect(reader.target(at: .max, kind: .relative32) == nil)
    }
  }
}
