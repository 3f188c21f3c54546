import CUPF
import TestSupport
import Testing

@Suite("Module qer")
struct QERTests {
  private typealias Packet = QERBench.Packet
  private static let latest = "1.0.2"
  /// Nanobits in a byte.
  private static let byte: UInt64 = 8_000_000_000

  private func drops(_ verdicts: [upf_verdict]) -> [UInt32] { verdicts.map { UInt32($0.drop) } }
  private let none = UInt32(UPF_DROP_NONE)
  private let closed = UInt32(UPF_DROP_GATE_CLOSED)
  private let exceeded = UInt32(UPF_DROP_MBR_EXCEEDED)

  @Test(arguments: ["1.0.0", "1.0.1", "1.0.2", "1.1.0"])
  func `the selftest passes, and fails on vectors that it does not know`(version: String) throws {
    let module = try LoadedModule("qer", version)
    #expect(module.selftest() == 0)
    #expect(module.selftest(vectors: 1) != 0)
  }

  @Test func `each direction has a gate of its own`() throws {
    var bench = try QERBench(
      Self.latest,
      [
        .gates(uplink: UPF_GATE_OPEN, downlink: UPF_GATE_CLOSED),
        .gates(uplink: UPF_GATE_CLOSED, downlink: UPF_GATE_OPEN),
      ])
    let verdicts = bench.run(
      [
        Packet(direction: UPF_UPLINK, rule: 0), Packet(direction: UPF_DOWNLINK, rule: 0),
        Packet(direction: UPF_UPLINK, rule: 1), Packet(direction: UPF_DOWNLINK, rule: 1),
      ], now: 1)
    #expect(drops(verdicts) == [none, closed, closed, none])
    #expect(bench.updates.isEmpty)
  }

  @Test func `gate values for future use are closed`() throws {
    var bench = try QERBench(Self.latest, [.gates(uplink: 2, downlink: 3)])
    let verdicts = bench.run(
      [Packet(direction: UPF_UPLINK), Packet(direction: UPF_DOWNLINK)], now: 1)
    #expect(drops(verdicts) == [closed, closed])
  }

  @Test func `a rule without a rate polices nothing`() throws {
    var bench = try QERBench(Self.latest, [.rule()])
    let verdicts = bench.run([Packet](repeating: Packet(length: .max), count: 32), now: 1)
    #expect(drops(verdicts) == [UInt32](repeating: none, count: 32))
    #expect(bench.updates.isEmpty)
  }

  @Test func `packets without a rule pass, packets with a missing one do not`() throws {
    var bench = try QERBench(Self.latest, [.rule()])
    let verdicts = bench.run(
      [Packet(rule: UPF_NONE), Packet(rule: 1), Packet(rule: UPF_NONE - 1)], now: 1)
    #expect(drops(verdicts) == [none, closed, closed])
  }

  @Test(arguments: [("1.0.0", 0), ("1.0.1", 1), ("1.0.2", 2)])
  func `a packet carries the mark of the build that handled it`(version: String, mark: UInt16)
    throws
  {
    var bench = try QERBench(version, [.gates(uplink: UPF_GATE_CLOSED, downlink: UPF_GATE_OPEN)])
    let verdicts = bench.run(
      [Packet(), Packet(rule: UPF_NONE), Packet(direction: UPF_DOWNLINK)], now: 1)
    #expect(verdicts.map(\.qer_mark) == [mark, mark, mark])
  }

  @Test func `a packet that is already dropped is left alone`() throws {
    var bench = try QERBench(Self.latest, [.rule(mbr: 8000, burst: 1500)])
    var dropped = Packet()
    dropped.drop = UInt16(UPF_DROP_NO_PDR)
    let verdicts = bench.run([dropped], now: 1)
    #expect(drops(verdicts) == [UInt32(UPF_DROP_NO_PDR)])
    #expect(verdicts[0].qer_mark == 0)
    #expect(bench.updates.isEmpty)
  }

