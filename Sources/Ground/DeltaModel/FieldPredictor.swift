internal import Bytes
internal import CodeReferences

/// Foretells what the fields of the base become in the target.
///
/// Addresses go through the map; what counts or names entries of a table goes through the places of
/// these entries; constants are remembered as they changed before.
struct FieldPredictor: Sendable {
  var map: AddressMap
  var reader: FieldReader
  var values = ValueChanges()
  /// By kind, how far the last reference was moved that stood in a block with differences.
  private var shifts = [UInt64](repeating: 0, count: ByteKind.count)
  private let base: [UInt8]
  private let without: DeltaAblation
  /// The section of the base whose records its PLT counts, or 0.
  private let pltRelocations: Int
  /// What sizes of sections became.
  private let sizes: SectionSizes

  /// The records of `.eh_frame`, as far as they are decoded.
  var frames = FrameWalk(start: 0)
  /// Of a unit of the target: what has to be added to a file offset to get its address.
  var targetSlide: UInt64 = 0

  init(map: AddressMap, reader: FieldReader, base: [UInt8], without: DeltaAblation = []) {
    self.map = map
    self.reader = reader
    self.base = base
    self.without = without
    pltRelocations = map.pair.old.pltRelocations ?? 0
    sizes = SectionSizes(map)
    values.followsRegisters = !without.contains(.renamedRegisters)
  }

  /// Returns what may have become of the field of `kind` at `old`, which stands at `place` of `target`;
  /// what stands before `place` has been decoded.
  mutating func predict(
    _ kind: ByteKind, old: Int, place: Int, target: Span<UInt8>
  ) -> FieldPrediction {
    let word = base.span.little(old, kind.width)
    var result = FieldPrediction(old: word)
    switch kind {
    case .displacement32, .immediate32, .armWord, .loongWord, .riscWord, .riscHalf, .relativeBitmap:
      values.predict(kind, &result)
    case .relative8, .relative32, .rip0, .rip1, .rip2, .rip4:
      relative(kind, old, place, &result)
    case .address64, .relativeRelocation:
      absolute(&result)
    case .relativeAddress32: relativeAddress(old, place, target, &result)
    case .jumpTableEntry: jumpTableEntry(old, &result)
    case .codeRange: codeRange(old, place, target, &result)
    case .symbolSize: symbolSize(old, place, target, &result)
    case .stringOffset: stringOffset(old, &result)
    case .symbolIndex: index(old, into: .symbols, size: 24, &result)
    case .pltIndex: pltIndex(old, place, &result)
    case .commonEntryPointer: commonEntry(old, place, &result)
    case .sectionSize: sectionSize(&result)
    default: codeWord(kind, old, place, &result)
    }
    result.add(word)
    return result
  }

  /// Takes note of what the field became.
  mutating func learn(
    _ kind: ByteKind, _ prediction: FieldPrediction, actual: UInt64, place: Int
  ) {
    let registers = kind.referenceRegisters(UInt32(truncatingIfNeeded: prediction.old))
    if registers != 0 {
      values.rename(
        UInt32(truncatingIfNeeded: prediction.old), UInt32(truncatingIfNeeded: actual),
        registers: registers)
    }
    guard prediction.isReference else {
      if !without.contains(.learnedValues) {
        values.learn(kind, old: prediction.old, new: actual)
      }
      return
    }
    guard !without.contains(.learnedAddresses) else { return }
    if let found = address(kind, prediction, actual: actual, place: place) {
      shifts[kind.number] = found &- prediction.address
    }
    guard actual != prediction.candidates[0] else { return }
    switch kind {
    case .relative8, .armBranch19, .armBranch14, .armADR, .loongBranch16, .loongBranch21,
      .riscBranch, .riscCompressedBranch, .riscCompressedJump, .codeRange, .symbolSize:
      return
    case .armADRP, .armLow12, .loongPage, .loongLow12, .riscPage, .riscLow12I, .riscLow12S:
      learnHalf(kind, prediction, actual: UInt32(truncatingIfNeeded: actual), place: place)
    default:
      if let found = address(kind, prediction, actual: actual, place: place) {
        map.learn(prediction.address, found)
      }
    }
  }

