extension ElfLayout {
  /// The layout of a file that has none: no sections, no frame.
  package static let none = ElfLayout()

  /// The section of the relocations that the PLT's entries push the numbers of.
  package var pltRelocations: Int? {
    sections.indices.first { index in
      sections[index].type == SectionHeader.typeRela && sections[index].isAllocated
        && sections[index].info != 0
    }
  }
}

extension FieldMap {
  /// The map of a file without fields.
  package static let none = FieldMap([])
}
