import GTPU
import TestSupport
import Testing
import UPF

/// One packet for every reason that a malformed one can be refused for.
@Suite("Malformed packets")
struct MalformedTests {
  private static let sound = TestPackets.v4(from: Site.ue, to: Site.server)

  /// A G-PDU whose payload is `inner`.
  private static func wrapped(_ inner: [UInt8]) -> [UInt8] {
    GTPUHeader(.packet, teid: Site.teid).message(inner)
  }

  private static func changed(_ bytes: [UInt8], _ change: (inout [UInt8]) -> Void) -> [UInt8] {
    var copy = bytes
    change(&copy)
    return copy
  }

  /// A message of `type` with the given flags and rest, and a right length field.
  private static func message(_ flags: UInt8, _ type: UInt8, _ rest: [UInt8]) -> [UInt8] {
    [flags, type] + TestPackets.big(UInt16(rest.count)) + TestPackets.big(Site.teid) + rest
  }

  private static let v6 = TestPackets.v6(from: (Site.uePrefix, 1), to: Site.server6)

  /// What comes through N3, and the fate that it must have.
  static let cases: [(bytes: [UInt8], fate: PacketFate)] = [
    ([], PacketFate(.truncatedHeader)),
    ([0x30, 255, 0], PacketFate(.truncatedHeader)),
    (message(0x50, 255, []), PacketFate(.unsupportedVersion)),
    (message(0x20, 255, []), PacketFate(.primeProtocol)),
    (Array(wrapped(sound).dropLast()), PacketFate(.lengthBeyondDatagram)),
    (wrapped(sound) + [0], PacketFate(.lengthShortOfDatagram)),
    (message(0x32, 255, [0, 0]), PacketFate(.truncatedOptionalFields)),
    (message(0x34, 255, [0, 0, 0, 0x85, 0, 0, 0, 0]), PacketFate(.emptyExtensionHeader)),
    (message(0x34, 255, [0, 0, 0, 0x85, 4, 0, 0, 0]), PacketFate(.extensionHeaderBeyondEnd)),
    (
      message(
        0x34, 255, [0, 0, 0, 0x20] + (0..<9).flatMap { _ in [UInt8](arrayLiteral: 1, 0, 0, 0x20) }),
      PacketFate(.tooManyExtensionHeaders)
    ),
    (message(0x34, 255, [0, 0, 0, 0xc0, 1, 0, 0, 0]), PacketFate(.extensionHeaderNotSupported)),
    (
      message(0x34, 255, [0, 0, 0, 0x85, 1, 0x10, 1, 0x85, 1, 0x10, 1, 0]),
      PacketFate(.repeatedPDUSessionContainer)
    ),
    (
      message(0x34, 255, [0, 0, 0, 0x85, 1, 0x18, 1, 0]), PacketFate(.truncatedPDUSessionContainer)
    ),
    (message(0x34, 255, [0, 0, 0, 0x85, 1, 0x70, 1, 0]), PacketFate(.unknownPDUSessionType)),
    (message(0x30, 99, []), PacketFate(.unknownMessageType)),
    (message(0x30, 1, []), PacketFate(.missingSequenceNumber)),
    (message(0x32, 2, [0, 0, 0, 0, 14]), PacketFate(.truncatedElement)),
    (message(0x32, 26, [0, 0, 0, 0, 133, 0, 3, 1, 2, 3]), PacketFate(.wrongElementLength)),
    (message(0x32, 1, [0, 0, 0, 0, 99, 1]), PacketFate(.unknownElement)),
    (message(0x32, 2, [0, 0, 0, 0]), PacketFate(.missingElement)),
    (
      message(0x34, 255, [0, 0, 0, 0x85, 1, 0x00, 9, 0] + sound), .wrongPDUSessionDirection
    ),
    (wrapped([]), .innerTruncated),
    (wrapped(Array(sound.prefix(19))), .innerTruncated),
    (wrapped(Array(v6.prefix(39))), .innerTruncated),
    (wrapped(changed(sound) { $0[0] = 0x55 }), .innerNotIP),
    (wrapped(changed(sound) { $0[0] = 0x44 }), .innerBadHeader),
    (wrapped(changed(Array(sound.prefix(20))) { ($0[0], $0[3]) = (0x46, 20) }), .innerBadHeader),
    (wrapped(Array(sound.dropLast())), .innerLengthMismatch),
    (wrapped(sound + [0]), .innerLengthMismatch),
    (wrapped(v6 + [0]), .innerLengthMismatch),
    (wrapped(changed(v6) { ($0[6], $0[41]) = (0, 200) }), .innerBadHeader),
    (
      // A chain of destination options without an end.
      wrapped(
        changed(TestPackets.v6(from: (1, 1), to: (1, 1), payload: 120)) {
          $0[6] = 60
          for place in stride(from: 40, to: $0.count, by: 8) {
            ($0[place], $0[place + 1]) = (60, 0)
          }
        }), .innerBadHeader
    ),
    (TestPackets.uplink(teid: 0xbad, sound), .unknownTunnel),
  ]

