import DeltaEncoder
import DeltaModel
import Testing
import TestSupport

/// What the benchmark measures of a part has to be the part: left out, something else is coded, and still comes back.
@Suite("Parts of the codec left out")
struct AblationTests {
  /// The last one shares little, so that not every cover is worth what it costs.
  private static let pairs = [
    (("qer", "1.0.0"), ("qer", "1.0.1")), (("qer", "1.0.2"), ("qer", "1.1.0")),
    (("classify", "1.0.0"), ("classify", "1.0.1")), (("qer", "1.1.0"), ("classify", "1.0.1")),
  ]

  @Test(arguments: DeltaAblation.parts.map(\.name))
  func `a delta without a part is another one, and comes back without it`(name: String) throws {
    let part = try #require(DeltaAblation.parts.first { $0.name == name }).part
    var differs = false
    for (old, new) in Self.pairs {
      let base = try BuiltModules.bytes(old.0, old.1)
      let target = try BuiltModules.bytes(new.0, new.1)
      let all = DeltaEncoder.encode(base: base, target: target, effort: .quick)
      let less = DeltaEncoder.encode(base: base, target: target, effort: .quick, without: part)
      #expect(
        try less.header.decodeBody(of: less.bytes, base: base, without: part).elementsEqual(target))
      differs = differs || less.bytes != all.bytes
    }
    #expect(differs)
  }
}
