internal import Bytes
internal import CodeReferences

extension DeltaBody {
  /// Codes `range` of the target, which no cover has and which follows `cover`.
  mutating func codeInsert(
    _ range: Range<Int>, _ unit: ContentPlan.Unit, after cover: Cover?, base: Span<UInt8>,
    truth: Span<UInt8>, output: inout MutableSpan<UInt8>
  ) throws(FormatError) {
    if unit.role.isCode {
      if code != nil {
        return try codeInstructions(
          range, unit, after: cover, base: base, truth: truth, output: &output)
      }
      if words != nil {
        return try codeWords(range, unit, after: cover, base: base, truth: truth, output: &output)
      }
    }
    try codePlain(range, unit, after: cover, base: base, truth: truth, output: &output)
  }

  private mutating func codePlain(
    _ range: Range<Int>, _ unit: ContentPlan.Unit, after cover: Cover?, base: Span<UInt8>,
    truth: Span<UInt8>, output: inout MutableSpan<UInt8>
  ) throws(FormatError) {
    var traits = PlainInsertModel.Traits()
    traits.role = Int(unit.role.rawValue)
    traits.period = unit.role == .frames ? 32 : unit.period
    traits.diagonal = cover?.diagonal ?? 0
    plain.interrupt()
    coder.open(.newData, range.lowerBound)
    var place = range.lowerBound
    while place < range.upperBound {
      if place & 15 == 0 { coder.open(.newData, place) }
      if place & 63 == 0 { try checkInput() }
      if unit.role != .frames,
        plain.codeRun(
          place..<range.upperBound, truth: truth, target: &output, base: base, coder: &coder)
      {
        place &+= PlainInsertModel.runCount
        try checkInput()
        continue
      }
      codePlainByte(at: place, unit, &traits, base: base, truth: truth, output: &output)
      place &+= 1
    }
    try checkInput()
  }

  private mutating func codePlainByte(
    at place: Int, _ unit: ContentPlan.Unit, _ traits: inout PlainInsertModel.Traits,
    base: Span<UInt8>, truth: Span<UInt8>, output: inout MutableSpan<UInt8>
  ) {
    let actual = coder.isDecoding ? 0 : truth[place]
    if let byte = codeNoise(actual, at: place, old: nil, unit, base: base, target: output.span) {
      plain.skip(byte, at: place)
      output[place] = byte
      return
    }
    traits.offset = place &- unit.range.lowerBound
    if unit.role == .frames {
      predictor.frames.advance(to: place, output.span, slide: unit.slide)
      let offset = place &- predictor.frames.record
      traits.offset = min(offset, 31)
      traits.guess =
        predictor.frames.expected(offset & ~3, slide: unit.slide)
        .map { Int($0 >> UInt64(8 &* (offset & 3)) & 255) } ?? -1
      if !coder.without.contains(.callFrames) {
        callFrame.advance(to: place, output.span, record: predictor.frames.record)
        traits.callFrame = (callFrame.state, callFrame.shortState)
      }
    }
    output[place] = plain.code(
      actual, at: place, traits, target: output.span, base: base, table: &table, coder: &coder)
  }

  private mutating func codeInstructions(
    _ range: Range<Int>, _ unit: ContentPlan.Unit, after cover: Cover?, base: Span<UInt8>,
    truth: Span<UInt8>, output: inout MutableSpan<UInt8>
  ) throws(FormatError) {
    var around = CodeInsertModel.Surroundings()
    around.end = range.upperBound
    around.slide = unit.slide
    around.diagonal = cover?.diagonal ?? 0
    beginInstructions(range, after: cover, base: base, target: output.span)
    var place = range.lowerBound
    while place < range.upperBound {
      coder.open(.newCode, place)
      guard
        let (value, count) = code?.code(
          truth, at: place, around, target: output.span, base: base,
          predictor: &predictor, copies: &copies, table: &table, coder: &coder)
      else { return }
      for index in 0..<count {
        output[place &+ index] = UInt8(truncatingIfNeeded: value >> UInt64(8 &* index))
      }
      place &+= count
      try checkInput()
    }
  }

  /// The cover before ends in or behind an instruction of the base: what came before is known from there.
  private mutating func beginInstructions(
    _ range: Range<Int>, after cover: Cover?, base: Span<UInt8>, target: Span<UInt8>
  ) {
    var history = InstructionHistory()
    var start = range.lowerBound
    if let cover, cover.targetEnd == range.lowerBound {
      let end = cover.baseEnd
      let starts = predictor.reader.map.starts
      if let current = starts.previous(end), end - current < X86Instruction.mostBytes,
        end - current <= cover.count
      {
        start = range.lowerBound - (end - current)
        var earlier: [Int] = []
        var place = current
        while earlier.count < 3, let previous = starts.previous(place - 1),
          place - previous <= X86Instruction.mostBytes
        {
          earlier.append(previous)
          place = previous
        }
        for place in earlier.reversed() {
          history.add(
            X86Instruction(base, at: place, end: base.count), of: base, at: place)
        }
      }
    }
    code?.begin(target, start: start, place: range.lowerBound, history: history)
  }

  private mutating func codeWords(
    _ range: Range<Int>, _ unit: ContentPlan.Unit, after cover: Cover?, base: Span<UInt8>,
    truth: Span<UInt8>, output: inout MutableSpan<UInt8>
  ) throws(FormatError) {
    var around = CodeInsertModel.Surroundings()
    around.end = range.upperBound
    around.slide = unit.slide
    around.diagonal = cover?.diagonal ?? 0
    let start = min(range.upperBound, (range.lowerBound + 3) & ~3)
    let end = max(start, range.upperBound & ~3)
    if range.lowerBound < start {
      try codePlain(
        range.lowerBound..<start, unit, after: cover, base: base, truth: truth, output: &output)
    }
    words?.interrupt()
    for place in stride(from: start, to: end, by: 4) {
      coder.open(.newCode, place)
      let word =
        words?.codeInserted(
          truth.word(place), at: place, around, target: output.span, base: base, table: &table,
          coder: &coder) ?? 0
      for index in 0..<4 {
        output[place &+ index] = UInt8(truncatingIfNeeded: word >> UInt32(8 &* index))
      }
      try checkInput()
    }
    if end < range.upperBound {
      try codePlain(
        end..<range.upperBound, unit, after: cover, base: base, truth: truth, output: &output)
    }
  }
}
