/// Codes covered bytes: which of them differ from the base, and what they are instead.
///
/// Whole blocks without a difference cost one flag. In the others each byte has a flag, and the bytes
/// that differ are coded knowing what they were, what came before, and how the last words that differed
/// had changed: addresses that moved by the same distance change by the same difference.
package struct CopyModel: Sendable {
  /// Bytes that share one flag while nothing differs.
  package static let blockCount = 64
  private static let wordCount = 4

  /// Whether something was coded as different and is not, which no encoder does.
  package private(set) var isMalformed = false

  private var blockFlags: FlagModel
  private var byteFlags: FlagModel
  private var bytes = ByteModel(kinds: 10, inputs: 10)

  /// One bit per block, the last one lowest; set where something differed.
  private var blocks = 0
  /// One bit per byte, the last one lowest; set where it differed.
  private var misses = 0
  private var sinceMiss = 0
  /// Bytes since the start of the word that differs, `wordCount` outside of one.
  private var phase = CopyModel.wordCount
  /// What the word that differs was, and by how much the last two such words changed.
  private var oldWord: UInt32 = 0
  private var newWord: UInt32 = 0
  private var change: UInt32 = 0
  private var earlierChange: UInt32 = 0

  /// Starts before the first byte, with 2^`bits` slots for flags.
  package init(bits: Int) {
    blockFlags = FlagModel(bits: bits - 3, sets: 4, inputs: 4)
    byteFlags = FlagModel(bits: bits, sets: 64, inputs: 9)
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
      phase = Self.wordCount
    }
    return result
  }

  /// Codes one byte of a block with differences, at `place` of the target and `old` of the base.
  package mutating func codeByte(
    _ byte: UInt8, at place: Int, old: Int, target: Span<UInt8>, base: Span<UInt8>,
    table: inout ContextTable, coder: inout BinaryCoder
  ) -> UInt8 {
    let was = base.byte(old)
    let expected = expectedBytes(base.word(old))
    let differs = codeDiffers(
      Int(byte) != was, old: old, was: was, expected: expected.0, base: base, coder: &coder)
    var result = UInt8(truncatingIfNeeded: was)
    if differs {
      result = codeValue(
        byte, at: place, old: old, expected: expected, target: target, base: base, table: &table,
        coder: &coder)
    }
    advance(differs: differs, byte: result, oldWord: base.word(old))
    return result
  }

  /// What the byte is if its word changes as the last one did, and as the one before.
  @inline(__always)
  private func expectedBytes(_ word: UInt32) -> (Int, Int) {
    let start = phase < Self.wordCount ? oldWord : word
    let shift = UInt32(truncatingIfNeeded: (phase & 3) &* 8)
    return (
      Int((start &+ change) >> shift & 255), Int((start &+ earlierChange) >> shift & 255)
    )
  }

  private mutating func codeDiffers(
    _ differs: Bool, old: Int, was: Int, expected: Int, base: Span<UInt8>,
    coder: inout BinaryCoder
  ) -> Bool {
    let before = base.byte(old &- 1)
    let last = misses & 1
    let foretold = expected == was ? 0 : 1
    let contexts: InlineArray<9, ContextHash> = [
      ContextHash(10).with(misses & 15).with(phase),
      ContextHash(11).with(was).with(misses & 3).with(phase),
      ContextHash(12).with(misses & 0x3ff),
      ContextHash(13).with(before << 8 | base.byte(old &- 2)).with(last).with(phase),
      ContextHash(14).with(before << 16 | was << 8 | base.byte(old &+ 1)).with(last),
      ContextHash(15).with(Int(base.word(old))).with(last),
      ContextHash(16).with(min(sinceMiss, 40)).with(old & 7),
      ContextHash(17).with(misses >> 7 & 1 | misses >> 14 & 2 | misses >> 21 & 4 | last << 3)
        .with(old & 7).with(phase),
      ContextHash(18).with(foretold).with(phase).with(before),
    ]
    return byteFlags.code(
      differs, contexts: contexts, set: phase << 3 | foretold << 2 | misses & 3, coder: &coder)
  }

  private mutating func codeValue(
    _ byte: UInt8, at place: Int, old: Int, expected: (Int, Int), target: Span<UInt8>,
    base: Span<UInt8>, table: inout ContextTable, coder: inout BinaryCoder
  ) -> UInt8 {
    let was = base.byte(old)
    let previous = target.byte(place &- 1)
    let step = (previous &- base.byte(old &- 1)) & 255
    let phase = phase & 3
    let contexts: InlineArray<10, ContextHash> = [
      ContextHash(20).with(was).with(phase),
      ContextHash(21).with(expected.0).with(phase),
      ContextHash(22).with(expected.1).with(phase),
      ContextHash(23).with(was).with(previous),
      ContextHash(24).with(previous << 8 | target.byte(place &- 2)).with(phase),
      ContextHash(25).with(was << 16 | base.byte(old &- 1) << 8 | base.byte(old &- 2)),
      ContextHash(26).with(was).with(step).with(phase),
      ContextHash(27).with(Int(phase == 0 ? base.word(old) : oldWord)).with(phase),
      ContextHash(28).with(old & 7).with(target.byte(place &- 8)),
      ContextHash(29).with(expected.0).with(previous).with(phase),
    ]
    return bytes.code(byte, contexts: contexts, kind: phase, table: &table, coder: &coder)
  }

  private mutating func advance(differs: Bool, byte: UInt8, oldWord word: UInt32) {
    misses = misses << 1 | (differs ? 1 : 0)
    sinceMiss = differs ? 0 : sinceMiss &+ 1
    if phase == Self.wordCount {
      guard differs else { return }
      phase = 0
      oldWord = word
      newWord = 0
    }
    newWord |= UInt32(byte) << UInt32(truncatingIfNeeded: phase &* 8)
    phase &+= 1
    if phase == Self.wordCount {
      earlierChange = change
      change = newWord &- oldWord
    }
  }
}