  @Test func `a new bucket is full, and holds its burst and not a byte more`() throws {
    var bench = try QERBench(Self.latest, [.rule(mbr: 8000, burst: 3000)])
    let verdicts = bench.run(
      [Packet(length: 1500), Packet(length: 1499), Packet(length: 2), Packet(length: 1)], now: 7)
    #expect(drops(verdicts) == [none, none, exceeded, none])
    #expect(bench.buckets[0].tokens == 0)
    #expect(bench.buckets[0].time == 7)
  }

  @Test func `tokens come back at the rate, to the nanobit`() throws {
    var bench = try QERBench(Self.latest, [.rule(mbr: 1_000_003, burst: 2000)])
    bench.setBucket(0, tokens: 17, time: 1000)
    // 1 000 byte need 8e12 nanobits: 7 999 976 ns at 1 000 003 bit/s leave 17 + … just too few.
    let needed = 1000 * Self.byte
    let wait = (needed - 17) / 1_000_003
    #expect(drops(bench.run([Packet()], now: 1000 + wait)) == [exceeded])
    #expect(bench.buckets[0].tokens == 17 + wait * 1_000_003)
    #expect(drops(bench.run([Packet()], now: 1001 + wait)) == [none])
    #expect(bench.buckets[0].tokens == 17 + (wait + 1) * 1_000_003 - needed)
    #expect(bench.buckets[0].time == 1001 + wait)
  }

  @Test func `what is earned above the burst is lost`() throws {
    var bench = try QERBench(Self.latest, [.rule(mbr: 1_000_000_000, burst: 1500)])
    bench.setBucket(1, tokens: 0, time: 1)
    _ = bench.run([Packet(length: 0, direction: UPF_DOWNLINK)], now: 1_000_000_001)
    #expect(bench.buckets[1].tokens == 1500 * Self.byte)
    #expect(bench.buckets[0].time == 0)
  }

  @Test func `over a long time exactly the rate passes`() throws {
    // 10 Mbit/s for two seconds, offered three times that in packets of 1 000 bytes.
    var bench = try QERBench(Self.latest, [.rule(mbr: 10_000_000, burst: 20_000)])
    var passed = 0
    let batches = 7500 / 25
    for index in 0..<batches {
      let now = 1 + UInt64(index) * 2_000_000_000 / UInt64(batches)
      let verdicts = bench.run([Packet](repeating: Packet(), count: 25), now: now)
      passed += verdicts.count { $0.drop == 0 }
    }
    // The burst, and what was earned until the last batch.
    let earned = 10_000_000 * 2 / 8 * (batches - 1) / batches
    #expect(passed == (20_000 + earned) / 1000)
  }

  @Test func `time never goes back`() throws {
    var bench = try QERBench(Self.latest, [.rule(mbr: 8_000_000, burst: 2000)])
    bench.setBucket(0, tokens: 0, time: 5_000_000)
    #expect(drops(bench.run([Packet()], now: 4_000_000)) == [exceeded])
    #expect(bench.buckets[0].time == 5_000_000)
    #expect(drops(bench.run([Packet()], now: 6_000_000)) == [none])
    #expect(bench.buckets[0].tokens == 0)
  }

  @Test func `numbers at the end of their range fill the bucket and do not wrap`() throws {
    var bench = try QERBench(Self.latest, [.rule(mbr: .max, burst: .max)])
    bench.setBucket(0, tokens: .max, time: 1)
    #expect(drops(bench.run([Packet(length: 65_535)], now: .max)) == [none])
    #expect(bench.buckets[0].tokens == UInt64.max - 65_535 * Self.byte)
    bench.setBucket(0, tokens: .max - 1, time: .max - 1)
    _ = bench.run([Packet(length: 0)], now: .max)
    #expect(bench.buckets[0].tokens == .max)
    // A burst beyond what 64 bits of nanobits hold is the largest burst there is.
    #expect(drops(bench.run([Packet(length: .max)], now: .max)) == [none])
    bench.qers = [.rule(mbr: 1, burst: 1)]
    bench.setBucket(0, tokens: 0, time: 1)
    #expect(drops(bench.run([Packet(length: .max)], now: 2)) == [exceeded])
  }

  @Test func `a rule whose burst is zero passes nothing`() throws {
    var bench = try QERBench(Self.latest, [.rule(mbr: 1_000_000, burst: 0)])
    #expect(drops(bench.run([Packet(length: 1)], now: 1)) == [exceeded])
  }

