import CodeReferences
import TestSupport
import Testing

@Suite("x86-64 instructions")
struct X86InstructionTests {
  /// Bytes, and a letter for each: p prefix, o opcode, m ModRM, s SIB, d and D displacement of one and
  /// four bytes, i w I q immediate of one, two, four and eight, r and R relative branch of one and four,
  /// 0 1 2 4 `disp32(%rip)` by the bytes behind it, x bad.
  static let letters: [(String, String)] = [
    ("90", "o"), ("c3", "o"), ("06", "x"), ("55", "o"),
    ("4889e5", "pom"), ("488b0511223344", "pom0000"), ("c60511223344 7f", "om1111i"),
    ("66c705112233447788", "pom2222ww"), ("48c7051122334401020304", "pom4444IIII"),
    ("8b440811", "omsd"), ("8b840811223344", "omsDDDD"), ("8b042511223344", "omsDDDD"),
    ("8b0424", "oms"), ("8b5d11", "omd"), ("8b8511223344", "omDDDD"),
    ("678b0511223344", "pom0000"), ("e811223344", "oRRRR"), ("66e811223344", "poRRRR"),
    ("0f8411223344", "ooRRRR"), ("7411", "or"), ("eb11", "or"), ("e211", "or"), ("67e311", "por"),
    ("c7f811223344", "omRRRR"), ("c6f801", "omi"), ("b811223344", "oIIII"),
    ("66b81122", "poww"), ("48b81122334455667788", "poqqqqqqqq"),
    ("a11122334455667788", "oqqqqqqqq"), ("67a111223344", "poDDDD"), ("c8112201", "owwi"),
    ("c21100", "oww"), ("f6c001", "omi"), ("f6d0", "om"), ("f7c011223344", "omIIII"),
    ("66f7c01122", "pomww"), ("f7d8", "om"), ("f705112233440102 0304", "om4444IIII"),
    ("f71511223344", "om0000"), ("0f0fc09e", "oomi"), ("660f78c01122", "poomii"),
    ("f30f1efa", "poom"), ("0f38f00511223344", "ooom0000"), ("660f3a0fc108", "pooomi"),
    ("c5f877", "ppo"), ("c5f858c0", "ppom"), ("c4e37d390511223344 01", "pppom1111i"),
    ("62f17c4858440811", "ppppomsd"), ("62f37d48250511223344ff", "ppppom1111i"),
    ("62f57c4858c0", "ppppom"), ("8fe87885c011", "pppomi"), ("8fc0", "om"),
    ("d51889c0", "ppom"), ("0f2300", "oom"), ("62a1fd487bca", "ppppom"),
    ("d500a11122334455667788", "ppoqqqqqqqq"), ("d59858c0", "ppom"),
    ("62f47c0881c011223344", "ppppomIIII"), ("62f47d0881c01122", "ppppomww"),
    ("f0480fb10d11223344", "ppoom0000"), ("f20f78c11122", "poomii"), ("0f78c1", "oom"),
    ("6a11", "oi"), ("6811223344", "oIIII"), ("666811 22", "poww"), ("cd80", "oi"),
    ("69c011223344", "omIIII"), ("6bc011", "omi"), ("660f73d808", "poomi"), ("0f0b", "oo"),
    ("666666662e0f1f840000000000", "pppppoomsDDDD"),
  ]
  static let kindOfLetter: [Character: ByteKind] = [
    "p": .prefix, "o": .opcode, "m": .modRM, "s": .sib, "d": .displacement8, "D": .displacement32,
    "i": .immediate8, "w": .immediate16, "I": .immediate32, "q": .immediate64, "r": .relative8,
    "R": .relative32, "0": .rip0, "1": .rip1, "2": .rip2, "4": .rip4, "x": .bad,
  ]

  @Test(arguments: letters)
  func `each byte has the kind that the manual gives it`(hex: String, expected: String) throws {
    let bytes = unhex(hex)
    let instruction = X86Instruction(bytes.span, at: 0, end: bytes.count)
    #expect(instruction.count == expected.count)
    #expect(instruction.isBad == (expected == "x"))
    let written = writtenKinds(of: instruction, count: bytes.count)
    #expect(written.map { ByteKind(rawValue: $0).plain } == expected.map { Self.kindOfLetter[$0] })
    let references = "rR0124"
    #expect((instruction.reference != .none) == expected.contains { references.contains($0) })
    if instruction.reference != .none {
      let kind = ByteKind(rawValue: written[instruction.referenceOffset])
      #expect(kind.plain == instruction.reference && kind.isFirst)
    }
  }

