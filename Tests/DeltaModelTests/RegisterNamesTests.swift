import CodeReferences
import Testing

@testable import DeltaModel

/// Instructions are written as the manual has them (Intel SDM volume 2), in the base and as they became.
@Suite("Register names")
struct RegisterNamesTests {
  @Test func `a renamed register is expected wherever it is named`() {
    var names = RegisterNames()
    // mov rax, rbx became mov rax, r12.
    #expect(follow([0x48, 0x89, 0xd8], became: [0x4c, 0x89, 0xe0], &names) == [0x48, 0x89, 0xd8])
    // add rcx, rbx: add rcx, r12.
    #expect(renamed([0x48, 0x01, 0xd9], names) == [0x4c, 0x01, 0xe1])
    // mov rax, [rbx + 4 * rcx]: mov rax, [r12 + 4 * rcx].
    #expect(renamed([0x48, 0x8b, 0x04, 0x8b], names) == [0x49, 0x8b, 0x04, 0x8c])
    // pop rbx: the lower bits of pop r12, which would need a REX.
    #expect(renamed([0x5b], names) == [0x5c])
    // bswap rbx: bswap r12.
    #expect(renamed([0x48, 0x0f, 0xcb], names) == [0x49, 0x0f, 0xcc])
  }

  @Test func `registers of vectors are others`() {
    var names = RegisterNames()
    // movaps xmm0, xmm3 became movaps xmm0, xmm5.
    _ = follow([0x0f, 0x28, 0xc3], became: [0x0f, 0x28, 0xc5], &names)
    // pxor xmm3, xmm1: pxor xmm5, xmm1.
    #expect(renamed([0x66, 0x0f, 0xef, 0xd9], names) == [0x66, 0x0f, 0xef, 0xe9])
    // mov ebx, ebx.
    #expect(renamed([0x89, 0xdb], names) == [0x89, 0xdb])
    // movaps xmm3, [rbx]: movaps xmm5, [rbx].
    #expect(renamed([0x0f, 0x28, 0x1b], names) == [0x0f, 0x28, 0x2b])
  }

  @Test func `what became another instruction says nothing`() {
    var names = RegisterNames()
    // mov eax, ebx became add eax, esi.
    _ = follow([0x89, 0xd8], became: [0x01, 0xf0], &names)
    #expect(renamed([0x89, 0xd8], names) == [0x89, 0xd8])
    // The middle of add ebx, 1 is a part of the opcode; sub ebx, 1 names the same register.
    _ = follow([0x83, 0xc3, 0x01], became: [0x83, 0xeb, 0x01], &names)
    #expect(renamed([0x89, 0xc0], names) == [0x89, 0xc0])
  }

  @Test func `a base on the stack is told from one in a register`() {
    var names = RegisterNames()
    _ = follow([0x8b, 0x44, 0x24, 0x08], became: [0x8b, 0x44, 0x24, 0x10], &names)
    let stack = names.frame
    _ = follow([0x8b, 0x43, 0x08], became: [0x8b, 0x43, 0x08], &names)
    #expect(stack != names.frame)
    #expect(stack != 0)
    names.begin()
    #expect(names.frame == 0)
  }

  private func renamed(_ old: [UInt8], _ names: RegisterNames) -> [UInt8] {
    var names = names
    return follow(old, became: nil, &names)
  }

  /// Returns what the bytes of an instruction are expected to become, each known when the next is asked
  /// for; nil became what is expected.
  private func follow(
    _ old: [UInt8], became new: [UInt8]?, _ names: inout RegisterNames
  ) -> [UInt8] {
    var kinds = Array(repeating: 0 as UInt8, count: old.count)
    var span = kinds.mutableSpan
    X86Instruction(old.span, at: 0, end: old.count).write(kinds: &span, at: 0)
    names.begin()
    return old.indices.map { index in
      let kind = ByteKind(rawValue: kinds[index]).plain
      let expected = names.renamed(kind, at: index, base: old.span)
      names.learn(kind, was: Int(old[index]), now: new.map { Int($0[index]) } ?? expected)
      return UInt8(expected)
    }
  }
}
