import Glibc
import Platform
import Testing

@Suite("Sealed memory file")
struct SealedMemoryFileTests {
  static let sample: [UInt8] = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }

  @Test(arguments: SealedMemoryFile.Execution.allCases)
  func `the bytes come back as they went in`(execution: SealedMemoryFile.Execution) throws {
    let file = try SealedMemoryFile.seal(Self.sample, name: "sample", execution: execution)
    #expect(file.count == Self.sample.count)
    #expect(try file.contents() == Self.sample)
  }

  @Test func `an empty file can be sealed and read`() throws {
    let file = try SealedMemoryFile.seal([], name: "empty")
    #expect(try file.contents().isEmpty)
  }

  @Test func `nobody can write, grow or shrink it`() throws {
    let file = try SealedMemoryFile.seal(Self.sample, name: "sealed")
    var byte: UInt8 = 1
    #expect(unsafe pwrite(file.descriptor.number, &byte, 1, 0) == -1)
    #expect(errno == EPERM)
    #expect(ftruncate(file.descriptor.number, 1) == -1)
    #expect(errno == EPERM)
    #expect(ftruncate(file.descriptor.number, 1 << 20) == -1)
    #expect(errno == EPERM)
    #expect(try file.contents() == Self.sample)
  }

  @Test func `not even by another opening of the same file`() throws {
    let file = try SealedMemoryFile.seal(Self.sample, name: "sealed")
    let again = unsafe fopen("/proc/self/fd/\(file.descriptor.number)", "r+")
    let stream = try unsafe #require(again)
    unsafe fputc(1, stream)
    #expect(unsafe fflush(stream) != 0)
    unsafe fclose(stream)
    #expect(try file.contents() == Self.sample)
  }

  @Test func `it cannot be mapped shared and writable`() throws {
    let file = try SealedMemoryFile.seal(Self.sample, name: "sealed")
    let map = unsafe mmap(
      nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor.number, 0)
    #expect(unsafe map == MAP_FAILED)
  }

  @Test(arguments: SealedMemoryFile.Execution.allCases)
  func `code can be mapped from it whatever it says about execution`(
    execution: SealedMemoryFile.Execution
  ) throws {
    let file = try SealedMemoryFile.seal(Self.sample, name: "code", execution: execution)
    let map = unsafe mmap(
      nil, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file.descriptor.number, 0)
    #expect(unsafe map != MAP_FAILED)
    unsafe munmap(map, 4096)
  }
}