  @Test(arguments: [
    "ffe9", "ffd9", "fff8", "ff38", "fed0", "8dc0", "c6c8 00", "c748 00", "8f10", "0f04", "0f24",
    "4866", "4848", "82c0", "c4e477", "62f07c4858c0", "d51848", "d58080",
  ])
  func `what no processor takes for an instruction is a bad byte`(hex: String) {
    let bytes = unhex(hex) + [UInt8](repeating: 0, count: 12)
    let instruction = X86Instruction(bytes.span, at: 0, end: bytes.count)
    #expect(instruction.isBad && instruction.count == 1)
    #expect(instruction.opcodeClass == 0x1f0000)
    #expect(instruction.reference == .none)
  }

  @Test func `marks stand on the first byte of the instruction and of each field`() {
    let bytes = unhex("48c7051122334401020304")
    let written = writtenKinds(of: X86Instruction(bytes.span, at: 0, end: 11), count: 11)
    #expect(written.map { $0 >> 6 } == [2, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0])
    let enter = unhex("c8112201")
    let fields = writtenKinds(of: X86Instruction(enter.span, at: 0, end: 4), count: 4)
    #expect(fields.map { $0 >> 6 } == [2, 1, 0, 1])
  }

  @Test func `an instruction ends within fifteen bytes or is none`() {
    let longest = [UInt8](repeating: 0x66, count: 14) + [0x90]
    #expect(X86Instruction(longest.span, at: 0, end: 15).count == 15)
    let longer = [0x2e] + longest
    #expect(X86Instruction(longer.span, at: 0, end: 16).isBad)
    let immediate = [UInt8](repeating: 0x2e, count: 11) + unhex("b811223344")
    #expect(X86Instruction(immediate.span, at: 0, end: 16).isBad)
    #expect(X86Instruction(immediate.span, at: 1, end: 16).count == 15)
  }

