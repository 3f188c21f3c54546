import CUPF
import TestSupport
import Testing

@Suite("Module classify")
struct ClassifyTests {
  private static let latest = "1.0.1"
  private let missed = UInt16(UPF_DROP_NO_PDR)

  @Test(arguments: ["1.0.0", "1.0.1"])
  func `the selftest passes, and fails on vectors that it does not know`(version: String) throws {
    let module = try LoadedModule("classify", version)
    #expect(module.selftest() == 0)
    #expect(module.selftest(vectors: 1) != 0)
  }

  @Test func `an uplink packet is known by its tunnel, and gets all that its rule names`() throws {
    var bench = try ClassifyBench(Self.latest)
    bench.add(teid: 4, [.rule(session: 8)])
    bench.add(teid: 5, [.rule(session: 9)])
    let verdict = bench.run([.uplink(teid: 5)])[0]
    #expect(verdict.pdr == 1)
    #expect(verdict.session == 9)
    #expect(verdict.qer == 1009)
    #expect(verdict.urr == 2009)
    #expect(verdict.far == 3009)
    #expect(verdict.drop == 0)
  }

  @Test func `a downlink packet is known by the address of the UE`() throws {
    let prefix: [UInt8] = [0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2]
    var bench = try ClassifyBench(Self.latest)
    bench.add(address: [10, 60, 0, 1], [.rule(session: 1)])
    bench.add(address: prefix, [.rule(session: 2)])
    let verdicts = bench.run([
      .downlink(to: [10, 60, 0, 1]), .downlink(to: prefix + [9, 8, 7, 6, 5, 4, 3, 2]),
      .downlink(to: prefix + [0, 0, 0, 0, 0, 0, 0, 1]), .downlink(to: [10, 60, 0, 2]),
    ])
    #expect(verdicts.map(\.session) == [1, 2, 2, UPF_NONE])
  }

