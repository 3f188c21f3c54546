internal import Bytes
internal import CodeReferences

extension DeltaBody {
  /// Codes all contents, unit by unit.
  mutating func codeContents(
    base: Span<UInt8>, truth: Span<UInt8>, output: inout MutableSpan<UInt8>
  ) throws(FormatError) {
    writeFrame(&output)
    rehearse(base)
    plain.finishIndex()
    let byTarget = CoverOrder(covers)
    for unit in plan.units {
      if unit.isDerived, codeDerived(unit, base: base, truth: truth, output: &output) { continue }
      predictor.targetSlide = unit.slide
      notes = NoteWalk(start: unit.range.lowerBound)
      callFrame = CallFrameWalk()
      predictor.frames = FrameWalk(
        start: unit.range.lowerBound, isBlind: coder.without.contains(.frameWalk))
      var place = unit.range.lowerBound
      var before: Cover?
      for index in byTarget.overlapping(unit.range) {
        let cover = covers[index]
        let start = max(cover.target, unit.range.lowerBound)
        let end = min(cover.targetEnd, unit.range.upperBound)
        if place < start {
          try codeInsert(
            place..<start, unit, after: before, base: base, truth: truth, output: &output)
        }
        try codeCopy(start..<end, cover, unit, base: base, truth: truth, output: &output)
        place = end
        before = cover
      }
      if place < unit.range.upperBound {
        try codeInsert(
          place..<unit.range.upperBound, unit, after: before, base: base, truth: truth,
          output: &output)
      }
    }
  }

  /// Codes whether a table is what follows from the rest of the target; if so, it is done.
  private mutating func codeDerived(
    _ unit: ContentPlan.Unit, base: Span<UInt8>, truth: Span<UInt8>,
    output: inout MutableSpan<UInt8>
  ) -> Bool {
    guard let layout = front.layout else { return false }
    coder.open(.derived, unit.range.lowerBound)
    // The head of the encoder's table, tried out, must not stay where it is not coded.
    var matches = false
    if !coder.isDecoding && !coder.without.contains(.derivedTables) {
      copyHead(of: unit, from: truth, to: &output)
      matches = isSame(derived(unit, layout, output.span), truth, unit)
      clearHead(of: unit, &output)
    }
    guard coder.code(matches ? 1 : 0, probability: 60_000) != 0 else { return false }
    if unit.role == .hash { codeHead(unit, base: base, truth: truth, output: &output) }
    guard let bytes = derived(unit, layout, output.span), bytes.count == unit.range.count else {
      coder.refuse(if: true)
      return true
    }
    for index in bytes.indices { output[unit.range.lowerBound + index] = bytes[index] }
    return true
  }

  private func derived(
    _ unit: ContentPlan.Unit, _ layout: ElfLayout, _ output: Span<UInt8>
  ) -> [UInt8]? {
    guard unit.role == .frameHeader else {
      return DerivedTables.gnuHash(unit.section, layout: layout, bytes: output)
    }
    let frames = layout.sections.indices.first { layout.role($0) == .frames }
    return frames.flatMap {
      DerivedTables.frameHeader(unit.section, layout: layout, frames: $0, bytes: output)
    }
  }

  private func isSame(
    _ bytes: [UInt8]?, _ truth: Span<UInt8>, _ unit: ContentPlan.Unit
  ) -> Bool {
    guard let bytes, bytes.count == unit.range.count else { return false }
    for index in bytes.indices where bytes[index] != truth[unit.range.lowerBound + index] {
      return false
    }
    return true
  }

  /// Bytes at the start of a hash table that a linker chooses: bucket count and the like.
  private static var headCount: Int { 16 }

  private func copyHead(
    of unit: ContentPlan.Unit, from truth: Span<UInt8>, to output: inout MutableSpan<UInt8>
  ) {
    guard unit.role == .hash else { return }
    for place in unit.range.prefix(Self.headCount) { output[place] = truth[place] }
  }

