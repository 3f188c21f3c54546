internal import Bytes

/// One note: a fact about the file, with the owner of its meaning.
package struct ElfNote: Equatable, Sendable {
  /// Who defines the types.
  package let owner: String
  /// What the description is, in the owner's numbers.
  package let type: UInt32
  /// The fact.
  package let description: [UInt8]
  /// Where the note starts in the file.
  package let offset: Int
}

extension ElfImage {
  /// NT_GNU_BUILD_ID of the owner "GNU".
  private static let buildIDType: UInt32 = 3

  /// The identity that the linker gave the file; nil when there is none or more than one.
  package var buildID: [UInt8]? {
    let found = loadedNotes.filter { $0.owner == "GNU" && $0.type == Self.buildIDType }
    return found.count == 1 ? found[0].description : nil
  }

  /// The notes that count: the mapped ones, or those of the sections where nothing is mapped.
  var loadedNotes: [ElfNote] { programHeaders.isEmpty ? sectionNotes : notes }

  static func segmentNotes(
    _ segments: [ProgramHeader], in bytes: [UInt8]
  ) throws(FormatError) -> [ElfNote] {
    var notes: [ElfNote] = []
    for segment in segments where segment.kind == .note {
      let end = try segment.offset.adding(segment.fileSize, at: bytes.count)
      try readNotes(in: segment.offset..<end, segment.alignment, of: bytes, into: &notes)
    }
    return notes
  }

  static func sectionNotes(
    _ sections: [ElfSection], in bytes: [UInt8]
  ) throws(FormatError) -> [ElfNote] {
    var notes: [ElfNote] = []
    for section in sections where section.kind == .note {
      let end = try section.offset.adding(section.size, at: bytes.count)
      try readNotes(in: section.offset..<end, section.alignment, of: bytes, into: &notes)
    }
    return notes
  }

  /// Reads notes whose descriptions are padded to 8 bytes where `alignment` is 8, else to 4.
  private static func readNotes(
    in range: Range<UInt64>, _ alignment: UInt64, of bytes: [UInt8], into notes: inout [ElfNote]
  ) throws(FormatError) {
    let unit: UInt64 = alignment == 8 ? 8 : 4
    var reader = try ByteReader(bytes, in: range)
    while reader.remaining > 0 {
      let start = reader.position
      guard notes.count < ElfLimits.notes else {
        throw FormatError(
          .overLimit(
            "number of notes", found: UInt64(notes.count) + 1, limit: UInt64(ElfLimits.notes)),
          at: start)
      }
      let nameSize = UInt64(try reader.little(UInt32.self))
      let size = UInt64(try reader.little(UInt32.self))
      let type = try reader.little(UInt32.self)
      let name = try reader.bytes(nameSize)
      try reader.skip(padding(of: 12 + nameSize, to: unit))
      let description = try reader.bytes(size)
      // The padding of the last note may be missing.
      try reader.skip(min(padding(of: size, to: unit), UInt64(reader.remaining)))
      let owner = String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
      notes.append(ElfNote(owner: owner, type: type, description: description, offset: start))
    }
  }

  private static func padding(of count: UInt64, to unit: UInt64) -> UInt64 {
    (unit - count % unit) % unit
  }
}
