import CodeReferences
import TestSupport
import Testing

/// Layouts that are looked up say the same as those that are read.
@Suite("Shapes of x86-64 instructions")
struct X86ShapesTests {
  /// All that a shape may depend on: prefixes, REX, escape and opcode, mod, rm and reg, and the base of a SIB.
  @Test func `every opcode with each kind of operand has the layout that is read`() {
    let shapes = X86Shapes.shared
    let heads: [[UInt8]] = [
      [], [0x66], [0xf2], [0xf3], [0x41], [0x48], [0x66, 0x4c], [0xf3, 0x4f], [0x66, 0x43],
    ]
    var (known, read) = (0, 0)
    for head in heads {
      for opcode in 0..<512 {
        let opcodes = opcode < 256 ? [UInt8(opcode)] : [0x0f, UInt8(opcode & 255)]
        for operand in 0..<256 where [0, 4, 5].contains(operand & 7) {
          // A base of 5 is none where mod is 0; with another rm this byte is no SIB.
          for sib: UInt8 in [0x24, 0x25] where sib == 0x25 || operand & 7 == 4 {
            let bytes =
              head + opcodes + [UInt8(operand), sib] + [UInt8](repeating: 0x11, count: 15)
            read += 1
            guard let shape = shapes.number(word(bytes)) else { continue }
            known += 1
            guard isSame(shape, bytes) else {
              Issue.record("\(bytes)")
              return
            }
          }
        }
      }
    }
    // What has none is unassigned, or has another table of opcodes.
    #expect(known * 10 > read * 7, "\(known) of \(read)")
  }

  @Test
  func `a library's instructions start where reading them says, and its bytes have their kinds`()
    throws
  {
    let map = try FieldSamples.map(FieldSamples.crypto)
    let layout = try #require(map.layout)
    let code = try #require(
      layout.sections.indices.filter { layout.role($0) == .code }.max {
        layout.range(of: $0).count < layout.range(of: $1).count
      })
    let range = layout.range(of: code)
    var reader = FieldReader(map)
    for part in [range.prefix(400_000), range.suffix(20_000)] {
      var place = try #require(map.starts.previous(part.lowerBound))
      while place < part.upperBound {
        let instruction = X86Instruction(map.bytes.span, at: place, end: range.upperBound)
        let end = place + instruction.count
        let kinds = (place..<end).map { reader.kind(at: $0).rawValue }
        let isCode = kinds.allSatisfy { ByteKind(rawValue: $0).plain != .jumpTableEntry }
        if isCode && kinds != writtenKinds(of: instruction, count: instruction.count)
          || end < range.upperBound && !map.starts.contains(end)
        {
          Issue.record("at \(place): \(kinds)")
          return
        }
        place = end
      }
    }
  }

  /// Others are read; two of these change what the prefix before them says.
  @Test(arguments: [
    [0x66, 0x66], [0x66, 0xf2], [0xf3, 0x66], [0x48, 0x66], [0x48, 0x41], [0x67], [0xf0], [0x64],
    [0x2e, 0x48], [0xf2, 0xf3],
  ])
  func `an instruction with other prefixes has no shape`(head: [UInt8]) {
    for opcodes: [UInt8] in [[0x8b], [0x0f, 0xaf], [0xb8], [0xe8]] {
      #expect(X86Shapes.shared.number(word(head + opcodes + [0x05, 0, 0, 0, 0, 0])) == nil)
    }
  }

  /// Whether `shape` says of the instruction at the start of `bytes` what reading it says.
  private func isSame(_ shape: Int, _ bytes: [UInt8]) -> Bool {
    let shapes = X86Shapes.shared
    let instruction = X86Instruction(bytes.span, at: 0, end: bytes.count)
    var kinds = [UInt8](repeating: 0, count: 16)
    var span = kinds.mutableSpan
    shapes.write(shape, to: &span, at: 0)
    return !instruction.isBad && shapes.count(shape) == instruction.count
      && kinds == writtenKinds(of: instruction, count: 16)
  }

  private func word(_ bytes: [UInt8]) -> UInt64 {
    bytes.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}

@Suite("Starts that ascend")
struct AscendingStartsTests {
  @Test(arguments: [1, 2, 3, 4])
  func `the last start at or below a place is found`(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for round in 0..<30 {
      // Sections of a file, of an image with a hole in it, and starts anywhere, with some twice.
      let count = Int.random(in: 0..<(round % 3 == 0 ? 2000 : 40), using: &random)
      let most: UInt64 = round % 3 == 1 ? 20 : round % 3 == 2 ? 1 << 24 : .max
      var starts = (0..<count).map { _ in UInt64.random(in: 0...most, using: &random) }
      if round & 1 == 0, let one = starts.first { starts += [one, .max] }
      starts.sort()
      let index = AscendingStarts(starts)
      let near = starts.flatMap { [$0, $0 &- 1, $0 &+ 1] }.prefix(300)
      for place in near + [0, 1, most, .max] {
        let expected = starts.count { $0 <= place } - 1
        try #require(index.last(atOrBelow: place) == expected, "\(place) of \(count), \(seed)")
      }
    }
  }
}