  private func clearHead(of unit: ContentPlan.Unit, _ output: inout MutableSpan<UInt8>) {
    guard unit.role == .hash else { return }
    for place in unit.range.prefix(Self.headCount) { output[place] = 0 }
  }

  /// Codes the four numbers at the start of a hash table, by how they differ from the base's.
  private mutating func codeHead(
    _ unit: ContentPlan.Unit, base: Span<UInt8>, truth: Span<UInt8>,
    output: inout MutableSpan<UInt8>
  ) {
    let old = predictor.map.pair.source(of: unit.section, front)
      .map { predictor.map.pair.old.range(of: $0).lowerBound }
    for offset in stride(from: 0, to: min(Self.headCount, unit.range.count & ~3), by: 4) {
      let place = unit.range.lowerBound + offset
      let expected = old.map { base.little($0 + offset, 4) } ?? 0
      let value = coder.isDecoding ? 0 : truth.little(place, 4)
      let change = numbers.codeSigned(
        Int64(value) - Int64(expected), context: 0, coder: &coder)
      Self.write(expected &+ UInt64(bitPattern: change), 4, at: place, in: &output)
    }
  }
}

extension DeltaBody {
  /// Bytes of a block before it ends with the next field.
  private static let blockCount = 64

  /// Codes `range` of the target, which `cover` has.
  private mutating func codeCopy(
    _ range: Range<Int>, _ cover: Cover, _ unit: ContentPlan.Unit, base: Span<UInt8>,
    truth: Span<UInt8>, output: inout MutableSpan<UInt8>
  ) throws(FormatError) {
    var place = range.lowerBound
    while place < range.upperBound {
      var block = CopyModel.BlockTraits()
      block.role = Int(unit.role.rawValue)
      block.isFirst = place == range.lowerBound
      let frames = predictor.frames
      let end = foretell(
        place..<range.upperBound, cover.diagonal, &block, base: base, output: &output)
      block.count = end - place
      block.isLast = end == range.upperBound
      coder.open(.blocks, place)
      let differs = copies.codeBlock(
        !coder.isDecoding && Self.differ(output.span, truth, place..<end), block, coder: &coder)
      if differs {
        predictor.frames = frames
        let before = ForetoldBlock(output.span, place..<end)
        try codeTokens(place..<end, cover.diagonal, unit, base: base, truth: truth, output: &output)
        coder.refuse(if: before == ForetoldBlock(output.span, place..<end))
        try checkInput()
      }
      place = end
    }
    try checkInput()
  }

  private static func differ(
    _ output: Span<UInt8>, _ truth: Span<UInt8>, _ range: Range<Int>
  ) -> Bool {
    for place in range where output[place] != truth[place] { return true }
    return false
  }

  /// Writes what is foretold for a block that starts `range`; returns where the block ends.
  private mutating func foretell(
    _ range: Range<Int>, _ diagonal: Int, _ block: inout CopyModel.BlockTraits, base: Span<UInt8>,
    output: inout MutableSpan<UInt8>
  ) -> Int {
    let start = range.lowerBound
    var end = min(range.upperBound, start &+ Self.blockCount)
    // What is no field stays as it was.
    Self.copy(base, start &+ diagonal..<end &+ diagonal, at: start, to: &output)
    var marks = predictor.reader.firstBytes(from: start &+ diagonal, count: end &- start)
    while marks != 0 {
      let place = start &+ marks.trailingZeroBitCount
      marks &= marks &- 1
      let old = place &+ diagonal
      let kind = predictor.reader.kind(at: old).plain
      guard kind.isField, place &+ kind.width <= range.upperBound else { continue }
      let prediction = predictor.predict(kind, old: old, place: place, target: output.span)
      Self.write(prediction.candidates[0], kind.width, at: place, in: &output)
      let behind = place &+ kind.width &- start
      marks = behind < 64 ? marks & (~0 &<< UInt64(behind)) : 0
      end = max(end, start &+ behind)
      guard prediction.isReference else { continue }
      block.references &+= 1
      block.risk = max(block.risk, prediction.risk)
    }
    return end
  }

