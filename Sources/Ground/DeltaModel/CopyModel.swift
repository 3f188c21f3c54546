/// Codes covered bytes: which of them differ from the base, and what they are instead.
///
/// Whole blocks without a difference cost one flag. In the others each byte has a flag, and the bytes
/// that differ are coded knowing what they were, what came before, and how the last words that differed
/// had changed: addresses that moved by the same distance change by the same difference.
package struct CopyModel: Sendable {
  /// Bytes that share one flag while nothing differs.
  package static let blockCount = 128

  /// Whether something was coded as different and is not, which no encoder does.
  package private(set) var isMalformed = false

  private var blockFlags: FlagModel
  private var byteFlags: FlagModel
  private var bytes = ByteModel(kinds: 4, inputs: 8)

  /// One bit per block, the last one lowest; set where something differed.
  private var blocks = 0
  /// One bit per byte, the last one lowest; set where it differed.
  private var misses = 0
  private var sinceMiss = 0
  private var words = WordChanges()

  /// Starts before the first byte, with 2^`bits` slots for flags.
  package init(bits: Int) {
    blockFlags = FlagModel(bits: bits - 3, sets: 4, inputs: 4)
    byteFlags = FlagModel(bits: bits, sets: 64, inputs: 6)
  }

  /// Codes whether the block of `count` bytes at `place` of its cover holds a difference.
  package mutating func codeBlock(
    differs: Bool, place: Int, count: Int, coder: inout BinaryCoder
  ) -> Bool {
    let last = blocks & 3
    let contexts: InlineArray<4, ContextHash> = [
      ContextHash(0).with(blocks & 255),
      ContextHash(1).with(last).with(min(place >> 6, 3)),
      ContextHash(2).with(blocks & 0xffff),
      ContextHash(3).with(last).with(64 - count.leadingZeroBitCount),
    ]
    let result = blockFlags.code(differs, contexts: contexts, set: last, coder: &coder)
    blocks = blocks << 1 | (result ? 1 : 0)
    if !result {
      misses = 0
      sinceMiss += count
      words.interrupt()
    }
    return result
  }

  /// Codes one byte of a block with differences, at `place` of the target and `old` of the base.
  package mutating func codeByte(
    _ byte: UInt8, at place: Int, old: Int, target: Span<UInt8>, base: Span<UInt8>,
    table: inout ContextTable, coder: inout BinaryCoder
  ) -> UInt8 {
    let was = base.byte(old)
    let guesses = words.guesses(base.word(old), at: old)
    let differs = codeDiffers(
      Int(byte) != was, old: old, was: was, guesses: guesses, base: base, coder: &coder)
    var result = UInt8(truncatingIfNeeded: was)
    if differs {
      result = codeValue(
        byte, at: place, old: old, guesses: guesses, target: target, base: base, table: &table,
        coder: &coder)
      if Int(result) == was { isMalformed = true }
    }
    misses = misses << 1 | (differs ? 1 : 0)
    sinceMiss = differs ? 0 : sinceMiss &+ 1
    words.advance(differs: differs, byte: result)
    return result
  }

  private mutating func codeDiffers(
    _ differs: Bool, old: Int, was: Int, guesses: InlineArray<5, Int>, base: Span<UInt8>,
    coder: inout BinaryCoder
  ) -> Bool {
    let before = base.byte(old &- 1)
    let last = misses & 1
    let phase = words.phase
    var foretold = 0
    for index in 0..<5 { foretold |= guesses[index] == was ? 0 : 1 << index }
    let contexts: InlineArray<6, ContextHash> = [
      ContextHash(10).with(foretold).with(phase).with(misses & 3),
      ContextHash(11).with(was).with(misses & 3).with(phase),
      ContextHash(12).with(before << 8 | base.byte(old &- 2)).with(last).with(phase),
      ContextHash(13).with(before << 16 | base.byte(old &+ 3) << 8 | base.byte(old &+ 2)).with(
        phase
      ).with(foretold >> 2),
      ContextHash(14).with(misses >> 7 & 1 | misses >> 14 & 2 | misses >> 21 & 4 | last << 3)
        .with(old & 7).with(phase),
      ContextHash(15).with(foretold & 1).with(phase).with(before),
    ]
    return byteFlags.code(
      differs, contexts: contexts, set: phase << 3 | (foretold & 4) | misses & 3, coder: &coder)
  }

  private mutating func codeValue(
    _ byte: UInt8, at place: Int, old: Int, guesses: InlineArray<5, Int>, target: Span<UInt8>,
    base: Span<UInt8>, table: inout ContextTable, coder: inout BinaryCoder
  ) -> UInt8 {
    let was = base.byte(old)
    let previous = target.byte(place &- 1)
    let step = (previous &- base.byte(old &- 1)) & 255
    let phase = words.phase & 3
    let contexts: InlineArray<8, ContextHash> = [
      ContextHash(20).with(guesses[0]).with(phase),
      ContextHash(21).with(guesses[1]).with(phase),
      ContextHash(22).with(guesses[2]).with(phase),
      ContextHash(23).with(guesses[3]).with(phase),
      ContextHash(24).with(guesses[2]).with(guesses[0]).with(phase),
      ContextHash(25).with(was).with(step).with(phase),
      ContextHash(26).with(old & 7).with(target.byte(place &- 8)),
      ContextHash(27).with(guesses[4]).with(phase),
    ]
    return bytes.code(byte, contexts: contexts, kind: phase, table: &table, coder: &coder)
  }
}
