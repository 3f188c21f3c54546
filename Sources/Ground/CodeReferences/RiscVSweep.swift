/// The way through RISC-V code, whose instructions have two or four bytes.
///
/// Where an instruction begins depends on all before it. So that a byte's kind depends on a bounded
/// neighbourhood only, the way is found anew in every block of `block` bytes of the file (aligned
/// by file offset): it is walked from `approach` bytes before the block (but not from before the
/// section), and the block's first instruction begins where that walk first reaches the block:
/// at its first or at its second half word. Real code falls into step long before that.
/// A block's way goes on to where the next block's begins. An instruction of four bytes that would
/// go beyond that, because the two ways do not meet, is `riscHalf` instead, as many half words as
/// there are before it, each a start; those say nothing of registers.
struct RiscVSweep {
  /// How many bytes have one way.
  static let block = 512
  /// How far before a block its way begins.
  static let approach = 64

  private let view: WordView
  /// The half words of the section.
  private let first: Int
  private let last: Int
  private var tracker = PairTracker()

  /// Prepares the way through a view.
  init(_ view: WordView) {
    self.view = view
    first = min((view.section.lowerBound &+ 1) & ~1, view.section.upperBound)
    last = max(view.section.upperBound & ~1, first)
  }

  @inline(__always)
  private func half(_ bytes: Span<UInt8>, at place: Int) -> UInt32 {
    UInt32(bytes[place]) | UInt32(bytes[place &+ 1]) << 8
  }

  /// How many bytes the instruction at `place` has, in a section that ends at `last`.
  @inline(__always)
  private func count(_ bytes: Span<UInt8>, at place: Int) -> Int {
    RiscVWord.isWord(half(bytes, at: place)) ? 4 : 2
  }

  /// Where the first instruction of the block at `start` begins.
  private func entry(_ bytes: Span<UInt8>, block start: Int) -> Int {
    if start <= first { return first }
    var place = max(first, start &- Self.approach)
    while place < start && place < last { place &+= count(bytes, at: place) }
    return place
  }

  /// Marks the view's window.
  mutating func mark(
    _ bytes: Span<UInt8>, _ kinds: inout MutableSpan<UInt8>, _ partners: inout MutableSpan<Int16>
  ) {
    for place in view.section.lowerBound..<first { view.put(.bad, at: place, count: 1, &kinds) }
    for place in last..<view.section.upperBound { view.put(.bad, at: place, count: 1, &kinds) }
    let from = max(first, (view.window.lowerBound & ~3) &- WordCode.pairReach)
    let end = min(last, view.cellsEnd &+ WordCode.pairReach)
    var start = from & ~(Self.block &- 1)
    var place = entry(bytes, block: start)
    while start < end {
      if start >= view.cellsEnd && tracker.fresh == 0 { return }
      let next = start &+ Self.block
      let stop = next < last ? entry(bytes, block: next) : last
      place = walk(bytes, place, to: stop, &kinds, &partners)
      start = next
    }
  }

  /// Marks the instructions from `place` to `stop`; what is left before it is half words.
  @inline(__always)
  private mutating func walk(
    _ bytes: Span<UInt8>, _ place: Int, to stop: Int,
    _ kinds: inout MutableSpan<UInt8>, _ partners: inout MutableSpan<Int16>
  ) -> Int {
    var place = place
    while place < stop {
      let low = half(bytes, at: place)
      if !RiscVWord.isWord(low) {
        let step = tracker.step(RiscVWord.self, RiscVWord.effect(low), at: place)
        view.put(step.kind, at: place, count: 2, &kinds)
        place &+= 2
      } else if place &+ 4 <= stop {
        let word = WordView.word(bytes, at: place)
        let step = tracker.step(RiscVWord.self, RiscVWord.effect(word), at: place)
        view.put(step.kind, at: place, count: 4, &kinds)
        view.record(step, at: place, &partners)
        place &+= 4
      } else {
        view.put(.riscHalf, at: place, count: 2, &kinds)
        place &+= 2
      }
    }
    return place
  }
}