  /// Copies `range` of the base, checking bounds once.
  @inline(__always)
  private static func copy(
    _ base: Span<UInt8>, _ range: Range<Int>, at place: Int, to output: inout MutableSpan<UInt8>
  ) {
    let part = base.extracting(range)
    guard place >= 0 && place <= output.count &- part.count else { return }
    for index in 0..<part.count { unsafe output[unchecked: place &+ index] = part[index] }
  }

  @inline(__always)
  private static func write(
    _ value: UInt64, _ width: Int, at place: Int, in output: inout MutableSpan<UInt8>
  ) {
    if width == 4 {
      output[place &+ 3] = UInt8(truncatingIfNeeded: value >> 24)
      output[place &+ 2] = UInt8(truncatingIfNeeded: value >> 16)
      output[place &+ 1] = UInt8(truncatingIfNeeded: value >> 8)
      output[place] = UInt8(truncatingIfNeeded: value)
      return
    }
    var rest = value
    for index in 0..<width {
      output[place &+ index] = UInt8(truncatingIfNeeded: rest)
      rest >>= 8
    }
  }

  /// Codes a block that differs from what was foretold.
  private mutating func codeTokens(
    _ range: Range<Int>, _ diagonal: Int, _ unit: ContentPlan.Unit, base: Span<UInt8>,
    truth: Span<UInt8>, output: inout MutableSpan<UInt8>
  ) throws(FormatError) {
    var traits = CopyModel.ByteTraits()
    traits.role = Int(unit.role.rawValue)
    traits.isInstruction = code != nil && unit.role.isCode
    copies.names.interrupt()
    var place = range.lowerBound
    while place < range.upperBound {
      let old = place &+ diagonal
      let kind = predictor.reader.kind(at: old)
      let plain = kind.plain
      if kind.isStart {
        traits.opcode = 0
        copies.names.begin()
      }
      if kind.isFirst, plain.isField, place &+ plain.width <= range.upperBound {
        codeField(
          plain, old: old, place: place, opcode: traits.opcode, unit, base: base, truth: truth,
          output: &output)
        place &+= plain.width
        continue
      }
      traits.kind = plain.number
      traits.column = (place &- unit.range.lowerBound) % unit.period
      traits.old = old
      traits.place = place
      if plain == .prefix || plain == .opcode || plain == .modRM {
        traits.opcode = traits.opcode << 8 & 0xff_ffff | Int(base[old])
      }
      coder.open(.bytes, place)
      if unit.role == .frames {
        predictor.frames.advance(to: place, output.span, slide: unit.slide)
        if !coder.without.contains(.callFrames) {
          callFrame.advance(to: place, output.span, record: predictor.frames.record)
          traits.frame = callFrame.state
        }
      }
      let actual = coder.isDecoding ? 0 : truth[place]
      output[place] =
        codeNoise(actual, at: place, old: old, unit, base: base, target: output.span)
        ?? copies.codeByte(
          actual, traits, base: base, target: output.span, table: &table, coder: &coder)
      place &+= 1
    }
  }

  /// Codes the byte at `place` if it is one of which nothing can be known, of a digest.
  ///
  /// `old` is where it stands in the base, nil if no cover has it.
  mutating func codeNoise(
    _ byte: UInt8, at place: Int, old: Int?, _ unit: ContentPlan.Unit, base: Span<UInt8>,
    target: Span<UInt8>
  ) -> UInt8? {
    guard !coder.without.contains(.digests) else { return nil }
    switch unit.role {
    case .notes:
      guard notes.isDigest(at: place, target) else { return nil }
      return coder.codeRaw(byte, count: 8)
    case .strings:
      let isNew =
        old.map { HashDigits.hasChanged(place, target, $0, base) }
        ?? (!plain.isMatching && HashDigits.index(of: place, target) != nil)
      return isNew ? coder.codeHashDigit(byte) : nil
    default: return nil
    }
  }

