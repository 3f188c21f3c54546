internal import CodeReferences
internal import DeltaModel

/// A file as the search for covers sees it: addresses replaced by labels of what they name.
///
/// Two references to one thing look alike wherever they stand, and two things that a linker merely put
/// elsewhere look the same. A label of 0 stands for what is not known to be the same thing.
struct LabelImage {
  /// Gives addresses and places of one side their labels.
  protocol Labels {
    /// The label of what stands at `address` of the image.
    func label(address: UInt64) -> UInt64
    /// The label of what stands at `place` of the file.
    func label(place: Int) -> UInt64
  }

  /// Labels of the first round: nothing is known.
  struct Unknown: Labels {
    func label(address: UInt64) -> UInt64 { 0 }
    func label(place: Int) -> UInt64 { 0 }
  }

  /// Labels of the base: where things went, as far as covers say.
  struct OfBase: Labels {
    let map: AddressMap

    func label(address: UInt64) -> UInt64 {
      let mapped = map.pair.known(address)
      guard mapped.source == .covered || mapped.source == .unbacked else { return 0 }
      return LabelImage.hash(mapped.first)
    }

    func label(place: Int) -> UInt64 {
      map.pair.target(ofPlace: place).map { LabelImage.hash(UInt64($0)) } ?? 0
    }
  }

  /// Labels of the target: where things are, if a cover has them.
  struct OfTarget: Labels {
    let layout: ElfLayout
    /// For each byte of the target whether a cover has it.
    let isCovered: [Bool]

    func label(address: UInt64) -> UInt64 {
      if let place = layout.offset(ofAddress: address) {
        return isCovered[place] ? LabelImage.hash(address) : 0
      }
      return layout.section(atAddress: address) == nil ? 0 : LabelImage.hash(address)
    }

    func label(place: Int) -> UInt64 {
      place >= 0 && place < isCovered.count && isCovered[place]
        ? LabelImage.hash(UInt64(place)) : 0
    }
  }

  fileprivate static func hash(_ value: UInt64) -> UInt64 {
    let mixed = (value &+ 1) &* 0x9e37_79b9_7f4a_7c15
    return mixed ^ mixed >> 31
  }
}

extension LabelImage {
  /// Returns `bytes` with `labels` in the place of addresses.
  static func bytes<Side: Labels>(
    _ bytes: [UInt8], fields: FieldMap, labels: Side
  ) -> [UInt8] {
    guard let layout = fields.layout else { return bytes }
    var maker = ImageMaker(bytes, fields: fields, layout: layout)
    maker.replaceFields(labels)
    maker.replaceRelocated(labels)
    return maker.image
  }
}

private struct ImageMaker {
  var image: [UInt8]
  private let bytes: [UInt8]
  private var reader: FieldReader
  private let layout: ElfLayout

  init(_ bytes: [UInt8], fields: FieldMap, layout: ElfLayout) {
    image = bytes
    self.bytes = bytes
    self.layout = layout
    reader = FieldReader(fields)
  }

  mutating func replaceFields<Side: LabelImage.Labels>(_ labels: Side) {
    var place = 0
    while place < bytes.count {
      let kind = reader.kind(at: place)
      let plain = kind.plain
      guard kind.isFirst, plain.isField, place + plain.width <= bytes.count else {
        place += 1
        continue
      }
      replace(plain, at: place, labels)
      place += plain.width
    }
  }

  private mutating func replace<Side: LabelImage.Labels>(
    _ kind: ByteKind, at place: Int, _ labels: Side
  ) {
    switch kind {
    case .displacement32, .immediate32, .armWord, .loongWord, .riscWord, .riscHalf,
      .relativeBitmap, .codeRange, .symbolSize, .sectionSize:
      return
    case .stringOffset, .symbolIndex, .pltIndex, .commonEntryPointer:
      put(labelOfEntry(kind, at: place, labels), 4, at: place)
    default:
      guard let address = reader.target(at: place, kind: kind) else { return }
      let label = labels.label(address: address)
      let mask = kind.addressBits
      guard mask != 0 else { return put(label, kind.width, at: place) }
      let word = bytes.span.little(place, kind.width)
      put(word & ~mask | label & mask, kind.width, at: place)
    }
  }