  @Test(arguments: cases.indices)
  func `each kind is dropped under its own reason`(index: Int) throws {
    let (bytes, fate) = Self.cases[index]
    let node = try TestNode()
    defer { try? node.plane.stop() }
    node.fromAccess(bytes)
    // What comes after it is served as if nothing had been.
    node.fromAccess(TestPackets.uplink(teid: Site.teid, Self.sound))
    #expect(node.settle())
    let statistics = node.plane.statistics()
    let found = PacketFate.table.filter { statistics[$0.fate].packets > 0 }.map(\.name).sorted()
    #expect(found == [fate.name, PacketFate.forwardedToCore.name].sorted())
    #expect(statistics[fate] == Traffic(packets: 1, bytes: UInt64(bytes.count)))
    #expect(node.toCore.map(\.bytes) == [Self.sound])
    #expect(node.plane.account().isBalanced)
  }

  @Test func `every reason of the GTP-U decoder is among them`() {
    let fates = Set(Self.cases.map(\.fate))
    for fault in GTPUFault.allCases { #expect(fates.contains(PacketFate(fault)), "\(fault)") }
  }

  @Test func `malformed packets of the data network are dropped under their reasons`() throws {
    let node = try TestNode()
    defer { try? node.plane.stop() }
    node.fromCore([])
    node.fromCore([0x45])
    node.fromCore([0x12, 0, 0, 0])
    node.fromCore(Array(Self.sound.dropLast()))
    #expect(node.settle())
    let statistics = node.plane.statistics()
    #expect(statistics[.innerTruncated].packets == 2)
    #expect(statistics[.innerNotIP].packets == 1)
    #expect(statistics[.innerLengthMismatch].packets == 1)
    #expect(node.plane.account().isBalanced)
  }

  @Test func `every fate has a number and a name of its own`() {
    #expect(Set(PacketFate.table.map(\.fate)).count == PacketFate.table.count)
    #expect(Set(PacketFate.table.map(\.name)).count == PacketFate.table.count)
    #expect(PacketFate.table.allSatisfy { Int($0.fate.rawValue) < PacketFate.limit })
  }

  /// Sound packets with some bytes changed, cut or added: whatever they turn into has one fate.
  @Test func `random damage is accounted for to the last packet and byte`() throws {
    let seed: UInt64 = 0x5eed_0007
    var random = SeededGenerator(seed: seed)
    let node = try TestNode([Site.session(count: 4)])
    defer { try? node.plane.stop() }
    for _ in 0..<4000 {
      let isUplink = Bool.random(using: &random)
      let user = UInt32.random(in: 0...4, using: &random)
      let inner =
        isUplink
        ? TestPackets.v4(from: Site.ue + user, to: Site.server)
        : TestPackets.v4(from: Site.server, to: Site.ue + user)
      var bytes = isUplink ? TestPackets.uplink(teid: Site.teid + user, inner) : inner
      for _ in 0..<Int.random(in: 0...3, using: &random) {
        bytes[Int.random(in: bytes.indices, using: &random)] ^= UInt8(
          1 << Int.random(in: 0...7, using: &random))
      }
      if Int.random(in: 0...9, using: &random) == 0 {
        bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
      }
      if isUplink { node.fromAccess(bytes) } else { node.fromCore(bytes) }
      if Int.random(in: 0...99, using: &random) == 0 {
        let account = node.plane.account()
        #expect(account.isBalanced, "SeededGenerator(seed: \(seed))")
      }
    }
    #expect(node.settle())
    let statistics = node.plane.statistics()
    let account = Account(statistics)
    #expect(account.isBalanced && account.missing == 0, "SeededGenerator(seed: \(seed))")
    #expect(account.received == Traffic(packets: node.injected, bytes: node.injectedBytes))
    #expect(node.toCore.count == Int(statistics[.forwardedToCore].packets))
    #expect(node.plane.allSessions().isBalanced)
    #expect(PacketFate.table.count { statistics[$0.fate].packets > 0 } > 10)
  }
}
