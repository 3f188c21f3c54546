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
      let base = try BuiltModules.bytes(old.name, old.version)
      let target = try BuiltModules.bytes(new.name, new.version)
      let all = DeltaEncoder.encode(base: base, target: target, effort: .quick)
      let less = DeltaEncoder.encode(base: base, target: target, effort: .quick, without: part)
      #expect(
        try less.header.decodeBody(of: less.bytes, base: base, without: part).elementsEqual(target))
      differs = less.bytes != all.bytes
    }
    #expect(differs)
  }
}