  @Test func `a bucket has one update in a batch, however many packets it serves`() throws {
    var bench = try QERBench(
      Self.latest, [.rule(mbr: 8000, burst: 10_000), .rule(mbr: 8000, burst: 1)])
    let verdicts = bench.run(
      (0..<32).map { Packet(length: 500, rule: $0 % 2) }, now: 9)
    #expect(bench.updates.map(\.bucket) == [0, 2])
    #expect(verdicts.count { $0.drop == 0 } == 16)
    #expect(bench.updates[0].value.tokens == 2000 * Self.byte)
  }

  @Test func `32 buckets that fall on one place of the index keep apart`() throws {
    var bench = try QERBench(
      Self.latest, [upf_qer](repeating: .rule(mbr: 8000, burst: 1000), count: 32 * 32))
    // Every 32nd rule: the bucket numbers are equal modulo the size of the index.
    let verdicts = bench.run((0..<32).map { Packet(rule: $0 * 32) }, now: 3)
    #expect(drops(verdicts) == [UInt32](repeating: none, count: 32))
    #expect(bench.updates.map(\.bucket) == (0..<32).map { $0 * 64 })
    #expect(bench.updates.allSatisfy { $0.value.tokens == 0 && $0.value.time == 3 })
  }

  @Test func `a batch that was lost before its commit point gives the same again`() throws {
    var bench = try QERBench(Self.latest, [.rule(mbr: 8_000_000, burst: 4000)])
    let packets = [Packet](repeating: Packet(length: 900), count: 20)
    let first = bench.rehearse(packets, now: 5)
    let updates = bench.updates
    let second = bench.run(packets, now: 5)
    #expect(drops(first) == drops(second))
    #expect(updates.map(\.value.tokens) == bench.updates.map(\.value.tokens))
    #expect(bench.buckets[0].tokens == 400 * Self.byte)
  }

  @Test(arguments: 0..<6)
  func `random traffic is policed as wide arithmetic says`(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let rules = (0..<20).map { _ in
      upf_qer.rule(
        mbr: UInt64.random(in: 0...3, using: &random) == 0
          ? .random(in: 0 ... .max, using: &random)
          : .random(in: 0...2_000_000_000, using: &random),
        burst: .random(in: 0...100_000, using: &random))
    }
    var bench = try QERBench(Self.latest, rules)
    var model = QERModel(rules)
    var now: UInt64 = 1
    for _ in 0..<400 {
      now += .random(in: 0...3_000_000, using: &random)
      let packets = (0..<Int.random(in: 1...32, using: &random)).map { _ in
        Packet(
          length: .random(in: 0...9000, using: &random),
          direction: .random(in: 0...1, using: &random),
          rule: .random(in: 0..<20, using: &random))
      }
      let expected = packets.map { model.passes($0, now: now) ? none : exceeded }
      #expect(drops(bench.run(packets, now: now)) == expected, "SeededGenerator(seed: \(seed))")
    }
  }
}

/// The same policing in 128 bits, one packet at a time.
private struct QERModel {
  private let rules: [upf_qer]
  private var buckets: [(tokens: UInt128, time: UInt64)?]

  init(_ rules: [upf_qer]) {
    self.rules = rules
    buckets = .init(repeating: nil, count: 2 * rules.count)
  }

  mutating func passes(_ packet: QERBench.Packet, now: UInt64) -> Bool {
    let rule = rules[Int(packet.rule)]
    let isUplink = packet.direction == UPF_UPLINK
    let rate = isUplink ? rule.mbr.0 : rule.mbr.1
    if rate == 0 { return true }
    let capacity = UInt128(isUplink ? rule.burst.0 : rule.burst.1) * 8_000_000_000
    let index = 2 * Int(packet.rule) + Int(packet.direction)
    var (tokens, time) = buckets[index] ?? (capacity, now)
    tokens = min(capacity, tokens + UInt128(now - time) * UInt128(rate))
    time = now
    let cost = UInt128(packet.length) * 8_000_000_000
    let passes = cost <= tokens
    buckets[index] = (passes ? tokens - cost : tokens, time)
    return passes
  }
}
