/// The jump tables of x86-64, LoongArch64 and RISC-V code: entries of four bytes, relative to the table.
///
/// A table begins where the code takes an address (`lea table(%rip), %reg`, or a page and ADDI) that is
/// a multiple of 4, as is its offset in the file, in read-only data. It has an entry for every four bytes from there on, as
/// long as the sum of the table's address and the signed entry is the address of an instruction that
/// starts, in the same executable section for all entries; it ends before the next address taken, before
/// a relocated slot, and with its section. What has fewer than three entries is no table.
struct JumpTables: Sendable {
  /// The fewest entries of a table.
  static let minimumEntries = 3

  /// Where each table begins, ascending.
  private(set) var starts: [Int] = []
  /// Where each ends.
  private(set) var ends: [Int] = []
  /// The address of each.
  private(set) var bases: [UInt64] = []

  /// Without tables.
  init() {}

  /// Finds the tables of a file.
  init(
    _ bytes: Span<UInt8>, layout: ElfLayout, taken: TakenAddresses, starts codeStarts: StartIndex,
    slots: SparseFields
  ) {
    let search = Search(
      layout: layout, taken: taken, codeStarts: codeStarts, slots: slots)
    for extent in layout.extents where layout.role(extent.section) == .readOnly {
      guard layout.isWhole(extent.section) else { continue }
      let end = min(extent.range.upperBound, FieldMap.byteLimit)
      var next = taken.next(from: extent.range.lowerBound, below: end)
      while let start = next {
        next = taken.next(from: start &+ 4, below: end)
        let base = layout.address(of: extent.section) &+ UInt64(start &- extent.range.lowerBound)
        let tableEnd = search.end(bytes, start..<(next ?? end), base: base)
        guard tableEnd &- start >= Self.minimumEntries &* 4 else { continue }
        starts.append(start)
        ends.append(tableEnd)
        bases.append(base)
      }
    }
  }

  /// The number of the table that holds the byte at `offset`, or nil.
  func index(at offset: Int) -> Int? {
    let last = lastIndex(starts, atOrBelow: offset)
    return last >= 0 && offset < ends[last] ? last : nil
  }

  /// Writes the entries that lie in the page from `base` on.
  func paint(_ kinds: inout MutableSpan<UInt8>, base: Int) {
    var index = max(lastIndex(starts, atOrBelow: base), 0)
    while index < starts.count, starts[index] < base &+ kinds.count {
      // Tables begin at multiples of 4, as pages do, so that no entry lies across a border.
      var entry = max(starts[index], base)
      while entry < min(ends[index], base &+ kinds.count) {
        kinds.paint(.jumpTableEntry, at: entry &- base, count: 4)
        entry &+= 4
      }
      index &+= 1
    }
  }

  /// What the search for a table's end needs to know.
  private struct Search {
    let layout: ElfLayout
    let taken: TakenAddresses
    let codeStarts: StartIndex
    let slots: SparseFields

    /// Where the table that begins `range` ends.
    func end(_ bytes: Span<UInt8>, _ range: Range<Int>, base: UInt64) -> Int {
      var limit = range.upperBound
      let slot = slots.first(endingAfter: range.lowerBound)
      if slot < slots.offsets.count { limit = min(limit, Int(slots.offsets[slot])) }
      var cursor = range.lowerBound
      guard cursor <= limit &- 4,
        let code = layout.section(atAddress: base &+ bytes.signed32(at: cursor)),
        layout.role(code).isCode, layout.isWhole(code)
      else { return cursor }
      let place = layout.range(of: code)
      let address = layout.address(of: code)
      while cursor <= limit &- 4 {
        let distance = base &+ bytes.signed32(at: cursor) &- address
        guard distance < UInt64(place.count),
          codeStarts.contains(place.lowerBound &+ Int(distance))
        else { return cursor }
        cursor &+= 4
      }
      return cursor
    }
  }
}

/// The addresses of read-only data that code takes, as offsets in the file.
struct TakenAddresses {
  /// One bit for each four bytes of the file, lowest first.
  private var words: [UInt64]

  /// Without addresses, for a file of `byteCount` bytes.
  init(byteCount: Int) { words = Array(repeating: 0, count: (byteCount &+ 255) / 256) }

  /// Adds the offset, a multiple of 4.
  @inline(__always)
  mutating func insert(_ offset: Int) {
    guard offset >= 0, offset >> 8 < words.count else { return }
    words[offset >> 8] |= 1 << UInt64(offset >> 2 & 63)
  }

  /// Adds all of `other`, of as many bytes.
  mutating func formUnion(_ other: TakenAddresses) {
    for index in words.indices where index < other.words.count {
      words[index] |= other.words[index]
    }
  }

  /// The first of the offsets from `offset`, a multiple of 4, on, or nil when that is not below `end`.
  func next(from offset: Int, below end: Int) -> Int? {
    guard offset >= 0 else { return nil }
    var index = offset >> 8
    var mask = UInt64.max << UInt64(offset >> 2 & 63)
    while index < words.count, index << 8 < end {
      let bits = words[index] & mask
      if bits != 0 {
        let found = index << 8 &+ bits.trailingZeroBitCount << 2
        return found < end ? found : nil
      }
      mask = UInt64.max
      index &+= 1
    }
    return nil
  }
}
