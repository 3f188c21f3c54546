import Bytes
import Foundation
import PacketIO
import Platform
import Testing

@testable import GNB

@Suite("Generator")
struct GeneratorTests {
  /// What a run of 2 000 packets through a UPF with this mischief ends with.
  static func run(
    freeEvery: UInt64 = 0, count: UInt64 = 2000,
    _ mischief: @escaping @Sendable (ProbeRecord) -> EchoUPF.Mischief
  ) throws -> (report: [String: Any], isComplete: Bool) {
    let upf = try EchoUPF(mischief)
    defer { upf.stop() }
    let pool = try #require(UEPool(EchoUPF.pool))
    let sink = try #require(IPv4Endpoint("10.6.0.2:9000"))
    let node = try N3Port(
      local: N3PortTests.loopback, upf: upf.local, directory: UEDirectory([pool]))
    var plan = GeneratorPlan(sink: sink, windowedUEs: freeEvery == 0 ? 8 : 6)
    plan.count = count
    plan.window = 64
    plan.freeEvery = freeEvery
    plan.patience = 200_000_000
    var generator = Generator(n3: node, plan: plan, run: 42)
    try generator.run(signals: try SignalQueue([SIGUSR2]), ending: [], answer: { _ in })
    let text = generator.json.text
    let parsed = try JSONSerialization.jsonObject(with: Data(text.utf8))
    return (try #require(parsed as? [String: Any]), generator.isComplete)
  }

  static func stream(_ report: [String: Any], _ name: String) throws -> [String: Int] {
    try #require(report[name] as? [String: Int])
  }

  @Test func `a sound path brings everything back once and in order`() throws {
    let (report, isComplete) = try Self.run { _ in .none }
    let windowed = try Self.stream(report, "windowed")
    #expect(isComplete)
    #expect(windowed["sent"] == 2000)
    #expect(windowed["received"] == 2000)
    #expect(windowed["missing"] == 0)
    #expect(windowed["duplicated"] == 0)
    #expect(windowed["reordered"] == 0)
    #expect(windowed["stalls"] == 0)
  }

  @Test func `lost packets are missing one by one`() throws {
    let (report, isComplete) = try Self.run(count: 200) { $0.number % 50 == 7 ? .drop : .none }
    let windowed = try Self.stream(report, "windowed")
    #expect(!isComplete)
    #expect(windowed["sent"] == 200)
    #expect(windowed["missing"] == 4)
    #expect(windowed["received"] == 196)
  }

  @Test func `packets that come twice are counted as received once`() throws {
    let (report, isComplete) = try Self.run { $0.number % 100 == 3 ? .duplicate : .none }
    let windowed = try Self.stream(report, "windowed")
    #expect(isComplete)
    #expect(windowed["received"] == 2000)
    #expect(windowed["duplicated"] == 20)
  }

  @Test func `a packet that its successors overtake is reordered, not lost`() throws {
    // Of every 64 packets the first 8, one per flow, are held until the ninth has passed: only the
    // first of them is then behind a successor of its own flow.
    let (report, isComplete) = try Self.run { $0.number % 64 < 8 ? .hold : .none }
    let windowed = try Self.stream(report, "windowed")
    #expect(isComplete)
    #expect(windowed["received"] == 2000)
    #expect(windowed["reordered"] == 32)
  }

  @Test func `changed, misdirected and short-circuited packets are told apart`() throws {
    let (report, isComplete) = try Self.run(count: 300) { record in
      switch record.number {
      case 10: .corrupt
      case 20, 21: .misdeliver
      case 30, 31, 32: .unmarked
      default: .none
      }
    }
    #expect(!isComplete)
    #expect(report["corrupt"] as? Int == 1)
    #expect(report["misdelivered"] as? Int == 2)
    #expect(report["not_returned"] as? Int == 3)
    #expect(try Self.stream(report, "windowed")["missing"] == 6)
  }

  @Test func `the free stream is not waited for, and counted by itself`() throws {
    let (report, isComplete) = try Self.run(freeEvery: 10) { record in
      record.stream == .free && record.number % 2 == 0 ? .drop : .none
    }
    let windowed = try Self.stream(report, "windowed")
    let free = try Self.stream(report, "free")
    #expect(isComplete)
    #expect(windowed["received"] == 2000)
    #expect(windowed["stalls"] == 0)
    #expect((199...200).contains(free["sent"] ?? 0))
    #expect(free["missing"] == 100)
  }
}
