/// The frame of an ELF file as a delta sees it: file header, program headers, section headers, and
/// which bytes belong to which section.
///
/// There is one for every 64-bit little-endian ELF file of which the header tables lie inside the file
/// and are within the limits below; everything else in them may be nonsense. Where sections overlap,
/// in the file or in memory, the first owns the bytes: the one with the lowest offset (or address),
/// and of these the one with the lowest index. So every byte has one section at most.
///
/// A class, because it never changes and is asked for each reference: a struct would be copied for each answer.
package final class ElfLayout: Sendable {
  /// The most sections a file may have.
  package static let maximumSections = 4096
  /// The most program headers it may have.
  package static let maximumProgramHeaders = 64
  /// How many bytes the file header has.
  package static let headerSize = 64
  /// How many bytes a program header has.
  package static let programHeaderSize = 56

  /// The 64 bytes at the start of the file.
  package let header: [UInt8]
  /// The program header table.
  package let programHeaders: [UInt8]
  /// The sections; when `isSynthetic`, made up from the program headers, with the null section.
  package let sections: [SectionHeader]
  /// Whether the file has no section headers, so that nothing of `sections` stands in it.
  package let isSynthetic: Bool
  /// What the program is compiled for (`e_machine`).
  package let machine: UInt16
  /// Whether the file is the linker's input (`ET_REL`), where addresses are not given out yet.
  package let isRelocatable: Bool
  /// How many bytes the file has.
  package let fileSize: Int
  /// What each section is for.
  package let roles: [SectionRole]
  /// The bytes of file header, program headers and section headers: ascending, not empty, disjoint.
  package let frames: [Range<Int>]
  /// The bytes that sections own: ascending, not empty, disjoint.
  package let extents: [Extent]

  /// For each section the bytes it owns.
  private let owned: [Range<Int>]
  private let extentStarts: AscendingStarts
  private let addressStarts: AscendingStarts
  private let addressEnds: [UInt64]
  private let addressSections: [Int]

  /// The bytes that one section owns.
  package struct Extent: Equatable, Sendable {
    /// Where they are.
    package let range: Range<Int>
    /// Whose they are.
    package let section: Int
  }

  /// The layout of the whole file `bytes`, with roles from headers and names; nil when it has none.
  package convenience init?(_ bytes: Span<UInt8>) {
    guard bytes.count >= Self.headerSize else { return nil }
    let header = FileHeader(bytes)
    guard let segments = header.programHeaderRange(fileSize: bytes.count),
      let table = header.sectionHeaderRange(fileSize: bytes.count)
    else { return nil }
    var sections: [SectionHeader] = []
    for start in stride(from: table.lowerBound, to: table.upperBound, by: SectionHeader.byteCount) {
      sections.append(SectionHeader(parsing: bytes, at: start))
    }
    let plain = ElfLayout(
      header: copy(bytes, 0..<Self.headerSize), programHeaders: copy(bytes, segments),
      sections: sections, fileSize: bytes.count)
    guard let plain else { return nil }
    let roles = Self.roles(plain, names: bytes, table: header.nameTable)
    self.init(plain, roles: plain.isSynthetic ? plain.roles : roles)
  }

  /// The layout that decoded headers give, with roles from headers alone; nil when they give none.
  ///
  /// `sections` is empty for a file without section headers. The numbers of headers in `header` must
  /// be those given, and the tables where it says inside `fileSize` bytes.
  package init?(
    header bytes: [UInt8], programHeaders: [UInt8], sections given: [SectionHeader], fileSize: Int
  ) {
    guard bytes.count == Self.headerSize, fileSize >= Self.headerSize else { return nil }
    let header = FileHeader(bytes.span)
    guard let segments = header.programHeaderRange(fileSize: fileSize),
      let table = header.sectionHeaderRange(fileSize: fileSize),
      segments.count == programHeaders.count,
      table.count == given.count &* SectionHeader.byteCount
    else { return nil }
    self.header = bytes
    self.programHeaders = programHeaders
    self.fileSize = fileSize
    machine = header.machine
    isRelocatable = header.isRelocatable
    isSynthetic = given.isEmpty
    frames = Self.disjoint([0..<Self.headerSize, segments, table])
    sections =
      isSynthetic
      ? SegmentSections(programHeaders.span, frames: frames, fileSize: fileSize).sections : given
    roles = sections.map { SectionRole($0) }
    let files = Self.extents(of: sections, fileSize: fileSize)
    extents = files
    extentStarts = AscendingStarts(files.map { UInt64($0.range.lowerBound) })
    var owned = [Range<Int>](repeating: 0..<0, count: sections.count)
    for extent in files { owned[extent.section] = extent.range }
    self.owned = owned
    let memory = Self.addressRanges(of: sections, isRelocatable: header.isRelocatable, owned: owned)
    addressStarts = AscendingStarts(memory.map { $0.start })
    addressEnds = memory.map { $0.end }
    addressSections = memory.map { $0.section }
  }

  /// The same layout, with other roles of its sections.
  package init(_ other: ElfLayout, roles: [SectionRole]) {
    self.roles = roles
    (header, programHeaders, sections) = (other.header, other.programHeaders, other.sections)
    (isSynthetic, machine, isRelocatable) = (other.isSynthetic, other.machine, other.isRelocatable)
    (fileSize, frames, extents, owned) = (other.fileSize, other.frames, other.extents, other.owned)
    (extentStarts, addressStarts) = (other.extentStarts, other.addressStarts)
    (addressEnds, addressSections) = (other.addressEnds, other.addressSections)
  }

  /// No frame at all.
  init() {
    header = Array(repeating: 0, count: Self.headerSize)
    (programHeaders, sections, roles, frames, extents) = ([], [], [], [], [])
    (owned, addressEnds, addressSections) = ([], [], [])
    (extentStarts, addressStarts) = (AscendingStarts([]), AscendingStarts([]))
    (machine, isRelocatable, isSynthetic, fileSize) = (0, false, false, 0)
  }

  /// What the section with this index is for; a gap when there is none.
  package func role(_ section: Int) -> SectionRole {
    roles.indices.contains(section) ? roles[section] : .gap
  }

  /// The bytes of the file that the section owns, empty when it has none.
  package func range(of section: Int) -> Range<Int> {
    owned.indices.contains(section) ? owned[section] : 0..<0
  }

  /// Whether the section owns all bytes that its header claims, and no header table lies in them.
  ///
  /// Only such a section has fields: of a table whose head belongs to another section nobody knows
  /// where its records begin.
  package func isWhole(_ section: Int) -> Bool {
    let range = range(of: section)
    guard !range.isEmpty, UInt64(range.lowerBound) == sections[section].offset else { return false }
    return !frames.contains { $0.overlaps(range) }
  }

  /// The number of the first extent that ends after `offset`; the number of extents when none does.
  ///
  /// - Complexity: O(log n).
  package func firstExtent(endingAfter offset: Int) -> Int {
    let last = lastExtent(atOrBelow: offset)
    return last >= 0 && extents[last].range.upperBound > offset ? last : last &+ 1
  }

  /// The section that holds the file offset, or nil.
  ///
  /// - Complexity: O(log n).
  package func section(atOffset offset: Int) -> Int? {
    let last = lastExtent(atOrBelow: offset)
    guard last >= 0, offset < extents[last].range.upperBound else { return nil }
    return extents[last].section
  }

  @inline(__always)
  private func lastExtent(atOrBelow offset: Int) -> Int {
    offset < 0 ? -1 : extentStarts.last(atOrBelow: UInt64(offset))
  }

  /// The section that is at the address, or nil.
  ///
  /// Sections that are not loaded have no addresses, and neither have those that exist once in each
  /// thread and have no bytes in the file (`.tbss`): the linker gives those addresses of others.
  ///
  /// - Complexity: O(log n).
  @inline(__always)
  package func section(atAddress address: UInt64) -> Int? {
    let last = addressStarts.last(atOrBelow: address)
    guard last >= 0, address < addressEnds[last] else { return nil }
    return addressSections[last]
  }

  /// The addresses around this one that the same section owns, and the section; nil when none does.
  ///
  /// - Complexity: O(log n).
  func ownedAddresses(around address: UInt64) -> (addresses: Range<UInt64>, section: Int)? {
    let last = addressStarts.last(atOrBelow: address)
    guard last >= 0, address < addressEnds[last] else { return nil }
    return (addressStarts[last]..<addressEnds[last], addressSections[last])
  }

  /// The address of the first byte of a section: in a relocatable file its offset in the file.
  package func address(of section: Int) -> UInt64 {
    guard sections.indices.contains(section) else { return 0 }
    return isRelocatable ? sections[section].offset : sections[section].address
  }

  /// The address at which the byte of the file at `offset` is loaded, or nil when it is not.
  package func address(ofOffset offset: Int) -> UInt64? {
    guard let section = section(atOffset: offset), sections[section].isAllocated else { return nil }
    return address(of: section) &+ UInt64(truncatingIfNeeded: offset) &- sections[section].offset
  }

  /// Where the byte that is loaded at `address` stands in the file, or nil when it does not.
  package func offset(ofAddress address: UInt64) -> Int? {
    guard let section = section(atAddress: address) else { return nil }
    let range = owned[section]
    let offset = Int(
      truncatingIfNeeded: address &- self.address(of: section) &+ sections[section].offset)
    return range.contains(offset) ? offset : nil
  }
}

/// The index of the last of the ascending numbers that is not above `value`, or -1.
@inline(__always)
func lastIndex<Number: FixedWidthInteger>(_ ascending: [Number], atOrBelow value: Number) -> Int {
  var low = 0
  var count = ascending.count
  while count > 0 {
    let half = count >> 1
    if ascending[low &+ half] <= value {
      low &+= half &+ 1
      count &-= half &+ 1
    } else {
      count = half
    }
  }
  return low &- 1
}

/// The bytes of `range` as an array, as far as `bytes` has them.
func copy(_ bytes: Span<UInt8>, _ range: Range<Int>) -> [UInt8] {
  let range = range.clamped(to: 0..<bytes.count)
  var array: [UInt8] = []
  array.reserveCapacity(range.count)
  for index in range { array.append(bytes[index]) }
  return array
}
