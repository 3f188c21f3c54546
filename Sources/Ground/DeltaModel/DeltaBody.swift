package import Bytes
package import CodeReferences

/// The part of a delta behind its header: one arithmetic-coded stream of frame, covers and contents.
///
/// The walk through the stream is written once. Encoding it and decoding it differ only in what the
/// coder does with each bit, and in where the truth comes from: all that is foretold is foretold from
/// `output`, which both sides fill in the same order.
package struct DeltaBody: ~Copyable {
  var coder: BinaryCoder
  var table: ContextTable
  var copies: CopyModel
  var plain: PlainInsertModel
  var code: CodeInsertModel?
  var words: WordModel?
  var predictor: FieldPredictor
  /// The records of a section of notes, as far as they are decoded.
  var notes = NoteWalk(start: 0)
  /// The call frame instructions of the last record that was looked at.
  var callFrame = CallFrameWalk()
  /// Numbers of which there are few.
  var numbers = NumberModel(contexts: 1)
  /// The models of what comes before the contents, as they have become.
  let frontModel: FrontMatterModel
  let coverModel: CoverModel

  let plan: ContentPlan
  let front: FrontMatter
  let covers: [Cover]
  private let loadLimit: Int

  /// Returns the body of the delta that yields `target` from `base` by way of `covers`.
  package static func encode(
    base: [UInt8], target: [UInt8], covers: [Cover], front: FrontMatter, fields: FieldMap,
    header: DeltaHeader, without: DeltaAblation = [], book: inout CostBook?,
    listener: (@Sendable (Int) -> Void)? = nil
  ) throws(FormatError) -> [UInt8] {
    var coder = BinaryCoder()
    coder.book = book
    coder.listener = listener
    coder.without = without
    var body = try DeltaBody(
      coder: coder, header: header, base: base, fields: fields, known: (front, covers))
    // Filled as the decoder fills it, so that nothing is foretold from what it cannot know.
    var output: [UInt8] = Array(repeating: 0, count: target.count)
    var bytes = output.mutableSpan
    try body.codeContents(base: base.span, truth: target.span, output: &bytes)
    if let entries = body.coder.book { book = entries }
    return body.coder.finish()
  }

  /// Returns what `delta`, of which `header` was read, yields from `base`.
  package static func decode(
    _ delta: [UInt8], base: [UInt8], header: DeltaHeader, without: DeltaAblation = [],
    listener: (@Sendable (Int) -> Void)? = nil, assistant: Assistant? = nil
  ) throws(FormatError) -> [UInt8] {
    var coder = BinaryCoder(decoding: delta, from: header.count)
    coder.without = without
    coder.listener = listener
    var body = try DeltaBody(
      coder: coder, header: header, base: base, fields: FieldMap(base, assistant: assistant),
      known: nil, assistant: assistant)
    var output: [UInt8] = Array(repeating: 0, count: Int(header.targetSize))
    var bytes = output.mutableSpan
    // Nobody looks at the truth while decoding.
    try body.codeContents(base: base.span, truth: base.span, output: &bytes)
    try body.checkInput()
    try body.coder.checkEnd()
    return output
  }

  /// Codes what comes before the contents.
  ///
  /// Prior and number of lines are those of the header but in training.
  init(
    coder given: consuming BinaryCoder, header: DeltaHeader, base: [UInt8],
    fields: FieldMap, known: (front: FrontMatter, covers: [Cover])?,
    prior givenPrior: DeltaPrior? = nil, tableBits: Int? = nil, assistant: Assistant? = nil
  ) throws(FormatError) {
    let size = Int(header.targetSize)
    var coder = given
    let prior = givenPrior ?? (coder.without.contains(.prior) ? .none : header.mode.prior)
    var frontModel = FrontMatterModel()
    frontModel.start(prior)
    coder.open(.frame, 0)
    var front = try frontModel.code(
      known?.front, base: fields.layout, fileSize: size, coder: &coder)
    var coverModel = CoverModel(
      starts: fields.starts, targetSize: size, baseSize: base.count)
    coverModel.start(prior)
    let covers = try Self.codeCovers(
      known?.covers, count: Int(header.coverCount), model: &coverModel, coder: &coder)
    front.takeRoles(from: fields.layout)
    let knowsFields =
      fields.layout?.machine == front.layout?.machine && !coder.without.contains(.fields)
    let fields = knowsFields ? fields : FieldMap.none
    let map = AddressMap(
      LayoutPair(
        from: fields.layout ?? .none, to: front.layout ?? .none,
        counterparts: front.counterparts(fields.layout?.sections.count ?? 0),
        positions: PositionMap(covers, baseSize: base.count)))
    plan = ContentPlan(front.layout, fileSize: size)
    let bits = tableBits ?? header.tableBits
    table = ContextTable(bits: bits)
    copies = CopyModel(bits: bits + 1)
    let inserted = covers.reduce(size) { $0 - $1.count }
    plain = PlainInsertModel(
      bits: bits + 1, base: base,
      indexing: inserted > Self.indexedInserts ? Self.data(of: fields, base.count) : [],
      assistant: assistant)
    let knowsCode = !coder.without.contains(.codeModels)
    if knowsCode && front.layout?.machine == 62 {
      code = CodeInsertModel(bits: bits + 1)
    } else {
      code = nil
    }
    words = (knowsCode ? front.layout : nil).flatMap { WordCode(machine: $0.machine) }
      .map { WordModel(code: $0, bits: bits + 1) }
    predictor = FieldPredictor(
      map: map, reader: FieldReader(fields), base: base, without: coder.without)
    if let assistant {
      predictor.reader.prepare(for: covers.lazy.map { $0.base..<$0.baseEnd }, assistant: assistant)
    }
    loadLimit =
      Self.pageLoads.besides + base.count / FieldMap.pageCount * Self.pageLoads.perPage
    self.front = front
    self.frontModel = frontModel
    self.coverModel = coverModel
    self.covers = covers
    self.coder = coder
    start(prior)
  }

  /// What of a base of `count` bytes new data may follow: all but its code, in the order of the file.
  private static func data(of fields: FieldMap, _ count: Int) -> [Range<Int>] {
    guard let layout = fields.layout else { return [0..<count] }
    return layout.extents.filter { !layout.role($0.section).isCode }.map { $0.range }
  }

  /// Fewer inserted bytes than this are not worth an index of the base.
  private static let indexedInserts = 256

  private static func codeCovers(
    _ known: [Cover]?, count: Int, model: inout CoverModel, coder: inout BinaryCoder
  ) throws(FormatError) -> [Cover] {
    var covers: [Cover] = []
    covers.reserveCapacity(count)
    for index in 0..<count {
      coder.open(.covers, known?[index].target ?? 0)
      covers.append(try model.code(known?[index], coder: &coder))
      guard !coder.isExhausted else {
        throw FormatError(.truncated(missing: 1), at: coder.offset)
      }
    }
    return covers
  }

  /// Puts the target's file header and tables where they belong.
  func writeFrame(_ output: inout MutableSpan<UInt8>) {
    guard let layout = front.layout else { return }
    let header = layout.header
    put(header, at: 0, in: &output)
    // Of a table without entries nobody has looked where it is said to be.
    if !layout.programHeaders.isEmpty {
      put(layout.programHeaders, at: Int(header.span.little(32, 8)), in: &output)
    }
    guard !layout.isSynthetic else { return }
    let start = Int(header.span.little(40, 8))
    for (index, section) in layout.sections.enumerated() {
      put(section.encoded, at: start + index * SectionHeader.byteCount, in: &output)
    }
  }

  private func put(_ bytes: [UInt8], at start: Int, in output: inout MutableSpan<UInt8>) {
    for (index, byte) in bytes.enumerated() where start + index < output.count {
      output[start + index] = byte
    }
  }

  /// Pages of fields are made anew at most so often per page of the base, and so often besides.
  private static let pageLoads = (perPage: 32, besides: 4096)

  func checkInput() throws(FormatError) {
    guard !coder.isExhausted else {
      throw FormatError(.truncated(missing: 1), at: coder.offset)
    }
    guard !coder.isMalformed else {
      throw FormatError(.notCanonical("the delta"), at: coder.offset)
    }
    guard predictor.reader.loadCount <= loadLimit else {
      throw FormatError(
        .overLimit(
          "the number of looks at the base", found: UInt64(predictor.reader.loadCount),
          limit: UInt64(loadLimit)), at: coder.offset)
    }
  }
}
