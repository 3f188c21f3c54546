package import CodeReferences

/// What both sides know of the target before any of its contents: its frame, and which section of the
/// base each of its sections comes from.
package struct FrontMatter: Sendable {
  /// The target's frame, or nil where it is no ELF file.
  package var layout: ElfLayout?
  /// For each section of the target the section of the base it comes from, or -1.
  package var sources: [Int32]

  /// A target without sections.
  package static let none = FrontMatter(layout: nil, sources: [])

  /// Creates front matter.
  package init(layout: ElfLayout?, sources: [Int32]) {
    self.layout = layout
    self.sources = sources
  }

  /// For each of `count` sections of the base the first section of the target that comes from it, or -1.
  package func counterparts(_ count: Int) -> [Int32] {
    var result: [Int32] = Array(repeating: -1, count: count)
    for (section, source) in sources.enumerated() where source >= 0 && Int(source) < count {
      if result[Int(source)] < 0 { result[Int(source)] = Int32(truncatingIfNeeded: section) }
    }
    return result
  }
}

/// A header in numbers, in the order in which they are coded: each is foretold from those before.
struct HeaderNumbers {
  /// Which number is which.
  enum Field: Int, CaseIterable {
    case type, flags, alignment, address, offset, size, name, link, info, entrySize
  }

  var values = InlineArray<10, UInt64>(repeating: 0)

  subscript(_ field: Field) -> UInt64 {
    get { values[field.rawValue] }
    set { values[field.rawValue] = newValue }
  }

  init() {}

  init(_ header: SectionHeader) {
    self[.type] = UInt64(header.type)
    self[.flags] = header.flags
    self[.alignment] = header.alignment
    self[.address] = header.address
    self[.offset] = header.offset
    self[.size] = header.size
    self[.name] = UInt64(header.nameOffset)
    self[.link] = UInt64(header.link)
    self[.info] = UInt64(header.info)
    self[.entrySize] = header.entrySize
  }

  /// The header; numbers of 32 bits are cut.
  var header: SectionHeader {
    var header = SectionHeader()
    header.type = UInt32(truncatingIfNeeded: self[.type])
    header.flags = self[.flags]
    header.alignment = self[.alignment]
    header.address = self[.address]
    header.offset = self[.offset]
    header.size = self[.size]
    header.nameOffset = UInt32(truncatingIfNeeded: self[.name])
    header.link = UInt32(truncatingIfNeeded: self[.link])
    header.info = UInt32(truncatingIfNeeded: self[.info])
    header.entrySize = self[.entrySize]
    return header
  }
}
