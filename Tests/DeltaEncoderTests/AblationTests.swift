import DeltaEncoder
import DeltaModel
import Testing
import TestSupport

/// What the benchmark measures of a part has to be the part: left out, something else is coded, and still comes back.
@Suite("Parts of the codec left out")
struct AblationTests {
  private typealias Module = (name: String, version: String)

  private static let modules: [Module] = [
    ("qer", "1.0.0"), ("qer", "1.0.1"), ("qer", "1.0.2"), ("qer", "1.1.0"), ("classify", "1.0.0"),
    ("classify", "1.0.1"),
  ]

  /// Those first that share most: of others not every cover is worth what it costs.
  private static var pairs: [(old: Module, new: Module)] {
    var pairs: [(old: Module, new: Module)] = []
    for step in 1..<modules.count {
      for first in 0..<modules.count - step {
        pairs.append((modules[first], modules[first + step]))
        pairs.append((modules[first + step], modules[first]))
      }
    }
    return pairs
  }

  @Test(arguments: DeltaAblation.parts.map(\.name))
  func `a delta without a part is another one, and comes back without it`(name: String) throws {
    let part = try #require(DeltaAblation.parts.first { $0.name == name }).part
    var differs = false
    for (old, new) in Self.pairs where !differs {
      differs = try Self.differs(
        BuiltModules.bytes(old.name, old.version), BuiltModules.bytes(new.name, new.version), part)
    }
    for module in Self.modules where !differs {
      differs = try Self.differs([], BuiltModules.bytes(module.name, module.version), part)
    }
    #expect(differs)
  }

  @Test(arguments: DeltaAblation.plainParts.map(\.name))
  func `a file by itself without a part is another delta, and comes back without it`(
    name: String
  ) throws {
    let part = try #require(DeltaAblation.plainParts.first { $0.name == name }).part
    let code = try Array(BuiltModules.bytes("qer", "1.0.0").dropFirst(64))
    #expect(try [Self.lines, Self.draws, code].contains { try Self.differs([], $0, part) })
  }

  /// Whether the delta without `part` is another one than that with it; fails the test if it does not come back.
  private static func differs(
    _ base: [UInt8], _ target: [UInt8], _ part: DeltaAblation
  ) throws -> Bool {
    let all = DeltaEncoder.encode(base: base, target: target, effort: .quick)
    let less = DeltaEncoder.encode(base: base, target: target, effort: .quick, without: part)
    #expect(
      try less.header.decodeBody(of: less.bytes, base: base, without: part).elementsEqual(target))
    return less.bytes != all.bytes
  }

  private static let lines: [UInt8] = Array(
    (0..<400).map { "\($0 * 7919 % 1000) words of line \($0)\n" }.joined().utf8)

  /// Blocks of noise, and draws from these.
  private static let draws: [UInt8] = {
    var generator = SeededGenerator(seed: 3)
    let blocks = (0..<50).map { _ in
      (0..<24).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }
    let drawn = (0..<150).map { _ in blocks[Int.random(in: 0..<50, using: &generator)] }
    return Array((blocks + drawn).joined())
  }()
}