  private mutating func codeField(
    _ kind: ByteKind, old: Int, place: Int, opcode: Int, _ unit: ContentPlan.Unit,
    base: Span<UInt8>, truth: Span<UInt8>, output: inout MutableSpan<UInt8>
  ) {
    let prediction = predictor.predict(kind, old: old, place: place, target: output.span)
    let actual = coder.isDecoding ? 0 : truth.little(place, kind.width)
    var choice = 0
    while choice < prediction.count && prediction.candidates[choice] != actual { choice += 1 }
    coder.open(prediction.isReference ? .references : .values, place)
    choice = copies.codeChoice(
      choice, prediction, kind: kind.number, role: Int(unit.role.rawValue),
      opcode: kind.isPlainWord || kind.isWordReference ? Int(prediction.old >> 21) : opcode,
      coder: &coder)
    var value = choice < prediction.count ? prediction.candidates[choice] : 0
    if choice == prediction.count {
      value = codeOther(
        actual, prediction, kind, old: old, place: place, unit, base: base, target: output.span)
    }
    Self.write(value, kind.width, at: place, in: &output)
    predictor.learn(kind, prediction, actual: value, place: place)
  }

  private mutating func codeOther(
    _ actual: UInt64, _ prediction: FieldPrediction, _ kind: ByteKind, old: Int, place: Int,
    _ unit: ContentPlan.Unit, base: Span<UInt8>, target: Span<UInt8>
  ) -> UInt64 {
    if kind.width == 4 && (kind.isWordReference || kind.isPlainWord), words != nil {
      let word = words?.codeWord(
        UInt32(truncatingIfNeeded: actual),
        expected: UInt32(
          truncatingIfNeeded: prediction.candidates[
            kind == .armWord ? max(0, prediction.count - 1) : 0]),
        beside: base.word(old), length: 1, at: place,
        address: UInt64(place) &+ unit.slide, target: target, table: &table, coder: &coder)
      let value = UInt64(word ?? 0)
      for index in 0..<prediction.count {
        coder.refuse(if: prediction.candidates[index] == value)
      }
      return value
    }
    return copies.codeOther(actual, prediction, kind: kind, table: &table, coder: &coder)
  }
}

extension FieldPrediction {
  /// How unsure a reference is, 0 to 3.
  var risk: Int {
    switch source {
    case 0: 0
    case 4: 1
    case 2, 5: 2
    default: 3
    }
  }
}

/// The bytes of a block, for telling whether it has changed.
private struct ForetoldBlock: Equatable {
  private var words = InlineArray<10, UInt64>(repeating: 0)

  init(_ bytes: Span<UInt8>, _ range: Range<Int>) {
    for index in 0..<min(10, (range.count &+ 7) >> 3) {
      let place = range.lowerBound &+ index &* 8
      words[index] = bytes.little(place, min(8, range.upperBound &- place))
    }
  }

  static func == (left: ForetoldBlock, right: ForetoldBlock) -> Bool {
    for index in 0..<10 where left.words[index] != right.words[index] { return false }
    return true
  }
}

/// Covers in the order of the target, for finding those of a unit.
package struct CoverOrder {
  private let covers: [Cover]

  /// Takes covers that ascend in the target.
  package init(_ covers: [Cover]) { self.covers = covers }

  /// How many covers begin before `place` of the target.
  ///
  /// - Complexity: O(log n).
  package func count(startingBefore place: Int) -> Int { count { $0.target < place } }

  /// Indices of the covers that have bytes of `range`.
  func overlapping(_ range: Range<Int>) -> Range<Int> {
    let first = count { $0.targetEnd <= range.lowerBound }
    let last = count(startingBefore: range.upperBound)
    return first..<max(first, last)
  }

  /// How many covers `precede`; those that do come first.
  private func count(_ precedes: (Cover) -> Bool) -> Int {
    var low = 0
    var high = covers.count
    while low < high {
      let middle = (low + high) / 2
      if precedes(covers[middle]) { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
