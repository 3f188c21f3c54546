internal import CodeReferences
internal import DeltaModel

/// Finds for each section of the target the section of the base it was built from.
enum SectionPairing {
  private struct Key: Hashable {
    let name: [UInt8]
    let type: UInt32
    let ordinal: Int
  }

  /// Returns the front matter of `target`: its frame and the sources of its sections.
  static func frontMatter(
    base: [UInt8], baseLayout: ElfLayout?, target: [UInt8]
  ) -> FrontMatter {
    guard let layout = ElfLayout(target.span) else { return .none }
    guard let baseLayout, baseLayout.isSynthetic == layout.isSynthetic else {
      return FrontMatter(layout: layout, sources: layout.sections.map { _ in -1 })
    }
    if layout.isSynthetic {
      return FrontMatter(
        layout: layout,
        sources: layout.sections.indices.map {
          $0 < baseLayout.sections.count ? Int32($0) : -1
        })
    }
    var places: [Key: Int] = [:]
    for (index, key) in keys(baseLayout, base).enumerated() { places[key] = index }
    let sources = keys(layout, target).map { Int32(places[$0] ?? -1) }
    return FrontMatter(layout: layout, sources: sources)
  }

  private static func keys(_ layout: ElfLayout, _ bytes: [UInt8]) -> [Key] {
    let names = Int(layout.header[62]) | Int(layout.header[63]) << 8
    let table = names < layout.sections.count ? layout.range(of: names) : 0..<0
    var seen: [Key: Int] = [:]
    return layout.sections.map { header in
      let start = table.lowerBound + Int(header.nameOffset)
      var name: [UInt8] = []
      if start < table.upperBound {
        name = Array(bytes[start..<table.upperBound].prefix(while: { $0 != 0 }).prefix(256))
      }
      let key = Key(name: name, type: header.type, ordinal: 0)
      let ordinal = seen[key, default: 0]
      seen[key] = ordinal + 1
      return Key(name: name, type: header.type, ordinal: ordinal)
    }
  }
}
