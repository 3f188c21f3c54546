internal import CodeReferences

/// Foretells the numbers of section headers: what a linker does when sections grow and shrink.
struct SectionForecast {
  private let base: ElfLayout?
  private let isBlind: Bool
  /// Where the sections before end, in file and memory, in the target.
  private var end = (offset: 0 as UInt64, address: 0 as UInt64)
  /// For each section of the base where those before it end.
  private let oldEnds: [(offset: UInt64, address: UInt64)]
  private var nameShift: UInt64 = 0

  /// If it `isBlind`, it foretells what the section of the base had.
  init(base: ElfLayout?, isBlind: Bool) {
    self.base = base
    self.isBlind = isBlind
    var ends: [(offset: UInt64, address: UInt64)] = []
    var end = (offset: 0 as UInt64, address: 0 as UInt64)
    for header in base?.sections ?? [] {
      ends.append(end)
      Self.advance(&end, HeaderNumbers(header))
    }
    oldEnds = ends
  }

  /// The likely values of `field` of section `index`, which comes from section `source`; `known` holds
  /// the fields before.
  func candidates(
    _ field: HeaderNumbers.Field, index: Int, source: Int, known: HeaderNumbers
  ) -> [UInt64] {
    guard let base, source >= 0, source < base.sections.count else {
      return unpaired(field, known)
    }
    let old = HeaderNumbers(base.sections[source])
    guard !isBlind else { return [old[field]] }
    switch field {
    case .address: return addresses(old, source, known)
    case .offset: return offsets(old, source, known)
    case .name: return [old[.name] &+ nameShift, old[.name]]
    case .link: return [shifted(old[.link], index, source), old[.link]]
    case .info:
      // SHF_INFO_LINK: the number is that of a section.
      return old[.flags] & 0x40 != 0
        ? [shifted(old[.info], index, source), old[.info]] : [old[.info]]
    default: return [old[field]]
    }
  }

  /// Takes note of a whole header.
  mutating func add(_ numbers: HeaderNumbers, source: Int) {
    Self.advance(&end, numbers)
    if let base, source >= 0, source < base.sections.count {
      nameShift = numbers[.name] &- UInt64(base.sections[source].nameOffset)
    }
  }

  /// Where the contents of all sections so far end in the file.
  var endOffset: UInt64 { end.offset }

  private func shifted(_ section: UInt64, _ index: Int, _ source: Int) -> UInt64 {
    section == 0 ? 0 : section &+ UInt64(bitPattern: Int64(index - source))
  }

  private func unpaired(_ field: HeaderNumbers.Field, _ known: HeaderNumbers) -> [UInt64] {
    switch field {
    case .type: [1]
    case .alignment: [1, 8, 16]
    case .address:
      known[.flags] & SectionHeader.flagAllocated == 0
        ? [0] : [Self.aligned(end.address, known[.alignment])]
    case .offset: [Self.aligned(end.offset, known[.alignment])]
    default: [0]
    }
  }

  private func addresses(
    _ old: HeaderNumbers, _ source: Int, _ known: HeaderNumbers
  ) -> [UInt64] {
    guard known[.flags] & SectionHeader.flagAllocated != 0 else { return [old[.address]] }
    let before = oldEnds[source].address
    let moved = old[.address] &+ (end.address &- before)
    let next = Self.aligned(end.address, known[.alignment])
    if old[.address] &- before < max(1, known[.alignment]) { return [next, old[.address], moved] }
    return [old[.address], old[.address] &+ Self.pages(end.address &- before), moved, next]
  }

  private func offsets(_ old: HeaderNumbers, _ source: Int, _ known: HeaderNumbers) -> [UInt64] {
    let before = oldEnds[source].offset
    let moved = old[.offset] &+ (end.offset &- before)
    let next = Self.aligned(end.offset, known[.alignment])
    let isAdjacent = old[.offset] &- before < max(1, known[.alignment])
    if known[.flags] & SectionHeader.flagAllocated != 0 {
      // Contents and memory agree within a page.
      let page = (known[.address] &- old[.address]) &+ old[.offset]
      return isAdjacent ? [next, page, moved] : [page, next, moved]
    }
    return isAdjacent ? [next, moved] : [moved, next]
  }

  private static func advance(
    _ end: inout (offset: UInt64, address: UInt64), _ numbers: HeaderNumbers
  ) {
    let isEmpty =
      numbers[.type] == UInt64(SectionHeader.typeNoBits)
      || numbers[.type] == UInt64(SectionHeader.typeNull)
    let isThreadLocal = numbers[.flags] & SectionHeader.flagThreadLocal != 0
    if numbers[.flags] & SectionHeader.flagAllocated != 0 && !(isEmpty && isThreadLocal) {
      end.address = numbers[.address] &+ numbers[.size]
    }
    end.offset = numbers[.offset] &+ (isEmpty ? 0 : numbers[.size])
  }

  private static func aligned(_ value: UInt64, _ alignment: UInt64) -> UInt64 {
    guard alignment > 1, alignment & (alignment &- 1) == 0 else { return value }
    return (value &+ alignment &- 1) & ~(alignment &- 1)
  }

  /// `distance` in whole pages, rounded to the nearest.
  private static func pages(_ distance: UInt64) -> UInt64 { (distance &+ 2048) & ~4095 }
}
