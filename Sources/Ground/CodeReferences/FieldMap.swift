/// Which bytes of a file hold what: a pure function of the file's bytes.
///
/// What is kept is small: where things start, slots that relocations name, jump tables. The kinds of
/// bytes are made from that page by page, when they are asked for; a page depends on nothing but the
/// bytes of the file, so that it does not matter which pages are made, and in what order.
package struct FieldMap: Sendable {
  /// How many bytes of a file have kinds; what lies behind them has none.
  package static let byteLimit = 64 << 20
  /// How many bytes a page has.
  package static let pageCount = FieldPage.byteCount

  /// The file.
  package let bytes: [UInt8]
  /// Its frame, or nil when it has no fields at all.
  package let layout: ElfLayout?
  /// Where instructions, records and strings start.
  package let starts: StartIndex
  /// Fields that tables name.
  let sparse: SparseFields
  /// Tables of distances to code.
  let jumpTables: JumpTables
  /// How code is read that is made of words.
  let words: WordCode?

  /// `EM_X86_64`.
  static let machineX86: UInt16 = 62

  /// Analyses a file; `assistant` does a part of it.
  ///
  /// - Complexity: O(n) in its length, and O(r log r) in the number of relocations.
  package init(_ bytes: [UInt8], assistant: Assistant? = nil) {
    self.bytes = bytes
    let span = bytes.span
    layout = ElfLayout(span)
    guard let layout else {
      starts = StartIndex(StartBitmap(byteCount: 0))
      sparse = SparseFields()
      jumpTables = JumpTables()
      words = nil
      return
    }
    words = WordCode(machine: layout.machine)
    let size = min(bytes.count, Self.byteLimit)
    var bitmap = StartBitmap(byteCount: size)
    var taken = TakenAddresses(byteCount: size)
    var candidates = SparseFields.Candidates()
    for (section, _) in layout.sections.enumerated() {
      let range = Self.fieldRange(section, of: layout)
      guard !range.isEmpty else { continue }
      switch layout.role(section) {
      case .code, .plt:
        if layout.machine == Self.machineX86 {
          let address = layout.address(of: section)
          let sweep = CodeSweep(range: range, address: address, layout: layout)
          sweep.mark(bytes, &bitmap, &taken, assistant: assistant)
        } else if let words {
          Self.markWords(span, section, layout, words, &bitmap, &taken)
        }
      case .frames: Self.markFrames(span, range, &bitmap)
      case .strings: Self.markStrings(span, range, &bitmap)
      case .symbols: bitmap.insert(every: SymbolRecord.byteCount, in: range)
      case .dynamic: bitmap.insert(every: DynamicRecord.byteCount, in: range)
      case .pointers: bitmap.insert(every: 8, in: range)
      case .relocations:
        let table = RelocationTable(section, layout: layout, range: range)
        bitmap.insert(every: table.stride, in: range)
        table.gather(span, layout, &candidates)
      case .relativeRelocations:
        bitmap.insert(every: 8, in: range)
        RelativeTable(range: range).gather(span, layout, &candidates)
      case .versions:
        VersionTable(section, layout: layout, range: range)
          .gather(span, &bitmap, &candidates)
      case .gap, .readOnly, .data, .unallocated, .empty, .frameHeader, .hash, .exceptions, .notes:
        break
      }
    }
    starts = StartIndex(bitmap)
    sparse = SparseFields(candidates)
    jumpTables = JumpTables(span, layout: layout, taken: taken, starts: starts, slots: sparse)
  }

  /// The bytes of a section that may have kinds; empty when another section owns some of them.
  static func fieldRange(_ section: Int, of layout: ElfLayout) -> Range<Int> {
    guard layout.isWhole(section) else { return 0..<0 }
    return layout.range(of: section).clamped(to: 0..<byteLimit)
  }
}
