import Bytes
import CodeReferences
import DeltaDecoder
import DeltaModel
import TestSupport

/// Choices that a seed repeats.
struct SeededChoices {
  private var generator: SeededGenerator
  /// How many headers of a file lie.
  var lies = 0

  init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  mutating func next() -> UInt64 { generator.next() }
  mutating func below(_ limit: Int) -> Int { Int(generator.next() % UInt64(max(1, limit))) }
  mutating func bytes(_ count: Int, below limit: Int = 256) -> [UInt8] {
    generator.bytes(count, below: limit)
  }
}

/// A base, a target and a delta from one to the other that no encoder would choose: covers anywhere, and
/// sections paired at random.
struct HostileDelta {
  private static let machines: [UInt16] = [62, 62, 183, 243, 258, 3]

  let base: [UInt8]
  let target: [UInt8]
  let header: DeltaHeader
  let covers: [Cover]
  let front: FrontMatter

  init(seed: UInt64) {
    var choices = SeededChoices(seed: seed)
    let machine = Self.machines[choices.below(Self.machines.count)]
    choices.lies = choices.below(2) == 0 ? 0 : choices.below(6)
    base =
      choices.below(20) == 0
      ? choices.bytes(choices.below(500)) : HostileFile(machine: machine, using: &choices).bytes
    switch choices.below(4) {
    case 0: target = Self.edited(base, &choices)
    case 1: target = choices.bytes(choices.below(500) + 1, below: 30)
    default:
      let other = choices.below(9) == 0 ? Self.machines[choices.below(6)] : machine
      target = HostileFile(machine: other, using: &choices).bytes
    }
    covers = Self.covers(base.count, target.count, &choices)
    front = Self.front(base, target, &choices)
    header = DeltaHeader(
      mode: covers.isEmpty ? .whole : .delta, targetSize: UInt64(target.count),
      coverCount: UInt64(covers.count))
  }

  /// The blob.
  func encoded() throws(FormatError) -> [UInt8] {
    var book: CostBook?
    return try header.encoded
      + DeltaBody.encode(
        base: base, target: target, covers: covers, front: front, fields: FieldMap(base),
        header: header, book: &book)
  }

  /// The blob with some of its end replaced by noise, which is a random walk through what a decoder does.
  static func damaged(_ delta: [UInt8], _ choices: inout SeededChoices) -> [UInt8] {
    var result = delta
    let place = choices.below(delta.count)
    switch choices.below(4) {
    case 0: result[place] ^= UInt8(1 + choices.below(255))
    case 1: result.removeLast(delta.count - place)
    default:
      result.removeLast(delta.count - place)
      result += choices.bytes(choices.below(400), below: choices.below(2) == 0 ? 256 : 4)
    }
    return result
  }

  private static func edited(_ base: [UInt8], _ choices: inout SeededChoices) -> [UInt8] {
    var target = base
    for _ in 0..<choices.below(20) where !target.isEmpty {
      target[choices.below(target.count)] = UInt8(choices.below(256))
    }
    target.insert(contentsOf: choices.bytes(choices.below(90)), at: choices.below(target.count))
    return target + [0]
  }

  private static func covers(
    _ baseCount: Int, _ targetCount: Int, _ choices: inout SeededChoices
  ) -> [Cover] {
    var covers: [Cover] = []
    var place = 0
    guard baseCount > 0, choices.below(6) != 0 else { return [] }
    while place < targetCount, choices.below(30) != 0 {
      place += choices.below(3) == 0 ? choices.below(200) : 0
      let start = choices.below(2) == 0 ? min(place, baseCount - 1) : choices.below(baseCount)
      let most = min(targetCount - place, baseCount - start)
      guard most > 0 else { break }
      let count = 1 + choices.below(choices.below(3) == 0 ? most : min(most, 60))
      covers.append(Cover(target: place, base: start, count: count))
      place += count
    }
    return covers
  }

  private static func front(
    _ base: [UInt8], _ target: [UInt8], _ choices: inout SeededChoices
  ) -> FrontMatter {
    guard let layout = ElfLayout(target.span) else { return .none }
    guard let old = ElfLayout(base.span), old.isSynthetic == layout.isSynthetic else {
      return FrontMatter(layout: layout, sources: layout.sections.map { _ in -1 })
    }
    return FrontMatter(
      layout: layout,
      sources: layout.sections.indices.map { index in
        if layout.isSynthetic || choices.below(2) == 0 {
          return index < old.sections.count ? Int32(index) : -1
        }
        return Int32(choices.below(old.sections.count + 1)) - 1
      })
  }
}