  @Test(arguments: letters)
  func `an instruction that is cut short is bad, and what is missing is foretold`(
    hex: String, expected: String
  ) {
    let bytes = unhex(hex)
    let whole = X86Instruction(bytes.span, at: 0, end: bytes.count)
    for count in 0..<bytes.count {
      #expect(X86Instruction(bytes.span, at: 0, end: count).isBad)
      if !whole.isBad { #expect(X86Instruction.kindOfNext(bytes.span, at: 0, count: count) != nil) }
    }
    #expect(X86Instruction.kindOfNext(bytes.span, at: 0, count: bytes.count) == nil)
  }

  @Test func `places outside of the bytes hold nothing`() {
    let bytes: [UInt8] = [0x90, 0x90]
    for (start, end) in [(-1, 2), (2, 2), (0, 3), (1, 0), (.min, .max), (.max, .min), (0, .max)] {
      let instruction = X86Instruction(bytes.span, at: start, end: end)
      #expect(instruction.isBad && instruction.count == 1)
    }
    for (start, count) in [(-1, 1), (0, -1), (1, 2), (2, 1), (.max, 1), (.min, 1), (0, .max)] {
      #expect(X86Instruction.kindOfNext(bytes.span, at: start, count: count) == nil)
    }
  }

  @Test func `kinds are clipped to where they are written`() {
    let bytes = unhex("48c7051122334401020304")
    let instruction = X86Instruction(bytes.span, at: 0, end: 11)
    let whole = writtenKinds(of: instruction, count: 11)
    for at in -20...20 {
      var written = [UInt8](repeating: 0, count: 5)
      var span = written.mutableSpan
      instruction.write(kinds: &span, at: at)
      let expected = (0..<5).map { whole.indices.contains($0 - at) ? whole[$0 - at] : 0 }
      #expect(written == expected)
    }
    var none: [UInt8] = []
    var span = none.mutableSpan
    instruction.write(kinds: &span, at: 0)
    instruction.write(kinds: &span, at: .max)
    instruction.write(kinds: &span, at: .min)
  }

  @Test(arguments: [1, 2, 3] as [UInt64])
  func `random bytes end in values whatever is cut off`(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<3000 {
      let bytes = likelyBytes(&random)
      for end in 0...bytes.count {
        let instruction = X86Instruction(bytes.span, at: 0, end: end)
        #expect(instruction.isBad ? instruction.count == 1 : (1...end).contains(instruction.count))
        #expect((0...instruction.count).contains(instruction.referenceOffset))
        #expect(instruction.opcodeClass >> 21 == 0)
        let next = X86Instruction.kindOfNext(bytes.span, at: 0, count: end)
        if !instruction.isBad { #expect(next == nil) }
      }
    }
  }

  @Test(arguments: [4, 5] as [UInt64])
  func `byte by byte, random bytes fall into the instructions of a sweep`(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<1000 {
      let bytes = likelyBytes(&random) + likelyBytes(&random)
      let compared = compareWithSweep(bytes)
      #expect(compared.wrong == [], "\(bytes)")
    }
  }

  @Test func `byte by byte, real code falls into the instructions of a sweep`() throws {
    let bytes = try X86Judge.code(of: X86JudgeTests.library, most: 300_000)
    let compared = compareWithSweep(bytes)
    #expect(compared.wrong == [])
    // All but the bytes that follow a bad one closely.
    #expect(compared.count > 299_000)
  }
}

/// Decodes as new code is decoded, and compares with a sweep that knows all bytes.
///
/// Returns how many bytes were foretold in an instruction of the sweep, and which of them wrong.
private func compareWithSweep(_ bytes: [UInt8]) -> (count: Int, wrong: [Int]) {
  let (kinds, starts) = swept(bytes)
  var count = 0
  var wrong: [Int] = []
  var start = 0
  for position in bytes.indices {
    let next = X86Instruction.kindOfNext(bytes.span, following: &start, end: position)
    let instruction = X86Instruction(bytes.span, at: start, end: bytes.count)
    guard starts[start] else {
      wrong.append(position)
      continue
    }
    // A bad byte is not known as one before others followed.
    guard !instruction.isBad else { continue }
    count += 1
    var expected = ByteKind(rawValue: kinds[position])
    if expected.plain == .prefix, next.plain != .prefix {
      let isXOP = position - start > 0 && bytes[position - 1] == 0x8f
      let kind = isXOP ? ByteKind.modRM : ByteKind.opcode
      expected = ByteKind(rawValue: kind.rawValue | expected.rawValue & 0xc0)
    }
    if next != expected { wrong.append(position) }
  }
  return (count, wrong)
}

/// Bytes among which prefixes and escapes are frequent.
private func likelyBytes(_ random: inout SeededGenerator) -> [UInt8] {
  let frequent: [UInt8] = [0x66, 0x67, 0xf2, 0x48, 0x0f, 0x38, 0x3a, 0xc4, 0xc5, 0x62, 0x8f, 0xd5]
  return random.bytes(20).map { byte in
    Bool.random(using: &random) ? byte : frequent[Int(byte) % frequent.count]
  }
}

/// The kinds of `count` bytes after `instruction` was written to their begin.
func writtenKinds(of instruction: X86Instruction, count: Int) -> [UInt8] {
  var kinds = [UInt8](repeating: 0, count: count)
  var span = kinds.mutableSpan
  instruction.write(kinds: &span, at: 0)
  return kinds
}

/// The kinds that a sweep finds, and where it begins an instruction or finds a bad byte.
private func swept(_ bytes: [UInt8]) -> (kinds: [UInt8], starts: [Bool]) {
  var kinds = [UInt8](repeating: 0, count: bytes.count)
  var starts = [Bool](repeating: false, count: bytes.count)
  var span = kinds.mutableSpan
  var start = 0
  while start < bytes.count {
    let instruction = X86Instruction(bytes.span, at: start, end: bytes.count)
    instruction.write(kinds: &span, at: start)
    starts[start] = true
    start += instruction.count
  }
  return (kinds, starts)
}

private func unhex(_ text: String) -> [UInt8] {
  let digits = text.compactMap(\.hexDigitValue)
  return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
