/// Kinds of bytes, page by page.
extension FieldMap {
  /// Makes `page` the page with this index: the kinds of its bytes, and the partners of its words.
  ///
  /// Beyond the file and beyond `byteLimit` nothing has a kind.
  package func fill(_ page: inout FieldPage, index: Int) {
    page.reset(index)
    guard let layout, index >= 0, index < pageTotal else { return }
    let limit = min(bytes.count, Self.byteLimit)
    let base = index &* Self.pageCount
    let window = base..<min(base &+ Self.pageCount, limit)
    var number = layout.firstExtent(endingAfter: base)
    while number < layout.extents.count,
      layout.extents[number].range.lowerBound < window.upperBound
    {
      paint(layout.extents[number].section, of: layout, window, &page)
      number &+= 1
    }
    var kinds = page.kinds.mutableSpan
    jumpTables.paint(&kinds, base: base)
    sparse.paint(&kinds, base: base)
    paintStarts(&kinds, base: base)
  }

  /// How many pages have kinds.
  var pageTotal: Int {
    (min(bytes.count, Self.byteLimit) &+ Self.pageCount &- 1) / Self.pageCount
  }

  /// The address of the jump table that has an entry at `offset`, or nil.
  package func jumpTableBase(at offset: Int) -> UInt64? {
    jumpTables.index(at: offset).map { jumpTables.bases[$0] }
  }

  private func paint(
    _ section: Int, of layout: ElfLayout, _ window: Range<Int>, _ page: inout FieldPage
  ) {
    let range = Self.fieldRange(section, of: layout)
    let part = range.clamped(to: window)
    guard !part.isEmpty else { return }
    let base = window.lowerBound
    let span = bytes.span
    let role = layout.role(section)
    if role.isCode, layout.machine != Self.machineX86 {
      return paintWords(range, part, base, &page)
    }
    var kinds = page.kinds.mutableSpan
    switch role {
    case .code, .plt: paintCode(range, part, role, base, &kinds)
    case .frames: paintFrames(range, part, base, &kinds)
    case .symbols:
      records(of: range, in: part, SymbolRecord.byteCount) {
        SymbolRecord.paint(span, at: $0, &kinds, base: base)
      }
    case .dynamic:
      records(of: range, in: part, DynamicRecord.byteCount) {
        DynamicRecord.paint(span, at: $0, &kinds, base: base)
      }
    case .relocations:
      let table = RelocationTable(section, layout: layout, range: range)
      records(of: range, in: part, table.stride) { table.paint(span, at: $0, &kinds, base: base) }
    case .relativeRelocations:
      records(of: range, in: part, 8) { RelativeTable.paint(span, at: $0, &kinds, base: base) }
    case .pointers:
      records(of: range, in: part, 8) {
        guard layout.section(atAddress: span.littleEndian64(at: $0)) != nil else { return }
        kinds.paint(.address64, at: $0 &- base, count: 8)
      }
    case .gap, .readOnly, .data, .strings, .unallocated, .versions, .empty, .frameHeader, .hash,
      .exceptions, .notes:
      break
    }
  }

  /// Calls `body` with the start of each record of the table `range` that has bytes in `part`.
  @inline(__always)
  private func records(
    of range: Range<Int>, in part: Range<Int>, _ stride: Int, _ body: (Int) -> Void
  ) {
    var start = part.lowerBound &- (part.lowerBound &- range.lowerBound) % stride
    while start < part.upperBound, start <= range.upperBound &- stride {
      body(start)
      start &+= stride
    }
  }

  /// Writes the fields of x86-64 instructions, from the one that holds the first byte on.
  private func paintCode(
    _ range: Range<Int>, _ part: Range<Int>, _ role: SectionRole, _ base: Int,
    _ kinds: inout MutableSpan<UInt8>
  ) {
    let span = bytes.span
    let shapes = X86Shapes.shared
    var start = max(starts.previous(part.lowerBound) ?? range.lowerBound, range.lowerBound)
    while start < part.upperBound {
      let place = start &- base
      let count: Int
      // What stands behind it is written afterwards, or has no kind.
      if start <= range.upperBound &- X86Instruction.mostBytes, place >= 0,
        place <= kinds.count &- 16, let shape = shapes.number(span.littleEndian64(at: start))
      {
        shapes.write(shape, to: &kinds, at: place)
        count = shapes.count(shape)
      } else {
        let instruction = X86Instruction(span, at: start, end: range.upperBound)
        instruction.write(kinds: &kinds, at: place)
        count = instruction.count
      }
      // PUSH imm32: which relocation the entry asks for.
      if role == .plt, span[start] == 0x68, count == 5 {
        kinds.paint(.pltIndex, at: place &+ 1, count: 4)
      }
      start &+= count
    }
  }

  private func paintWords(
    _ range: Range<Int>, _ part: Range<Int>, _ base: Int, _ page: inout FieldPage
  ) {
    guard let words else { return }
    var marked = [UInt8](repeating: 0, count: part.count)
    var distances = [Int16](repeating: 0, count: part.count / 4 &+ 2)
    var kinds = marked.mutableSpan
    var partners = distances.mutableSpan
    words.mark(bytes.span, section: range, window: part, kinds: &kinds, partners: &partners)
    let first = part.lowerBound &- base
    for index in 0..<part.count { page.kinds[first &+ index] = kinds[index] }
    // The four bytes at a border may be those of two sections.
    for index in first / 4...(first &+ part.count &- 1) / 4 where partners[index &- first / 4] != 0
    {
      page.partners[index] = partners[index &- first / 4]
    }
  }

  /// Writes the fields of CIEs and FDEs, from the record that holds the first byte on.
  private func paintFrames(
    _ range: Range<Int>, _ part: Range<Int>, _ base: Int, _ kinds: inout MutableSpan<UInt8>
  ) {
    let span = bytes.span
    var entries = CommonEntryCache(section: range)
    var start = max(starts.previous(part.lowerBound) ?? range.lowerBound, range.lowerBound)
    while start < part.upperBound,
      let record = FrameRecord(span, at: start, limit: range.upperBound)
    {
      record.paint(span, &entries, &kinds, base: base)
      start = record.end
    }
  }

  /// Marks the starts of the page from `base` on.
  private func paintStarts(_ kinds: inout MutableSpan<UInt8>, base: Int) {
    for word in 0..<Self.pageCount / 64 {
      var bits = starts.word(at: base &+ word &* 64)
      while bits != 0 {
        kinds[word &* 64 &+ bits.trailingZeroBitCount] |= ByteKind.start
        bits &= bits &- 1
      }
    }
  }
}