  /// Returns the address that a field of value `actual` names, or nil where that is not known.
  func address(
    _ kind: ByteKind, _ prediction: FieldPrediction, actual: UInt64, place: Int
  ) -> UInt64? {
    switch kind {
    case .address64, .relativeRelocation: actual
    case .relative32, .rip0, .rip1, .rip2, .rip4, .relativeAddress32, .jumpTableEntry:
      prediction.origin &+ UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: actual)))
    case .armBranch26, .loongBranch26, .riscJump:
      WordCode.target(
        kind, word: UInt32(truncatingIfNeeded: actual), place: UInt64(place) &+ targetSlide,
        partner: 0, partnerPlace: 0)
    default: nil
    }
  }

  private func newAddress(_ place: Int) -> UInt64 { UInt64(place) &+ targetSlide }
}

extension FieldPredictor {
  private mutating func relative(
    _ kind: ByteKind, _ old: Int, _ place: Int, _ result: inout FieldPrediction
  ) {
    let width = kind.width
    guard let address = reader.target(at: old, kind: kind) else { return }
    let mapped = map.mapped(address)
    let origin = newAddress(place) &+ UInt64(width + kind.trailing)
    note(address, mapped, &result)
    result.origin = origin
    for target in [mapped.first, mapped.second, address &+ shifts[kind.number]] {
      let distance = Int64(bitPattern: target &- origin)
      if width == 1 && Int64(Int8(truncatingIfNeeded: distance)) != distance { continue }
      result.add(UInt64(bitPattern: distance) & (width == 1 ? 0xff : 0xffff_ffff))
    }
  }

  private func note(
    _ address: UInt64, _ mapped: MappedAddress, _ result: inout FieldPrediction
  ) {
    result.address = address
    result.source = mapped.source.rawValue
    result.isReference = true
  }

  private func absolute(_ result: inout FieldPrediction) {
    let mapped = map.mapped(result.old)
    note(result.old, mapped, &result)
    result.add(mapped.first)
    result.add(mapped.second)
    result.add(result.old &+ shifts[ByteKind.address64.number])
  }

  private mutating func relativeAddress(
    _ old: Int, _ place: Int, _ target: Span<UInt8>, _ result: inout FieldPrediction
  ) {
    guard let address = reader.target(at: old, kind: .relativeAddress32) else { return }
    let mapped = map.mapped(address)
    note(address, mapped, &result)
    result.origin = newAddress(place)
    result.add((mapped.first &- result.origin) & 0xffff_ffff)
    frames.advance(to: place, target, slide: targetSlide)
    if let next = frames.expected(place &- frames.record, slide: targetSlide) { result.add(next) }
    result.add((mapped.second &- result.origin) & 0xffff_ffff)
    let shift = shifts[ByteKind.relativeAddress32.number]
    result.add((address &+ shift &- result.origin) & 0xffff_ffff)
  }

