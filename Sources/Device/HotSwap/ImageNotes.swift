internal import Bytes

/// The two notes of a mapped image that say which build it is.
struct ImageNotes: Sendable {
  /// Largest note segment that is read.
  static let byteLimit = 1 << 16

  /// The build-id that the linker wrote.
  private(set) var buildID: [UInt8]?
  /// The module's facts, as 96 bytes.
  private(set) var facts: [UInt8]?

  /// Reads both from the note segments of `layout`.
  init(_ layout: ImageLayout) throws(FormatError) {
    for (addresses, alignment) in layout.notes {
      guard addresses.count <= Self.byteLimit, let bytes = layout.bytes(at: addresses) else {
        throw FormatError(.illegal("a note segment outside of the image"), at: 0)
      }
      try collect(bytes, alignment: alignment)
    }
  }

  private mutating func collect(_ bytes: [UInt8], alignment: Int) throws(FormatError) {
    var reader = ByteReader(bytes)
    while reader.remaining > 0 {
      let nameSize = try reader.little(UInt32.self)
      let size = try reader.little(UInt32.self)
      let type = try reader.little(UInt32.self)
      let name = try reader.bytes(UInt64(nameSize))
      try reader.skip(padding(reader.position, alignment))
      let description = try reader.bytes(UInt64(size))
      // The last entry may end without padding.
      try reader.skip(min(padding(reader.position, alignment), UInt64(reader.remaining)))
      switch (name, type) {
      case (Array("GNU\0".utf8), 3): buildID = buildID ?? description
      case (Array("Hitless\0".utf8), 1): facts = facts ?? description
      default: break
      }
    }
  }

  private func padding(_ position: Int, _ alignment: Int) -> UInt64 {
    UInt64((alignment - position % alignment) % alignment)
  }
}
