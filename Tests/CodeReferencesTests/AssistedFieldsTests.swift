import CodeReferences
import TestSupport
import Testing

/// Who works things out, and when, must not show in what comes out.
@Suite("Fields with an assistant")
struct AssistedFieldsTests {
  /// When an assistant does its work.
  enum Habit: CaseIterable {
    case atOnce
    case whenWaitedFor
    case never

    /// An assistant of this habit, on the same thread.
    var assistant: Assistant {
      switch self {
      case .atOnce:
        { work in
          work()
          return {}
        }
      case .whenWaitedFor: { work in { work() } }
      case .never: { _ in {} }
      }
    }
  }

  @Test(arguments: Habit.allCases, [FieldSamples.crypto, FieldSamples.standard, FieldSamples.c])
  func `a file is analysed by two as by one`(habit: Habit, path: String) throws {
    let map = try FieldSamples.map(path)
    let shared = FieldMap(map.bytes, assistant: habit.assistant)
    #expect(isSame(shared.starts, map.starts))
    let areSame = allKinds(shared) == allKinds(map)
    #expect(areSame)
  }

  /// Each byte is the first of `mov $…, %eax`, so that two sweeps only meet when they began a multiple of
  /// five bytes apart.
  @Test(arguments: Habit.allCases, 200_000..<200_005)
  func `halves of a section that do not meet are swept again`(habit: Habit, count: Int) throws {
    let map = FieldMap(try Self.assembled(".fill \(count), 1, 0xb8"))
    #expect(map.starts.count > count / 5)
    #expect(isSame(FieldMap(map.bytes, assistant: habit.assistant).starts, map.starts))
  }

  @Test(arguments: Habit.allCases)
  func `pages made ahead are those that the reader makes, whatever is read`(habit: Habit) throws {
    let map = try FieldSamples.map(FieldSamples.crypto)
    let kinds = allKinds(map)
    var generator = SeededGenerator(seed: 41)
    func ranges(_ count: Int) -> [Range<Int>] {
      (0..<count).map { _ in
        let start = Int(generator.next() % UInt64(kinds.count - 1))
        return start..<min(kinds.count, start + Int(generator.next() % 40_000))
      }
    }
    let expected = ranges(40)
    // As expected, with others between, in another order, and something else altogether.
    let others = ranges(40)
    let mixed = zip(expected, others).flatMap { [$0, $1] }
    for order in [expected, mixed, expected.reversed(), Array(expected.dropFirst(30)), others] {
      var reader = FieldReader(map)
      var alone = FieldReader(map)
      reader.prepare(for: expected, assistant: habit.assistant)
      let differs = order.contains { range in
        range.contains { place in
          let kind = reader.kind(at: place)
          return kind.rawValue != kinds[place] || kind != alone.kind(at: place)
        }
      }
      #expect(!differs)
      #expect(reader.loadCount == alone.loadCount)
    }
  }

  @Test func `a reader that goes as expected makes no page itself`() throws {
    let map = try FieldSamples.map(FieldSamples.c)
    var reader = FieldReader(map)
    let pieces = Pieces()
    reader.prepare(for: [0..<map.bytes.count]) { work in
      pieces.count += 1
      return { work() }
    }
    for place in stride(from: 0, to: map.bytes.count, by: 4096) { _ = reader.kind(at: place) }
    // Of 32 pages each.
    #expect(pieces.count == (reader.loadCount + 31) / 32)
  }

  @Test func `partners of words come with their pages`() throws {
    // `adrp x0` and `add x0, x0`, again and again.
    var elf = EditedElf(
      try Self.assembled(".rept 20000\n.long 0x90000000, 0x91000000\n.endr"))
    elf.set16(183, at: 18)
    let map = FieldMap(elf.bytes)
    var reader = FieldReader(map)
    var alone = FieldReader(map)
    reader.prepare(for: [0..<map.bytes.count], assistant: Habit.atOnce.assistant)
    var (partners, others) = (0, 0)
    for place in stride(from: 0, to: map.bytes.count, by: 4) {
      others += reader.partner(at: place) == alone.partner(at: place) ? 0 : 1
      partners += alone.partner(at: place) == 0 ? 0 : 1
    }
    #expect(partners > 10_000 && others == 0)
  }

  /// What an assembler makes of `code`, linked.
  private static func assembled(_ code: String) throws -> [UInt8] {
    let directory = try TemporaryDirectory()
    let text = code + "\n.section .note.GNU-stack\n"
    let source = try directory.write("code.s", Array(text.utf8))
    let built = try run(
      "/usr/bin/gcc", ["-shared", "-nostdlib", "-o", directory.path("code.so"), source])
    try #require(built.status == 0, "\(built.errors)")
    return try directory.bytes("code.so")
  }

  private func isSame(_ one: StartIndex, _ other: StartIndex) -> Bool {
    one.count == other.count
      && (0..<one.count).allSatisfy { one.select($0) == other.select($0) }
  }

  /// How many pieces of work were given; all on the thread of the test.
  private final class Pieces: @unchecked Sendable {
    var count = 0
  }
}