  private mutating func jumpTableEntry(_ old: Int, _ result: inout FieldPrediction) {
    guard let table = reader.map.jumpTableBase(at: old) else { return }
    let address = table &+ UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: result.old)))
    let mapped = map.mapped(address)
    note(address, mapped, &result)
    result.origin = map.mapped(table).first
    result.add((mapped.first &- result.origin) & 0xffff_ffff)
    result.add((mapped.second &- result.origin) & 0xffff_ffff)
  }

  /// Length of the code that an FDE describes; its start stands four bytes before and is decoded.
  private mutating func codeRange(
    _ old: Int, _ place: Int, _ target: Span<UInt8>, _ result: inout FieldPrediction
  ) {
    guard old >= 4, place >= 4, let start = reader.target(at: old - 4, kind: .relativeAddress32)
    else { return }
    let distance = Int32(truncatingIfNeeded: target.little(place - 4, 4))
    let newStart = newAddress(place - 4) &+ UInt64(bitPattern: Int64(distance))
    length(from: start, newStart: newStart, mask: 0xffff_ffff, &result)
  }

  /// Size of what a symbol names; its address stands eight bytes before and is decoded.
  private func symbolSize(
    _ old: Int, _ place: Int, _ target: Span<UInt8>, _ result: inout FieldPrediction
  ) {
    guard old >= 8, place >= 8 else { return }
    let start = base.span.little(old - 8, 8)
    length(from: start, newStart: target.little(place - 8, 8), mask: .max, &result)
  }

  private func length(
    from start: UInt64, newStart: UInt64, mask: UInt64, _ result: inout FieldPrediction
  ) {
    guard result.old > 0 else { return }
    let last = start &+ result.old &- 1
    let mapped = map.pair.known(last)
    note(last, mapped, &result)
    result.add((mapped.first &+ 1 &- newStart) & mask)
    result.add(result.old)
    result.add((mapped.second &+ 1 &- newStart) & mask)
  }

  /// An offset into the string table that belongs to the table of the field.
  private func stringOffset(_ old: Int, _ result: inout FieldPrediction) {
    guard let section = map.pair.old.section(atOffset: old) else { return }
    entry(result.old, in: Int(map.pair.old.sections[section].link), size: 1, &result)
  }

  /// An index into the table that is linked with the table of the field.
  private func index(
    _ old: Int, into role: SectionRole, size: UInt64, _ result: inout FieldPrediction
  ) {
    guard let section = map.pair.old.section(atOffset: old) else { return }
    let table =
      role == .symbols
      ? Int(map.pair.old.sections[section].link) : pltRelocations
    entry(result.old, in: table, size: size, &result)
  }

  /// Entry `result.old` of section `table` went where its bytes went.
  private func entry(
    _ number: UInt64, in table: Int, size: UInt64, _ result: inout FieldPrediction
  ) {
    guard table > 0, table < map.pair.old.sections.count, number < 1 << 40 else { return }
    let counterpart = Int(map.pair.counterparts[table])
    let header = map.pair.old.sections[table]
    guard counterpart >= 0, number &* size < header.size, header.offset < 1 << 40,
      let found = map.pair.positions.target(of: Int(header.offset &+ number &* size))
    else { return }
    let start = map.pair.new.sections[counterpart].offset
    guard UInt64(found) >= start else { return }
    result.add((UInt64(found) &- start) / size)
  }

  /// Entries of a PLT push their own number.
  private func pltIndex(_ old: Int, _ place: Int, _ result: inout FieldPrediction) {
    if let before = map.pair.old.section(atOffset: old),
      let after = map.pair.new.section(atOffset: place)
    {
      let moved =
        (place &- map.pair.new.range(of: after).lowerBound)
        &- (old &- map.pair.old.range(of: before).lowerBound)
      result.add((result.old &+ UInt64(bitPattern: Int64(moved >> 4))) & 0xffff_ffff)
    }
    index(old, into: .relocations, size: 24, &result)
  }

  /// The distance from an FDE back to its CIE.
  private func commonEntry(_ old: Int, _ place: Int, _ result: inout FieldPrediction) {
    guard UInt64(old) >= result.old,
      let found = map.pair.positions.target(of: old &- Int(result.old)), found < place
    else { return }
    result.add(UInt64(place - found) & 0xffff_ffff)
  }

  /// The size of the first allocated section that had this size.
  private func sectionSize(_ result: inout FieldPrediction) {
    if let size = sizes.size(result.old) { result.add(size) }
  }

  private mutating func codeWord(
    _ kind: ByteKind, _ old: Int, _ place: Int, _ result: inout FieldPrediction
  ) {
    guard let address = reader.target(at: old, kind: kind) else { return }
    let mapped = map.mapped(address)
    note(address, mapped, &result)
    let word = UInt32(truncatingIfNeeded: result.old)
    let partner = newAddress(place) &+ UInt64(bitPattern: Int64(reader.partner(at: old)))
    for target in [mapped.first, mapped.second, address &+ shifts[kind.number]] {
      let value = WordCode.word(
        kind, old: word, target: target, place: newAddress(place), partnerPlace: partner)
      if let value { result.add(UInt64(value)) }
    }
    let registers = kind.referenceRegisters(word)
    if registers != 0 {
      let value = WordCode.word(
        kind, old: values.registers.renamed(word, registers: registers), target: mapped.first,
        place: newAddress(place), partnerPlace: partner)
      if let value { result.add(UInt64(value)) }
    }
  }

  /// Half of an address: the other half is taken from where the whole was expected.
  private mutating func learnHalf(
    _ kind: ByteKind, _ prediction: FieldPrediction, actual: UInt32, place: Int
  ) {
    let expected = map.mapped(prediction.address).first
    let seen = WordCode.target(
      kind, word: actual, place: newAddress(place), partner: 0, partnerPlace: 0)
    switch kind {
    case .armADRP, .loongPage, .riscPage:
      map.learn(prediction.address, seen & ~0xfff | expected & 0xfff)
    default:
      let low = seen & 0xfff
      let page = expected & ~0xfff
      let candidates = [page | low, (page &- 4096) | low, (page &+ 4096) | low]
      let nearest = candidates.min {
        Int64(bitPattern: $0 &- expected).magnitude < Int64(bitPattern: $1 &- expected).magnitude
      }
      map.learn(prediction.address, nearest ?? expected)
    }
  }
}

extension ByteKind {
  /// Bytes of the instruction behind the field.
  @inline(__always)
  var trailing: Int {
    switch self {
    case .rip1: 1
    case .rip2: 2
    case .rip4: 4
    default: 0
    }
  }
}
