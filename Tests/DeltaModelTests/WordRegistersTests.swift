import CodeReferences
import Testing

@testable import DeltaModel

/// Words are written as the manuals have them: LoongArch Reference Manual, volume 1; Arm Architecture Reference Manual.
@Suite("Registers of words")
struct WordRegistersTests {
  /// rd, rj and rk; Rd, Rn and Rm.
  private static let loong: [UInt32] = [31, 31 << 5, 31 << 10]
  private static let arm: [UInt32] = [31, 31 << 5, 31 << 16]

  @Test(arguments: [
    ("add.d", 0x0010_8000, 3), ("clz.d", 0x0000_2400, 2), ("slli.d", 0x0041_0000, 2),
    ("addi.d", 0x02c0_0000, 2), ("ld.d", 0x28c0_0000, 2), ("ldx.d", 0x380c_0000, 3),
    ("fadd.d", 0x0101_0000, 3), ("fmov.d", 0x0114_9800, 2), ("fmadd.d", 0x0820_0000, 3),
    ("lu12i.w", 0x1400_0000, 1), ("pcalau12i", 0x1a00_0000, 1), ("jirl", 0x4c00_0000, 2),
    ("beq", 0x5800_0000, 2), ("b", 0x5000_0000, 0), ("bl", 0x5400_0000, 0),
    ("bceqz", 0x4800_0000, 0),
  ])
  func `words of LoongArch64 have so many registers`(name: String, word: Int, count: Int) throws {
    let code = try #require(WordCode(machine: 258))
    let expected = Self.loong.prefix(count).reduce(0, |)
    #expect(code.registers(UInt32(word)) == expected, "\(name)")
  }

  @Test func `a branch on one register of LoongArch64 has it in the second place`() throws {
    let code = try #require(WordCode(machine: 258))
    #expect(code.registers(0x4000_0000) == Self.loong[1])
    #expect(ByteKind.loongBranch21.referenceRegisters(0x4400_0000) == Self.loong[1])
    #expect(ByteKind.loongBranch21.plainRegisters(0x4400_0000) == 0)
  }

  @Test(arguments: [
    ("add x0, x1, x2", 0x8b02_0020, 3), ("add x0, x1, #1", 0x9100_0420, 2),
    ("movz x0, #1", 0xd280_0020, 1), ("adrp x0, .", 0x9000_0000, 1), ("b .", 0x1400_0000, 0),
  ])
  func `words of AArch64 have so many registers`(name: String, word: Int, count: Int) throws {
    let code = try #require(WordCode(machine: 183))
    let expected = Self.arm.prefix(count).reduce(0, |)
    #expect(code.registers(UInt32(word)) == expected, "\(name)")
  }

  @Test func `half words of RISC-V have none that are known`() throws {
    #expect(try #require(WordCode(machine: 243)).registers(0xffff_ffff) == 0)
  }

  @Test func `a renamed register is expected wherever it is named`() throws {
    let code = try #require(WordCode(machine: 258))
    var names = WordRegisters()
    // add.d a0, a1, a2 became add.d a0, t1, a2.
    let (old, new): (UInt32, UInt32) = (0x0010_98a4, 0x0010_99a4)
    let mask = code.registers(old)
    #expect(WordRegisters.isRenaming(old, new, registers: mask))
    names.learn(old, new, registers: mask)
    // ld.d a3, a1, 8: ld.d a3, t1, 8.
    let load: UInt32 = 0x28c0_20a7
    #expect(names.renamed(load, registers: code.registers(load)) == 0x28c0_21a7)
    // What is no register stays: the bits of rj in bl.
    let call: UInt32 = 0x5400_00a0
    #expect(names.renamed(call, registers: code.registers(call)) == call)
    // Another constant is no renaming.
    #expect(!WordRegisters.isRenaming(load, load ^ 0x400, registers: code.registers(load)))
  }
}
