extension PlainBody {
  /// Longer matches are one context.
  private static let longestMatch = 31

  /// Returns what the byte at `place` may depend on: the bytes before it, columns of a table, lines and
  /// words of a text, and what is guessed of it.
  func contexts(
    _ place: Int, long: PlainMatches.Guess, short: PlainMatches.Guess, _ target: Span<UInt8>,
    without: DeltaAblation
  ) -> PlainByteModel.Contexts {
    var contexts = allContexts(place, long: long, short: short, target)
    guard !without.isEmpty else { return contexts }
    for (part, range) in Self.contextsOfParts where without.contains(part) {
      for index in range { contexts[index] = ContextHash(index) }
    }
    return contexts
  }

  /// Which contexts a part of the codec is, where it is some of them.
  private static let contextsOfParts: [(DeltaAblation, ClosedRange<Int>)] = [
    (.plainColumns, 0...0), (.plainColumns, 10...15), (.plainGaps, 16...18), (.plainText, 19...23),
  ]

  private func allContexts(
    _ place: Int, long: PlainMatches.Guess, short: PlainMatches.Guess, _ target: Span<UInt8>
  ) -> PlainByteModel.Contexts {
    let four = Int(target.word(place &- 4))
    let one = four >> 24
    let five = target.byte(place &- 5)
    let column = place % period
    let above = target.byte(place &- period)
    let aboveThat = target.byte(place &- 2 &* period)
    let aboveLeft = target.byte(place &- period &- 1)
    let line = text.above(place, target)
    let expected = long.length > 1 ? long.byte | 256 : 0
    let recent = short.length > 0 ? short.byte | 256 : 0
    let word = Int(truncatingIfNeeded: text.word)
    return [
      ContextHash(0).with(column),
      ContextHash(1).with(one),
      ContextHash(2).with(four >> 16),
      ContextHash(3).with(four >> 8),
      ContextHash(4).with(four),
      ContextHash(5).with(four).with(five),
      ContextHash(6).with(four).with(five << 8 | target.byte(place &- 6)),
      ContextHash(7).with(expected << 8 | min(long.length, Self.longestMatch)),
      ContextHash(8).with(expected << 8 | one),
      ContextHash(9).with(expected << 9 | recent),
      ContextHash(10).with(above << 8 | column),
      ContextHash(11).with(above << 16 | one << 8 | aboveLeft).with(column),
      ContextHash(12).with((2 &* above &- aboveThat) & 255).with(column),
      ContextHash(13).with((above &+ one &- aboveLeft) & 255).with(column),
      ContextHash(14).with(column << 8 | one),
      ContextHash(15).with(above << 8 | aboveThat).with(column),
      ContextHash(16).with(four >> 16 & 0xff),
      ContextHash(17).with(four >> 8 & 0xffff),
      ContextHash(18).with(four & 0xffff),
      ContextHash(19).with(line.byte).with(min(place &- text.line, 255)),
      ContextHash(20).with(line.byte << 8 | one).with(line.counted),
      ContextHash(21).with(text.field).with(Int(truncatingIfNeeded: text.fieldHash)),
      ContextHash(22).with(word).with(one),
      ContextHash(23).with(word).with(Int(truncatingIfNeeded: text.wordBefore)),
    ]
  }
}
