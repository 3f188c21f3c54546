package import Bytes

/// The part of a delta behind its header: one arithmetic-coded stream of covers, then contents.
///
/// The walk through the stream is written once. Encoding it and decoding it differ only in what the
/// coder does with each bit, and in who writes the target.
package struct DeltaBody: ~Copyable {
  /// Fewer inserted bytes than this are not worth an index of the base.
  private static let indexedInserts = 256

  private var coder: BinaryCoder
  private var table: ContextTable
  private var copies: CopyModel
  private let tableBits: Int

  /// Returns the body of the delta that yields `target` from `base` by way of `covers`.
  package static func encode(
    base: [UInt8], target: [UInt8], covers: [Cover], header: DeltaHeader
  ) throws(FormatError) -> [UInt8] {
    var body = DeltaBody(coder: BinaryCoder(), header: header)
    var target = target
    let coded = try body.codeCovers(
      covers, header: header, targetSize: target.count, baseSize: base.count)
    var bytes = target.mutableSpan
    try body.codeContents(coded, base: base.span, target: &bytes)
    return body.coder.finish()
  }

  /// Returns what `delta`, of which `header` was read, yields from `base`.
  package static func decode(
    _ delta: [UInt8], base: [UInt8], header: DeltaHeader
  ) throws(FormatError) -> [UInt8] {
    var body = DeltaBody(
      coder: BinaryCoder(decoding: delta, from: header.count), header: header)
    let size = Int(header.targetSize)
    let covers = try body.codeCovers([], header: header, targetSize: size, baseSize: base.count)
    var target: [UInt8] = Array(repeating: 0, count: size)
    var bytes = target.mutableSpan
    try body.codeContents(covers, base: base.span, target: &bytes)
    try body.coder.checkEnd()
    return target
  }

  private init(coder: BinaryCoder, header: DeltaHeader) {
    self.coder = coder
    tableBits = header.tableBits
    table = ContextTable(bits: tableBits)
    copies = CopyModel(bits: tableBits + 3)
  }

  /// Codes all covers; `known` are those to encode.
  private mutating func codeCovers(
    _ known: [Cover], header: DeltaHeader, targetSize: Int, baseSize: Int
  ) throws(FormatError) -> [Cover] {
    var model = CoverModel()
    var covers: [Cover] = []
    covers.reserveCapacity(Int(header.coverCount))
    for index in 0..<Int(header.coverCount) {
      covers.append(
        try model.code(
          coder.isDecoding ? nil : known[index], targetSize: targetSize, baseSize: baseSize,
          coder: &coder))
      try checkInput()
    }
    return covers
  }

  private mutating func codeContents(
    _ covers: [Cover], base: Span<UInt8>, target: inout MutableSpan<UInt8>
  ) throws(FormatError) {
    let inserted = covers.reduce(target.count) { $0 - $1.count }
    var inserts = InsertModel(
      bits: tableBits, base: base, indexesBase: inserted > Self.indexedInserts)
    inserts.rehearse(
      Rehearsal.windows(covers, inserted: inserted, targetSize: target.count, baseSize: base.count),
      base: base, table: &table, coder: &coder)
    var place = 0
    var diagonal = 0
    for cover in covers {
      try codeInsert(place..<cover.target, diagonal, &inserts, base: base, target: &target)
      try codeCopy(cover, base: base, target: &target)
      place = cover.targetEnd
      diagonal = cover.diagonal
    }
    try codeInsert(place..<target.count, diagonal, &inserts, base: base, target: &target)
  }

  private mutating func codeInsert(
    _ range: Range<Int>, _ diagonal: Int, _ inserts: inout InsertModel, base: Span<UInt8>,
    target: inout MutableSpan<UInt8>
  ) throws(FormatError) {
    inserts.interrupt()
    for place in range {
      target[place] = inserts.code(
        target[place], at: place, diagonal: diagonal, target: target.span, base: base,
        table: &table, coder: &coder)
      if place & 63 == 0 { try checkInput() }
    }
    try checkInput()
  }

  private mutating func codeCopy(
    _ cover: Cover, base: Span<UInt8>, target: inout MutableSpan<UInt8>
  ) throws(FormatError) {
    for start in stride(from: 0, to: cover.count, by: CopyModel.blockCount) {
      let count = min(CopyModel.blockCount, cover.count - start)
      let place = cover.target + start
      let old = cover.base + start
      let known = !coder.isDecoding && differ(base, old, target.span, place, count)
      let differs = copies.codeBlock(differs: known, place: start, count: count, coder: &coder)
      if differs {
        for index in 0..<count {
          target[place + index] = copies.codeByte(
            target[place + index], at: place + index, old: old + index, target: target.span,
            base: base, table: &table, coder: &coder)
        }
        try checkInput()
        guard !copies.isMalformed, differ(base, old, target.span, place, count) else {
          throw FormatError(.notCanonical("an unchanged byte"), at: coder.offset)
        }
      } else {
        for index in 0..<count { target[place + index] = base[old + index] }
      }
    }
  }

  private func checkInput() throws(FormatError) {
    guard !coder.isExhausted else {
      throw FormatError(.truncated(missing: 1), at: coder.offset)
    }
  }
}

private func differ(
  _ base: Span<UInt8>, _ old: Int, _ target: Span<UInt8>, _ place: Int, _ count: Int
) -> Bool {
  for index in 0..<count where base[old + index] != target[place + index] { return true }
  return false
}