  @Test func `a packet that no rule is for is dropped and its verdict names nothing`() throws {
    var bench = try ClassifyBench(Self.latest)
    bench.add(teid: 5, [.rule(session: 1, filters: [.addresses().transport(6)])])
    for verdict in bench.run([.uplink(teid: 6), .uplink(teid: 5), .downlink(to: [1, 2, 3, 4])]) {
      #expect(verdict.drop == missed)
      #expect(
        [verdict.pdr, verdict.session, verdict.qer, verdict.urr, verdict.far].allSatisfy {
          $0 == UPF_NONE
        })
    }
  }

  @Test func `a packet that is already dropped is left alone`() throws {
    var bench = try ClassifyBench(Self.latest)
    bench.add(teid: 5, [.rule(session: 1)])
    let verdict = bench.run([.uplink(teid: 5)], drop: UInt16(UPF_DROP_FAR))[0]
    #expect(verdict.drop == UInt16(UPF_DROP_FAR))
    #expect(verdict.session == UPF_NONE)
  }

  @Test func `of the rules that match, the lowest precedence value wins, whatever their order`()
    throws
  {
    let rules: [ClassifyBench.Rule] = [
      .rule(precedence: 100, session: 1), .rule(precedence: 7, session: 2),
      .rule(precedence: .max, session: 3), .rule(precedence: 0, session: 4, qfi: 9),
      .rule(precedence: 8, session: 5),
    ]
    for turn in 0..<rules.count {
      var bench = try ClassifyBench(Self.latest)
      bench.add(teid: 5, Array(rules[turn...] + rules[..<turn]))
      #expect(bench.run([.uplink(teid: 5)])[0].session == 2)
    }
  }

  @Test func `of two rules with the same precedence the first keeps the packet`() throws {
    for precedence in [UInt32(0), 50, .max] {
      var bench = try ClassifyBench(Self.latest)
      bench.add(
        teid: 5,
        [
          .rule(precedence: precedence, session: 1), .rule(precedence: precedence, session: 2),
        ])
      #expect(bench.run([.uplink(teid: 5)])[0].session == 1)
    }
  }

  @Test func `a rule of one QoS flow takes only that flow`() throws {
    var bench = try ClassifyBench(Self.latest)
    bench.add(
      teid: 5, [.rule(precedence: 1, session: 1, qfi: 9), .rule(precedence: 2, session: 2)])
    var marked = ClassifyPacket.uplink(teid: 5)
    marked.qfi = 9
    var other = marked
    other.qfi = 8
    #expect(bench.run([marked, other, .uplink(teid: 5)]).map(\.session) == [1, 2, 2])
  }

  @Test func `any one of a rule's filters is enough`() throws {
    var bench = try ClassifyBench(Self.latest)
    bench.add(
      teid: 5,
      [
        .rule(
          session: 1,
          filters: [
            .addresses().transport(6), .addresses().transport(132),
            .addresses().transport(17),
          ])
      ])
    #expect(bench.run([.uplink(teid: 5)])[0].session == 1)
  }

  @Test(arguments: [
    (UInt16(52), false), (53, true), (54, true), (55, true), (56, false), (0, false), (.max, false),
  ])
  func `port ranges include both ends, on the data network's side and on the UE's`(
    port: UInt16, matches: Bool
  ) throws {
    for isRemote in [true, false] {
      let filter = upf_filter.addresses().transport(
        remote: isRemote ? 53...55 : nil, ue: isRemote ? nil : 53...55)
      var bench = try ClassifyBench(Self.latest)
      bench.add(teid: 5, [.rule(session: 1, filters: [filter])])
      bench.add(address: [10, 60, 0, 1], [.rule(session: 1, filters: [filter])])
      var sent = ClassifyPacket.uplink(teid: 5)
      sent.ports = isRemote ? (9, port) : (port, 9)
      var received = ClassifyPacket.downlink(to: [10, 60, 0, 1])
      received.ports = isRemote ? (port, 9) : (9, port)
      let expected: UInt32 = matches ? 1 : UPF_NONE
      #expect(bench.run([sent, received]).map(\.session) == [expected, expected])
    }
  }

  @Test func `prefixes count bits of IPv4 addresses, and one of 33 matches nothing`() throws {
    for length in UInt8(0)...40 {
      // The addresses differ from bit 21 on.
      let filter = upf_filter.addresses(remote: ([8, 8, 12, 8], length))
      var bench = try ClassifyBench(Self.latest)
      bench.add(teid: 5, [.rule(session: 1, filters: [filter])])
      var exact = ClassifyPacket.uplink(teid: 5)
      exact.destination = [8, 8, 12, 8]
      let sessions = bench.run([.uplink(teid: 5), exact]).map(\.session)
      #expect(sessions == [length <= 21 ? 1 : UPF_NONE, length <= 32 ? 1 : UPF_NONE], "/\(length)")
    }
  }

  @Test(arguments: [0, 1, 20, 63, 64, 65, 100, 127])
  func `prefixes count bits of IPv6 addresses, and one of 129 matches nothing`(bit: Int) throws {
    let address = [UInt8](repeating: 0x20, count: 16)
    var other = address
    other[bit / 8] ^= 0x80 >> UInt8(bit % 8)
    for length in [UInt8(0), 1, 8, 20, 21, 63, 64, 65, 66, 100, 101, 127, 128, 129, 255] {
      let filter = upf_filter.addresses(version: 6, remote: (address, length))
      var bench = try ClassifyBench(Self.latest)
      bench.add(teid: 5, [.rule(session: 1, filters: [filter])])
      var packet = ClassifyPacket.uplink(teid: 5)
      packet.version = 6
      packet.destination = other
      let matches = Int(length) <= bit
      #expect(bench.run([packet])[0].session == (matches ? 1 : UPF_NONE), "/\(length)")
      packet.destination = address
      #expect(bench.run([packet])[0].session == (length <= 128 ? 1 : UPF_NONE), "/\(length)")
    }
  }

  @Test func `a filter is for one IP version`() throws {
    var bench = try ClassifyBench(Self.latest)
    bench.add(teid: 5, [.rule(session: 1, filters: [.addresses(version: 6)])])
    var packet = ClassifyPacket.uplink(teid: 5)
    #expect(bench.run([packet])[0].drop == missed)
    packet.version = 6
    #expect(bench.run([packet])[0].session == 1)
  }

  @Test func `the UE's own address is filtered, too`() throws {
    let filter = upf_filter.addresses(ue: ([10, 60, 0, 1], 32))
    var bench = try ClassifyBench(Self.latest)
    bench.add(teid: 5, [.rule(session: 1, filters: [filter])])
    var spoofed = ClassifyPacket.uplink(teid: 5)
    spoofed.source = [10, 60, 0, 2]
    #expect(bench.run([.uplink(teid: 5), spoofed]).map(\.session) == [1, UPF_NONE])
  }

  @Test func `keys that fall on one place of the table are told apart`() throws {
    // Seven keys and one empty place: every search passes several others, and wraps.
    var bench = try ClassifyBench(Self.latest, entries: 8)
    for teid in UInt32(1)...7 { bench.add(teid: teid, [.rule(session: teid)]) }
    let verdicts = bench.run((UInt32(1)...9).map { .uplink(teid: $0) })
    #expect(verdicts.map(\.session) == [1, 2, 3, 4, 5, 6, 7, UPF_NONE, UPF_NONE])
  }

  @Test
  func `a table without an empty place, or with rules beyond its end, is searched to its end`()
    throws
  {
    var bench = try ClassifyBench(Self.latest, entries: 8)
    bench.add(teid: 5, [.rule(session: 1, qfi: 3)])
    bench.fillUplink()
    bench.overstate(teid: 5)
    #expect(bench.run([.uplink(teid: 6), .uplink(teid: 5)]).map(\.drop) == [missed, missed])
  }

  @Test func `empty tables match nothing`() throws {
    let bench = try ClassifyBench(Self.latest, entries: 1)
    #expect(
      bench.run([.uplink(teid: 1), .downlink(to: [1, 2, 3, 4])]).map(\.drop) == [missed, missed])
  }

  @Test(arguments: 0..<6)
  func `random rules and packets are matched as a plain search says`(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    var bench = try ClassifyBench(Self.latest, entries: 256)
    var model: [UInt32: [ClassifyBench.Rule]] = [:]
    for teid in UInt32(1)...60 {
      let rules = (0..<Int.random(in: 1...5, using: &random)).map { index in
        ClassifyBench.Rule.rule(
          precedence: .random(in: 0...6, using: &random), session: teid * 10 + UInt32(index),
          qfi: .random(in: 0...2, using: &random), filters: randomFilters(&random))
      }
      model[teid] = rules
      bench.add(teid: teid, rules)
    }
    for _ in 0..<100 {
      let packets = (0..<Int.random(in: 1...32, using: &random)).map { _ in randomPacket(&random) }
      let expected = packets.map { packet in
        (model[packet.teid] ?? []).filter { $0.matches(packet) }
          .min { $0.pdr.precedence < $1.pdr.precedence }?.pdr.session ?? UPF_NONE
      }
      #expect(bench.run(packets).map(\.session) == expected, "SeededGenerator(seed: \(seed))")
    }
  }

  private func randomFilters(_ random: inout SeededGenerator) -> [upf_filter] {
    (0..<Int.random(in: 0...3, using: &random)).map { _ in
      upf_filter.addresses(
        remote: (
          [8, .random(in: 0...1, using: &random), 0, 0], .random(in: 0...17, using: &random)
        )
      ).transport(
        Bool.random(using: &random) ? 17 : nil,
        remote: Bool.random(using: &random) ? 50...UInt16.random(in: 50...55, using: &random) : nil)
    }
  }

  private func randomPacket(_ random: inout SeededGenerator) -> ClassifyPacket {
    var packet = ClassifyPacket.uplink(teid: .random(in: 1...64, using: &random))
    packet.qfi = .random(in: 0...2, using: &random)
    packet.transport = Bool.random(using: &random) ? 17 : 6
    packet.destination = [8, .random(in: 0...1, using: &random), 200, 1]
    packet.ports.destination = .random(in: 49...56, using: &random)
    return packet
  }
}

extension ClassifyBench.Rule {
  /// The same decision, spelled out.
  fileprivate func matches(_ packet: ClassifyPacket) -> Bool {
    guard pdr.qfi == 0 || pdr.qfi == packet.qfi else { return false }
    return filters.isEmpty
      || filters.contains { filter in
        if filter.flags & 1 != 0 && filter.protocol != packet.transport { return false }
        if filter.flags & 2 != 0
          && !(filter.remote_port_first...filter.remote_port_last).contains(
            packet.ports.destination)
        {
          return false
        }
        let wanted = [filter.remote.0, filter.remote.1, filter.remote.2, filter.remote.3]
        return bits(wanted).prefix(Int(filter.remote_prefix))
          .elementsEqual(bits(packet.destination).prefix(Int(filter.remote_prefix)))
      }
  }

  private func bits(_ bytes: [UInt8]) -> [Bool] {
    bytes.flatMap { byte in (0..<8).map { byte & 0x80 >> $0 != 0 } }
  }
}
