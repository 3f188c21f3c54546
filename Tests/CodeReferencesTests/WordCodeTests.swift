import CodeReferences
import TestSupport
import Testing

@Suite("Code of fixed-width words")
struct WordCodeTests {
  static let machines: [UInt16] = [183, 258, 243]

  @Test func `machines that are not known have no code of words`() {
    for machine: UInt16 in [0, 3, 62, 182, 184, 65535] {
      #expect(WordCode(machine: machine) == nil)
    }
  }

  /// `adrp x1; nop; ldr x2, [x1, #8]; add x3, x1, #16; add x1, x1, #24; ldr x4, [x1]`.
  @Test func `all that complete an ADRP are its low halves, until its register is written`() throws
  {
    let marked = try arm([
      0x9000_0001, 0xd503_201f, 0xf940_0422, 0x9100_4023, 0x9100_6021, 0xf940_0024,
    ])
    #expect(marked.starts == [.armADRP, .armWord, .armLow12, .armLow12, .armLow12, .armWord])
    #expect(marked.partners.prefix(6) == [8, 0, -8, -12, -16, 0])
    #expect(marked.target(0) == 8)
    #expect(marked.target(12) == 16)
  }

  /// `adrp x20; adrp x1; bl; ldr [x1]; ldr [x20]; ldp x19, x20, [sp]; ret; ldr [x20]; ldr [x1]`.
  @Test func `a call clears what calls may change, an epilogue nothing`() throws {
    let marked = try arm([
      0x9000_0014, 0x9000_0001, 0x9400_0000, 0xf940_0022, 0xf940_0282, 0xa940_53f3, 0xd65f_03c0,
      0xf940_0282, 0xf940_0022,
    ])
    #expect(
      marked.starts == [
        .armADRP, .armADRP, .armBranch26, .armWord, .armLow12, .armWord, .armWord, .armLow12,
        .armWord,
      ])
  }

  @Test(arguments: [(1020, true), (1024, true), (1028, false)])
  func `halves are partners up to pairReach apart`(distance: Int, isPair: Bool) throws {
    var words = Array(repeating: UInt32(0xd503_201f), count: 300)
    words[1] = 0x9000_0001
    words[1 + distance / 4] = 0xf940_0022
    let marked = try arm(words)
    #expect(marked.start(4 + distance) == (isPair ? .armLow12 : .armWord))
    #expect(marked.partner(4) == (isPair ? distance : 0))
  }

  @Test func `an offset that leaves the page is no low half`() throws {
    // ldr x2, [x1, #4088] and ldr x2, [x1, #4096]
    let marked = try arm([0x9000_0001, 0xf947_fc22, 0xf948_0022])
    #expect(marked.starts == [.armADRP, .armLow12, .armWord])
  }

  @Test func `fields that do not reach or are not aligned are refused, at the very limit not`() {
    func bl(_ target: UInt64) -> UInt32? {
      WordCode.word(
        .armBranch26, old: 0x9400_0000, target: target, place: 1 << 32, partnerPlace: 0)
    }
    #expect(bl(1 << 32 + 0x7ff_fffc) == 0x95ff_ffff)
    #expect(bl(1 << 32 + 0x800_0000) == nil)
    #expect(bl(1 << 32 - 0x800_0000) == 0x9600_0000)
    #expect(bl(1 << 32 - 0x800_0004) == nil)
    #expect(bl(1 << 32 + 2) == nil)
    func ldr(_ target: UInt64) -> UInt32? {
      WordCode.word(.armLow12, old: 0xf940_0000, target: target, place: 0, partnerPlace: 0)
    }
    #expect(ldr(0x1ff8) == 0xf947_fc00)
    #expect(ldr(0x1ff4) == nil)
  }

  @Test(arguments: [-2048, -2047, -1, 0, 1, 2046, 2047] as [Int64])
  func `a page half comes back whatever its signed low half is`(low: Int64) {
    // PCALAU12I and ADDI.D, PCADDU12I and LD.D, AUIPC and ADDI, AUIPC and SD.
    let signed = UInt32(truncatingIfNeeded: low) & 0xfff
    let loong = 0x02c0_0000 | signed << 10
    let stored: UInt32 = 0x3023 | (signed >> 5) << 25 | (signed & 31) << 7
    let pairs: [(ByteKind, UInt32, UInt32)] = [
      (.loongPage, 0x1a00_2460, loong), (.loongRelativePage, 0x1c00_2460, loong | 0x2600_0000),
      (.riscPage, 0x1234_5417, signed << 20 | 0x13), (.riscPage, 0x1234_5417, stored),
    ]
    for (kind, page, partner) in pairs {
      let place: UInt64 = 0x7654_3210
      let target = WordCode.target(
        kind, word: page, place: place, partner: partner, partnerPlace: place + 4)
      let alone = WordCode.target(
        kind, word: page, place: place, partner: 0, partnerPlace: place)
      #expect(target == alone &+ UInt64(bitPattern: low))
      let again = WordCode.word(
        kind, old: page & 0x7f, target: target, place: place, partnerPlace: 0)
      #expect(again.map { $0 & ~0xfff } == page & ~0xfff || kind != .riscPage)
      #expect(again.map { $0 >> 5 & 0xf_ffff } == page >> 5 & 0xf_ffff || kind == .riscPage)
    }
  }

  /// Five words whose second halves look like words, then C.NOP: out of step for up to 22 bytes.
  @Test func `RISC-V instructions begin where they begin from the section's start on`() throws {
    let half: [UInt8] = [1, 0]
    let word: [UInt8] = [0x13, 0, 3, 0]
    var bytes: [UInt8] = []
    var starts: Set<Int> = []
    for count in 0..<1000 {
      starts.insert(bytes.count)
      bytes += count % 6 == 5 ? half : word
    }
    let marked = MarkedCode(try #require(WordCode(machine: 243)), bytes)
    #expect(Set(marked.kinds.indices.filter { marked.start($0) != nil }) == starts)
  }

  @Test(arguments: machines, 0..<6 as Range<UInt64>)
  func `marks do not depend on where windows begin and end`(machine: UInt16, seed: UInt64) throws {
    let code = try #require(WordCode(machine: machine))
    var generator = SeededGenerator(seed: seed)
    let bytes = likely(machine, &generator)
    let section = Int.random(in: 0..<9, using: &generator)..<bytes.count - Int(seed)
    let whole = MarkedCode(code, bytes, section: section, step: nil)
    #expect(whole.kinds[section].allSatisfy { $0 != 0 })
    for step in [4096, 1 + Int.random(in: 0..<999, using: &generator), seed == 0 ? 1 : 41] {
      let parts = MarkedCode(code, bytes, section: section, step: step)
      #expect(parts.kinds == whole.kinds, "seed \(seed), step \(step)")
      #expect(parts.partners == whole.partners, "seed \(seed), step \(step)")
    }
  }

  @Test(arguments: machines, 0..<4 as Range<UInt64>)
  func `random bytes have an answer: partners that are partners, words that come back`(
    machine: UInt16, seed: UInt64
  ) throws {
    let code = try #require(WordCode(machine: machine))
    var generator = SeededGenerator(seed: seed)
    let bytes = seed % 2 == 0 ? generator.bytes(20_000) : likely(machine, &generator)
    let marked = MarkedCode(code, bytes, address: generator.next())
    var pages = Set<Int>()
    var whole = 0
    for offset in bytes.indices {
      guard let kind = marked.start(offset) else { continue }
      if MarkedCode.isLow(kind) {
        let page = offset + marked.partner(offset)
        #expect(page < offset && offset - page <= WordCode.pairReach)
        #expect(marked.start(page).map(MarkedCode.isPage) == true)
        if pages.insert(page).inserted { #expect(page + marked.partner(page) == offset) }
      }
      guard MarkedCode.isReference(kind) else { continue }
      let place = marked.place(offset + marked.partner(offset))
      let again = WordCode.word(
        kind, old: marked.word(offset), target: marked.target(offset), place: marked.place(offset),
        partnerPlace: place)
      #expect(again == marked.word(offset), "seed \(seed), offset \(offset), kind \(kind)")
      whole += 1
    }
    #expect(whole > 0)
  }

  @Test(arguments: machines, [0, 1] as [UInt64])
  func `any kind, word and address has an answer, and any word a class and a mask`(
    machine: UInt16, seed: UInt64
  ) throws {
    let code = try #require(WordCode(machine: machine))
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<20_000 {
      let word = UInt32(truncatingIfNeeded: generator.next())
      let kind = ByteKind(rawValue: UInt8(truncatingIfNeeded: generator.next()))
      let partner = UInt32(truncatingIfNeeded: generator.next())
      let target = WordCode.target(
        kind, word: word, place: generator.next(), partner: partner,
        partnerPlace: generator.next())
      _ = WordCode.word(
        kind, old: word, target: target, place: generator.next(), partnerPlace: generator.next())
      #expect((0..<WordCode.classCount).contains(code.instructionClass(word)))
      #expect(code.masked(code.masked(word)) == code.masked(word))
      #expect(code.instructionClass(code.masked(word)) == code.instructionClass(word))
    }
  }

  @Test(arguments: machines)
  func `sections and windows beyond the file and spans too short are cut`(machine: UInt16) throws {
    let code = try #require(WordCode(machine: machine))
    let bytes = [UInt8](repeating: 0x13, count: 64)
    let ranges = [
      0..<0, 64..<64, 0..<Int.max, 5..<63, 60..<100, 100..<200, Int.min..<Int.max, -9..<3,
    ]
    for section in ranges {
      for window in ranges {
        for count in [0, 1, 7, 64] {
          var kinds = [UInt8](repeating: 0, count: count)
          var partners = [Int16](repeating: 0, count: count / 4)
          var kindSpan = kinds.mutableSpan
          var partnerSpan = partners.mutableSpan
          code.mark(
            bytes.span, section: section, window: window, kinds: &kindSpan,
            partners: &partnerSpan)
        }
      }
    }
  }

  private func arm(_ words: [UInt32]) throws -> MarkedCode {
    let bytes = words.flatMap { word in
      (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    }
    return MarkedCode(try #require(WordCode(machine: 183)), bytes)
  }

  /// Random code in which pairs are frequent: page instructions, low halves and others, with few
  /// registers.
  private func likely(_ machine: UInt16, _ generator: inout SeededGenerator) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < 5_000 {
      let random = UInt32(truncatingIfNeeded: generator.next())
      let kind = Int.random(in: 0..<8, using: &generator)
      let word: UInt32
      var count = 4
      switch machine {
      case 183:
        let heads: [UInt32] = [0x9000_0000, 0xf940_0000, 0x9100_0000, 0xb900_0000]
        let field: UInt32 = kind == 0 ? 0x60ff_ffe3 : 0x003f_fc63
        word = kind < 4 ? heads[kind] | random & field : random
      case 258:
        let heads: [UInt32] = [0x1a00_0000, 0x02c0_0000, 0x28c0_0000, 0x1c00_0000, 0x1e00_0000]
        let field: UInt32 = kind == 0 || kind > 2 ? 0x01ff_ffe3 : 0x003f_fc63
        word = kind < 5 ? heads[kind] | random & field : random
      default:
        let heads: [UInt32] = [0x0417, 0x0004_0013, 0x0004_3003, 0x0004_3023]
        let field: UInt32 = kind == 0 ? 0xffff_f180 : 0xfff1_8f80
        word = kind < 4 ? heads[kind] | random & field : random
        count = word & 3 == 3 ? 4 : 2
      }
      for byte in 0..<count { bytes.append(UInt8(truncatingIfNeeded: word >> (8 * byte))) }
    }
    return bytes
  }
}

extension MarkedCode {
  /// The kinds of all that begins.
  var starts: [ByteKind] { kinds.indices.compactMap(start) }
}
