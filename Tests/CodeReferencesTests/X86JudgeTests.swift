import CodeReferences
import Foundation
import TestSupport
import Testing

/// Real code and made code, swept by us and by GNU objdump.
///
/// The one way in which we may differ is to take for an instruction what objdump says is none. It
/// knows which opcodes are assigned and what their operands may be; we look at no more than decides
/// lengths, so that processors to come find their code read. That happens in data among code only.
@Suite("x86-64 instructions and objdump")
struct X86JudgeTests {
  /// A library of every machine on which these tests run: compiled C, and assembler with XOP, AVX-512
  /// and tables between the functions.
  static let library = "/usr/lib/x86_64-linux-gnu/libcrypto.so.3"
  /// More files, separated by white space: `tools/corpus/judge-x86` sets them.
  static let more = ProcessInfo.processInfo.environment["HITLESS_X86_FILES"]?
    .split(whereSeparator: \.isWhitespace).map(String.init)

  @Test(.enabled(if: FileManager.default.isReadableFile(atPath: library)))
  func `lengths and references in a library are those of objdump`() throws {
    let verdict = try X86Judge(Self.library, most: 1_200_000).verdict()
    #expect(verdict.instructions > 200_000)
    #expect(
      Set(verdict.differences.keys).isSubset(of: [X86Judge.unassigned]), "\(verdict.examples)")
    #expect(verdict.agreed * 1000 > verdict.instructions * 990)
  }

  @Test func `lengths and references of every opcode are those of objdump`() throws {
    let directory = try TemporaryDirectory()
    let raw = try directory.write("opcodes.bin", everyOpcode())
    let object = directory.path("opcodes.o")
    let made = try run(
      "/usr/bin/objcopy",
      [
        "-I", "binary", "-O", "elf64-x86-64", "--rename-section",
        ".data=.text,alloc,load,code,readonly,contents", raw, object,
      ])
    try #require(made.status == 0, "\(made.errors)")
    let verdict = try X86Judge(object).verdict()
    #expect(verdict.instructions > 200_000)
    #expect(
      Set(verdict.differences.keys).isSubset(of: [X86Judge.unassigned]), "\(verdict.examples)")
  }

  @Test(.enabled(if: more != nil), arguments: more ?? [])
  func `lengths and references in more files are those of objdump`(path: String) throws {
    let verdict = try X86Judge(path, most: 6_000_000).verdict()
    print("judged: \(path): \(verdict.instructions) instructions, \(verdict.differences)")
    for (way, examples) in verdict.examples {
      for example in examples { print("example: \(way): \(example)") }
    }
    #expect(Set(verdict.differences.keys).isSubset(of: [X86Judge.unassigned]))
  }
}

/// Each opcode of each map with some prefixes and some ModRM bytes, and NOP behind it.
private func everyOpcode() -> [UInt8] {
  let prefixes: [[UInt8]] = [[], [0x66], [0x48], [0xf2]]
  let escapes: [[UInt8]] = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]]
  var beginnings: [[UInt8]] = []
  for prefix in prefixes { beginnings += escapes.map { prefix + $0 } }
  for pp: UInt8 in 0...1 {
    for map: UInt8 in 1...3 { beginnings.append([0xc4, 0xe0 | map, 0x78 | pp]) }
    for map: UInt8 in [1, 2, 3, 5, 6] { beginnings.append([0x62, 0xf0 | map, 0x7c | pp, 0x48]) }
  }
  for map: UInt8 in 8...10 { beginnings.append([0x8f, 0xe0 | map, 0x78]) }
  var bytes: [UInt8] = []
  for beginning in beginnings {
    for opcode in UInt8.min...UInt8.max {
      for modRM: UInt8 in [0x05, 0x0d, 0x44, 0x84, 0xc0, 0xf8] {
        let instruction = beginning + [opcode, modRM, 0x25]
        bytes += instruction + [UInt8](repeating: 0x90, count: 18 - instruction.count)
      }
    }
  }
  return bytes
}