  private func labelOfEntry<Side: LabelImage.Labels>(
    _ kind: ByteKind, at place: Int, _ labels: Side
  ) -> UInt64 {
    let number = Int(bytes.span.little(place, 4))
    if kind == .commonEntryPointer { return labels.label(place: place - number) }
    guard let section = layout.section(atOffset: place) else { return 0 }
    let table = kind == .pltIndex ? layout.pltRelocations ?? 0 : Int(layout.sections[section].link)
    guard table > 0, table < layout.sections.count else { return 0 }
    let size = kind == .stringOffset ? 1 : 24
    return labels.label(place: layout.range(of: table).lowerBound + number * size)
  }

  /// What a relocation fills in at run time says more than what stands in the file.
  mutating func replaceRelocated<Side: LabelImage.Labels>(_ labels: Side) {
    for (index, header) in layout.sections.enumerated()
    where header.type == SectionHeader.typeRela {
      let range = layout.range(of: index)
      let symbols = Int(header.link)
      let table = symbols < layout.sections.count ? layout.range(of: symbols).lowerBound : 0
      for entry in stride(from: range.lowerBound, to: range.upperBound - 23, by: 24) {
        let type = bytes.span.little(entry + 8, 4)
        guard let slot = slot(of: bytes.span.little(entry, 8), type: type, in: header) else {
          continue
        }
        let symbol = Int(bytes.span.little(entry + 12, 4))
        let addend = bytes.span.little(entry + 16, 8)
        let label =
          symbol == 0
          ? labels.label(address: addend)
          : labels.label(place: table + symbol * 24) &+ addend &* 31
        put(label &* 3 &+ type, slot.count, at: slot.lowerBound)
      }
    }
  }

  /// The bytes that a relocation of `table` fills in; nil where they are not in the file.
  ///
  /// Of an object its offset is one into the section that the table is for, and most fill in four bytes.
  private func slot(of offset: UInt64, type: UInt64, in table: SectionHeader) -> Range<Int>? {
    guard layout.isRelocatable else {
      guard let start = layout.offset(ofAddress: offset), start + 8 <= bytes.count else {
        return nil
      }
      return start..<start + 8
    }
    let section = Int(table.info)
    guard section > 0, section < layout.sections.count else { return nil }
    let range = layout.range(of: section)
    let width = isWholeAddress(type) ? 8 : 4
    guard range.count >= width, offset <= UInt64(range.count - width) else { return nil }
    let start = range.lowerBound + Int(offset)
    return start..<start + width
  }

  /// Whether a relocation fills in all of an address: R_X86_64_64, R_AARCH64_ABS64, R_RISCV_64, R_LARCH_64.
  private func isWholeAddress(_ type: UInt64) -> Bool {
    switch layout.machine {
    case 62: type == 1
    case 183: type == 257
    case 243, 258: type == 2
    default: false
    }
  }

  private mutating func put(_ value: UInt64, _ width: Int, at place: Int) {
    for index in 0..<width {
      image[place + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
    }
  }
}

extension ByteKind {
  /// The bits of an instruction word that hold an address; 0 where all bits of the field do.
  fileprivate var addressBits: UInt64 {
    switch self {
    case .armBranch26, .loongBranch26: 0x03ff_ffff
    case .armBranch19: 0x00ff_ffe0
    case .armBranch14: 0x0007_ffe0
    case .armADR, .armADRP: 0x60ff_ffe0
    case .armLow12, .loongLow12, .loongRelativeLow12: 0x003f_fc00
    case .loongBranch21: 0x03ff_fc1f
    case .loongBranch16, .loongCallEnd: 0x03ff_fc00
    case .loongPage, .loongCall, .loongPCAddI, .loongRelativePage: 0x01ff_ffe0
    case .riscJump, .riscPage: 0xffff_f000
    case .riscLow12I: 0xfff0_0000
    case .riscBranch, .riscLow12S: 0xfe00_0f80
    case .riscCompressedJump: 0x1ffc
    case .riscCompressedBranch: 0x1c7c
    default: 0
    }
  }
}
