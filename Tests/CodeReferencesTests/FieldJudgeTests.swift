import CodeReferences
import TestSupport
import Testing

/// readelf is the judge: what it prints of a library and what the fields say must be the same.
@Suite("Fields against readelf")
struct FieldJudgeTests {
  static let libraries = [FieldSamples.crypto, FieldSamples.standard, FieldSamples.c]

  private func number(_ word: Substring) throws -> UInt64 {
    let digits = word.hasPrefix("0x") ? word.dropFirst(2) : word
    return try #require(UInt64(digits, radix: 16), "\(word)")
  }

  @Test(arguments: libraries)
  func `every relocation's place, symbol and addend is a field`(library: String) throws {
    let reader = FieldView(try FieldSamples.map(library))
    var cursor = 0
    var addends = 0
    for words in try Readelf(path: library).lines("-r") {
      if words.first == "Relocation", let at = words.firstIndex(of: "offset") {
        cursor = Int(try number(words[at + 1]))
        continue
      }
      guard words.count > 2, words[0].count == 16, let place = UInt64(words[0], radix: 16) else {
        continue
      }
      #expect(reader.kind(at: cursor).rawValue == ByteKind.address64.rawValue | 0xc0)
      #expect(reader.target(at: cursor, kind: .address64) == place)
      let hasSymbol = try number(words[1]) >> 32 != 0
      #expect(reader.kind(at: cursor + 12).plain == (hasSymbol ? .symbolIndex : .none))
      if words[2].hasPrefix("R_X86_64_RELATIVE") || words[2].hasPrefix("R_X86_64_IRELATIV") {
        addends += 1
        #expect(reader.kind(at: cursor + 16).isFirst)
        #expect(
          reader.target(at: cursor + 16, kind: reader.kind(at: cursor + 16))
            == (try number(words[3])))
      } else {
        #expect(reader.kind(at: cursor + 16).plain == .none)
      }
      cursor += 24
    }
    #expect(addends > (library == FieldSamples.c ? 30 : 500))
  }

  @Test(arguments: libraries)
  func `every slot of a relocation that holds an address is a field`(library: String) throws {
    let map = try FieldSamples.map(library)
    let reader = FieldView(map)
    let sections = try Readelf(path: library).sections().filter { $0.flags.contains("A") }
    var slots = 0
    for words in try Readelf(path: library).lines("-r") {
      guard words.count > 2, words[0].count == 16, let slot = UInt64(words[0], radix: 16) else {
        continue
      }
      let owner = sections.first {
        $0.type != "NOBITS" && slot >= $0.address && slot < $0.address + UInt64($0.size)
      }
      guard let owner else { continue }
      let offset = owner.offset + Int(slot - owner.address)
      let content = (0..<8).reduce(UInt64(0)) {
        $0 | UInt64(map.bytes[offset + $1]) << UInt64(8 * $1)
      }
      let isAddress = sections.contains {
        content >= $0.address && content < $0.address + UInt64($0.size) && $0.address > 0
          && !($0.flags.contains("T") && $0.type == "NOBITS")
      }
      #expect(reader.kind(at: offset).plain == (isAddress ? .address64 : .none), "\(words)")
      slots += isAddress ? 1 : 0
    }
    #expect(slots > (library == FieldSamples.c ? 30 : 500))
  }

  @Test(arguments: libraries)
  func `every symbol's name, value and size is a field`(library: String) throws {
    let map = try FieldSamples.map(library)
    let reader = FieldView(map)
    let start = try Readelf(path: library).section(".dynsym").offset
    let names = try Readelf(path: library).section(".dynstr").offset
    var values = 0
    for words in try Readelf(path: library).lines("--dyn-syms") {
      guard words.count > 6, words[0].hasSuffix(":"), let index = Int(words[0].dropLast()) else {
        continue
      }
      let record = start + 24 * index
      let isDefined = words[6] != "UND" && words[6] != "ABS" && words[3] != "TLS"
      #expect(reader.kind(at: record).isStart)
      #expect(reader.kind(at: record + 8).plain == (isDefined ? .address64 : .none))
      let size = words[2].hasPrefix("0x") ? Int(try number(words[2])) : Int(words[2]) ?? -1
      #expect(reader.kind(at: record + 16).plain == (isDefined && size > 0 ? .symbolSize : .none))
      if words.count > 7 {
        #expect(reader.kind(at: record).rawValue == ByteKind.stringOffset.rawValue | 0xc0)
        let name = names + Int(map.bytes[record]) + Int(map.bytes[record + 1]) << 8
        let start = name + Int(map.bytes[record + 2]) << 16
        let expected = words[7].prefix { $0 != "@" }
        #expect(Array(map.bytes[start..<start + expected.utf8.count]) == Array(expected.utf8))
      }
      guard isDefined else { continue }
      values += 1
      let value = try number(words[1])
      #expect(reader.target(at: record + 8, kind: .address64) == value)
      if size > 0 {
        #expect(reader.end(at: record + 16, kind: .symbolSize) == value + UInt64(size))
      }
    }
    #expect(values > 1000)
  }

  @Test(arguments: [FieldSamples.standard, FieldSamples.c])
  func `every FDE's code, range and language data is a field, and nothing else is`(
    library: String
  ) throws {
    let map = try FieldSamples.map(library)
    let reader = FieldView(map)
    let frames = try Readelf(path: library).section(".eh_frame")
    let language = try Readelf(path: library).section(".gcc_except_table")
    var record = 0
    var isCommon = false
    var hasPersonality = false
    var (common, descriptions, pointers) = (0, 0, 0)
    for words in try Readelf(path: library).lines("--debug-dump=frames") {
      if words.count > 3, words[3] == "FDE" || words[3] == "CIE" {
        record = frames.offset + Int(try number(words[0]))
        isCommon = words[3] == "CIE"
        #expect(reader.kind(at: record).isStart)
        if isCommon {
          common += 1
          continue
        }
        descriptions += 1
        let address = frames.address + (try number(words[4].dropFirst(4)))
        #expect(reader.kind(at: record + 4).isFirst)
        #expect(reader.target(at: record + 4, kind: .commonEntryPointer) == address)
        let code = words[5].dropFirst(3).split(separator: ".")
        #expect(reader.kind(at: record + 8).isFirst)
        #expect(reader.target(at: record + 8, kind: .relativeAddress32) == (try number(code[0])))
        #expect(reader.kind(at: record + 12).isFirst)
        #expect(reader.end(at: record + 12, kind: .codeRange) == (try number(code[1])))
      } else if words.first == "Augmentation:" {
        hasPersonality = words[1].contains("P")
      } else if words.first == "Augmentation", words[1] == "data:" {
        guard !isCommon || hasPersonality else { continue }
        // In a CIE: length, id, version, "zPLR", two factors, register, length, encoding.
        let place = record + (isCommon ? 19 : 17)
        let raw = words[(isCommon ? 3 : 2)...].prefix(4)
        let isZero = raw.allSatisfy { $0 == "00" }
        #expect(reader.kind(at: place).plain == (isZero ? .none : .relativeAddress32))
        guard !isZero, let target = reader.target(at: place, kind: .relativeAddress32) else {
          continue
        }
        pointers += 1
        if !isCommon {
          #expect(target >= language.address && target < language.address + UInt64(language.size))
        }
      }
    }
    #expect(common > 0 && descriptions > 3000 && pointers > (library == FieldSamples.c ? 5 : 500))
    let kinds = allKinds(map)[frames.offset..<frames.offset + frames.size]
    #expect(count(.relativeAddress32, in: Array(kinds)) == descriptions + pointers)
    #expect(count(.codeRange, in: Array(kinds)) == descriptions)
  }

  @Test(arguments: libraries)
  func `dynamic entries are addresses, sizes and names as readelf prints them`(
    library: String
  ) throws {
    let map = try FieldSamples.map(library)
    let reader = FieldView(map)
    var record = try Readelf(path: library).section(".dynamic").offset
    for words in try Readelf(path: library).lines("-d") where words.first?.hasPrefix("0x") == true {
      let kind = reader.kind(at: record + 8).plain
      if words.contains(where: { $0.hasPrefix("[") }) {
        #expect(kind == .stringOffset, "\(words)")
      } else if words[1].hasSuffix("SZ)") {
        #expect(kind == .sectionSize, "\(words)")
      } else if words[2].hasPrefix("0x"), try number(words[2]) > 0x100 {
        #expect(kind == .address64, "\(words)")
        #expect(reader.target(at: record + 8, kind: kind) == (try number(words[2])))
      } else if !words[1].hasSuffix("GOT)") {
        #expect(kind == .none, "\(words)")
      }
      #expect(reader.kind(at: record).isStart)
      record += 16
    }
  }

  @Test func `packed relative relocations name the slots that readelf prints`() throws {
    let directory = try TemporaryDirectory()
    let name = try FieldSamples.build(["-Wl,-z,pack-relative-relocs"], in: directory)
    let readelf = Readelf(path: directory.path(name))
    let map = FieldMap(try directory.bytes(name))
    let layout = try #require(map.layout)
    let reader = FieldView(map)
    var isPacked = false
    var slots = 0
    for words in try readelf.lines("-r") {
      if words.first == "Relocation" { isPacked = words.contains("'.relr.dyn'") }
      guard isPacked, words.count == 1, let slot = UInt64(words[0], radix: 16) else { continue }
      let offset = try #require(layout.offset(ofAddress: slot))
      #expect(reader.kind(at: offset).rawValue & 0x7f == ByteKind.address64.rawValue | 0x40)
      slots += 1
    }
    #expect(slots >= 159)
    let table = try readelf.section(".relr.dyn")
    #expect(reader.kind(at: table.offset).plain == .relativeRelocation)
    #expect(reader.kind(at: table.offset + 8).plain == .relativeBitmap)
  }
}
