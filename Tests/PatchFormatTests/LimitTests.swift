import Bytes
import Digests
import PatchFormat
import Testing

/// Every cap of docs/format.md, section 7: at it, and one past it.
@Suite("Limits of the format")
struct LimitTests {
  @Test func `the caps are those of the document`() {
    #expect(PatchLimits.manifestSize == 1 << 20)
    #expect(PatchLimits.components == 256)
    #expect(PatchLimits.imageSize == 1 << 30)
    #expect(PatchLimits.deltaSize == 1 << 30)
    #expect(PatchLimits.decoderOverhead == 32 << 20)
  }

  @Test func `a manifest of 1 MiB is read, one byte more is not`() throws {
    let padding = try Samples.manifest(replacing: 64, with: .bytes([]))
    // An empty byte string has a head of one byte, this one of five.
    let room = PatchLimits.manifestSize - padding.count - 4
    let largest = try Samples.manifest(
      replacing: 64, with: .bytes([UInt8](repeating: 0, count: room)))
    #expect(largest.count == PatchLimits.manifestSize)
    #expect(fault(largest) == nil)
    let larger = try Samples.manifest(
      replacing: 64, with: .bytes([UInt8](repeating: 0, count: room + 1)))
    #expect(fault(larger) == .overLimit)
  }

  @Test func `256 components are read, one more is not`() throws {
    let components = try (0...PatchLimits.components).map { number in
      var fields = try Samples.componentFields()
      fields[2] = .text("m\(number)")
      return Samples.map(fields)
    }
    #expect(
      try fault(Samples.manifest(replacing: 10, with: .array(components.dropLast()))) == nil)
    #expect(
      try fault(Samples.manifest(replacing: 10, with: .array(components))) == .overLimit)
  }

  @Test func `an image of 1 GiB is described, one byte more is not`() throws {
    let limit = PatchLimits.imageSize
    for key in [6, 7] as [UInt64] {
      let digest = SHA256Digest(of: [9]).bytes
      #expect(
        try fault(
          Samples.manifest(
            replacingInComponent: key, with: Samples.image(digest: digest, size: limit))) == nil)
      for size in [limit + 1, UInt64.max] {
        #expect(
          try fault(
            Samples.manifest(
              replacingInComponent: key, with: Samples.image(digest: digest, size: size)))
            == .overLimit)
      }
      #expect(
        try fault(
          Samples.manifest(
            replacingInComponent: key, with: Samples.image(digest: digest, size: 0))) == .illegal)
    }
  }

  @Test func `a delta of 1 GiB is described, one byte more is not`() throws {
    let limit = PatchLimits.deltaSize
    #expect(
      try fault(Samples.manifest(replacingInComponent: 8, with: Samples.delta(size: limit)))
        == nil)
    for size in [limit + 1, UInt64.max] {
      #expect(
        try fault(Samples.manifest(replacingInComponent: 8, with: Samples.delta(size: size)))
          == .overLimit)
    }
    #expect(
      try fault(Samples.manifest(replacingInComponent: 8, with: Samples.delta(size: 0)))
        == .illegal)
  }

  @Test func `memory for decoding is bounded by base, target and 32 MiB`() throws {
    let limit = 5000 + 5100 + PatchLimits.decoderOverhead
    #expect(
      try fault(Samples.manifest(replacingInComponent: 8, with: Samples.delta(memory: limit)))
        == nil)
    for memory in [limit + 1, UInt64.max] {
      #expect(
        try fault(Samples.manifest(replacingInComponent: 8, with: Samples.delta(memory: memory)))
          == .overLimit)
    }
  }

  @Test func `a build-id has 8 to 32 bytes`() throws {
    for (count, expected) in [(7, .illegal), (8, nil), (32, nil), (33, .illegal)]
      as [(Int, Fault?)]
    {
      let id = [UInt8](repeating: 1, count: count)
      #expect(
        try fault(Samples.manifest(replacingInComponent: 6, with: Samples.image(buildID: id)))
          == expected)
      #expect(try fault(Samples.manifest(replacing: 12, with: .array([.bytes(id)]))) == expected)
    }
  }

  @Test func `lists of references have at most 256 entries`() throws {
    let labels = (0...PatchLimits.listCount).map { CBOR.text("id-\($0)") }
    #expect(try fault(Samples.manifest(replacing: 11, with: .array(labels.dropLast()))) == nil)
    #expect(try fault(Samples.manifest(replacing: 11, with: .array(labels))) == .overLimit)
    let ids = (0...PatchLimits.listCount).map {
      CBOR.bytes(SHA256Digest(of: [UInt8($0 & 255), UInt8($0 >> 8)]).bytes)
    }
    #expect(try fault(Samples.manifest(replacing: 12, with: .array(ids.dropLast()))) == nil)
    #expect(try fault(Samples.manifest(replacing: 12, with: .array(ids))) == .overLimit)
  }

  @Test func `a module has at most four kinds of state`() throws {
    let states = (0...UInt64(PatchLimits.states)).map { CBOR.array([.unsigned($0), .unsigned(8)]) }
    #expect(
      try fault(Samples.manifest(replacingInComponent: 9, with: .array(states.dropLast()))) == nil)
    #expect(
      try fault(Samples.manifest(replacingInComponent: 9, with: .array(states))) == .overLimit)
  }
}
