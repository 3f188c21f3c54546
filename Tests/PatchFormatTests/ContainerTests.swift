import Bytes
import PatchFormat
import Testing

@Suite("Container")
struct ContainerTests {
  static let envelope: [UInt8] = [0xd8, 0x62, 0x80]
  static let blobs: [[UInt8]] = [[1, 2, 3], [4]]

  static func file() throws -> [UInt8] {
    try UnverifiedPatch.file(envelope: envelope, blobs: blobs)
  }

  @Test func `a file is the header, the envelope and the blobs, and nothing else`() throws {
    let file = try Self.file()
    #expect(
      file == Array("HLP1".utf8) + [1, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]
        + Self.envelope + [1, 2, 3, 4])
    let patch = try UnverifiedPatch(parsing: file)
    #expect(patch.envelope == Self.envelope)
    #expect(patch.blobs == [1, 2, 3, 4])
    #expect(patch.fileSize == file.count)
  }

  @Test func `every proper prefix and every longer file is refused`() throws {
    let file = try Self.file()
    for count in 0..<file.count {
      let error = #expect(throws: FormatError.self) {
        try UnverifiedPatch(parsing: Array(file.prefix(count)))
      }
      #expect(error.map { Fault($0) } == .truncated)
    }
    #expect(containerFault(file + [0]) == .trailing)
    #expect(containerFault(file + file) == .trailing)
  }

  @Test func `another magic is refused, whichever bit differs`() throws {
    let file = try Self.file()
    for bit in 0..<32 {
      var changed = file
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(containerFault(changed) == .illegal)
    }
    #expect(containerFault(Array("1PLH".utf8) + file.dropFirst(4)) == .illegal)
  }

  /// The version decides before anything is read that a later version may have moved.
  @Test(arguments: [0, 2, 256, 0xffff] as [UInt16])
  func `another version is unsupported, whatever follows`(version: UInt16) throws {
    let start = Array("HLP1".utf8) + [UInt8(version & 255), UInt8(version >> 8)]
    #expect(containerFault(start) == .unsupported)
    #expect(containerFault(start + [0xff, 0xff, 0xff]) == .unsupported)
  }

  @Test func `a reserved field that is not zero is refused`() throws {
    for index in 6..<8 {
      var file = try Self.file()
      file[index] = 1
      #expect(containerFault(file) == .illegal)
    }
  }

  @Test(
    arguments: [
      (0, Fault.illegal), (UInt32(PatchLimits.envelopeSize), .truncated),
      (UInt32(PatchLimits.envelopeSize) + 1, .overLimit), (1 << 31, .overLimit),
      (UInt32.max, .overLimit),
    ] as [(UInt32, Fault)])
  func `a size of the envelope that cannot be is refused before anything is allocated`(
    size: UInt32, expected: Fault
  ) throws {
    let header = ContainerHeader(envelopeSize: size, blobSize: 4)
    #expect(containerFault(header.encoded + Self.envelope) == expected)
  }

  @Test(
    arguments: [
      (PatchLimits.deltaSize, Fault.truncated), (PatchLimits.deltaSize + 1, .overLimit),
      (1 << 63, .overLimit), (UInt64.max, .overLimit),
    ] as [(UInt64, Fault)])
  func `a size of the blobs that cannot be is refused before anything is allocated`(
    size: UInt64, expected: Fault
  ) throws {
    let header = ContainerHeader(envelopeSize: 3, blobSize: size)
    #expect(containerFault(header.encoded + Self.envelope) == expected)
  }

  @Test func `a writer cannot make what no reader takes`() {
    #expect(throws: FormatError.self) { try UnverifiedPatch.file(envelope: [], blobs: []) }
    #expect(throws: FormatError.self) {
      try UnverifiedPatch.file(
        envelope: [UInt8](repeating: 0, count: PatchLimits.envelopeSize + 1), blobs: [])
    }
  }

  @Test func `the blobs must be exactly those of the components`() throws {
    var manifest = Samples.manifest
    #expect(try manifest.blobRanges(in: 120) == [0..<120])
    #expect(throws: FormatError(.truncated(missing: 1), at: 119)) {
      try manifest.blobRanges(in: 119)
    }
    #expect(throws: FormatError(.trailing(count: 1), at: 120)) {
      try manifest.blobRanges(in: 121)
    }
    manifest.components.append(manifest.components[0])
    #expect(try manifest.blobRanges(in: 240) == [0..<120, 120..<240])
  }

  private func containerFault(_ bytes: [UInt8]) -> Fault? {
    do throws(FormatError) {
      _ = try UnverifiedPatch(parsing: bytes)
      return nil
    } catch {
      return Fault(error)
    }
  }
}
