import Bytes
import Testing

@testable import DeltaModel

/// Repeats that no encoder writes are written by hand, as docs/format.md has them.
@Suite("Spelling of repeats")
struct RepeatSpellingTests {
  /// What a hand needs to write repeats behind one byte of noise.
  private struct Hand {
    var coder = BinaryCoder()
    var repeats = FlagModel(bits: 12, sets: 1, inputs: 3)
    var lengths = NumberModel(contexts: 1)
    var distances = NumberModel(contexts: 1)
    var recents = FlagModel(bits: 10, sets: 4, inputs: 2)

    init() {
      var noise = FlagModel(bits: 8, sets: 1, inputs: 3)
      let contexts: InlineArray<3, ContextHash> = [
        ContextHash(0).with(0), ContextHash(1).with(0), ContextHash(2).with(0),
      ]
      _ = noise.code(true, contexts: contexts, set: 0, coder: &coder)
      begin(false, gap: 0, lastGap: 0)
      for _ in 0..<8 { _ = coder.code(0, probability: 32_768) }
    }

    mutating func begin(_ isRepeat: Bool, gap: Int, lastGap: Int) {
      let contexts: InlineArray<3, ContextHash> = [
        ContextHash(0).with(gap << 8 | lastGap), ContextHash(1).with(gap), ContextHash(2).with(1),
      ]
      _ = repeats.code(isRepeat, contexts: contexts, set: 0, coder: &coder)
    }

    /// Says of a repeat of one byte whether its distance is the last one, and if not, that it is none of four.
    mutating func oneByte(gap: Int, isLast: Bool) {
      _ = lengths.code(0, context: 0, hint: gap, coder: &coder)
      for number in 0..<(isLast ? 1 : 2) {
        let contexts: InlineArray<2, ContextHash> = [
          ContextHash(0).with(gap).with(number),
          ContextHash(1).with(0).with(number),
        ]
        _ = recents.code(isLast || number > 0, contexts: contexts, set: number, coder: &coder)
      }
      guard !isLast else { return }
      _ = distances.code(0, context: 0, hint: 0, other: gap, coder: &coder)
    }

    /// What the decoder says of all that.
    func refusal(size: Int) -> String {
      let header = DeltaHeader(
        mode: .plain, targetSize: UInt64(size), period: 8, hasRepeats: true)
      do throws(FormatError) {
        _ = try PlainBody.decode(header.encoded + coder.finish(), header: header)
        return ""
      } catch {
        return "\(error)"
      }
    }
  }

  @Test func `a first repeat has a distance of its own`() {
    var good = Hand()
    good.begin(true, gap: 1, lastGap: 0)
    good.oneByte(gap: 1, isLast: false)
    #expect(good.refusal(size: 2) == "")
    var wrong = Hand()
    wrong.begin(true, gap: 1, lastGap: 0)
    wrong.oneByte(gap: 1, isLast: true)
    #expect(wrong.refusal(size: 2).contains("a last distance"))
  }

  @Test func `a distance that is one of the last ones is not told anew`() {
    var hand = Hand()
    hand.begin(true, gap: 1, lastGap: 0)
    hand.oneByte(gap: 1, isLast: false)
    hand.begin(true, gap: 0, lastGap: 1)
    var good = hand
    good.oneByte(gap: 0, isLast: true)
    #expect(good.refusal(size: 3) == "")
    hand.oneByte(gap: 0, isLast: false)
    #expect(hand.refusal(size: 3).contains("told as another"))
  }
}
