internal import CodeReferences

extension FrontMatter {
  /// Gives each section the role of its source, whose name is known.
  mutating func takeRoles(from base: ElfLayout?) {
    guard let base, let layout else { return }
    var roles = layout.roles
    for (section, source) in zip(roles.indices, sources) where source >= 0 {
      roles[section] = base.role(Int(source))
    }
    self.layout = ElfLayout(layout, roles: roles)
  }
}

extension LayoutPair {
  /// The base's layout, or nil where it has none.
  var oldIfAny: ElfLayout? { old.sections.isEmpty ? nil : old }

  /// Returns where the byte at `place` of the base's file went.
  package func target(ofPlace place: Int) -> Int? { positions.target(of: place) }

  /// The section of the base that `section` of the target comes from.
  func source(of section: Int, _ front: FrontMatter) -> Int? {
    guard front.sources.indices.contains(section) else { return nil }
    let source = Int(front.sources[section])
    return source >= 0 && source < old.sections.count ? source : nil
  }
}
