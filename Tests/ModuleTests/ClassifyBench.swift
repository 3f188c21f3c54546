import CUPF
import TestSupport

/// Drives one version of `classify` over tables that it fills as the host does.
struct ClassifyBench {
  private let module: LoadedModule
  private var uplink: [upf_pdr_key]
  private var downlink: [upf_pdr_key]
  private var pdrs: [upf_pdr] = []
  private var filters: [upf_filter] = []
  /// This end of every uplink tunnel.
  static let tunnelAddress: UInt32 = 0x0a00_0001

  /// Starts with empty tables of `entries` places, a power of two.
  init(_ version: String, entries: Int = 64) throws {
    module = try LoadedModule("classify", version)
    uplink = [upf_pdr_key](repeating: upf_pdr_key(), count: entries)
    downlink = uplink
  }

  /// A rule with the filters that go with it.
  struct Rule {
    var pdr: upf_pdr
    var filters: [upf_filter] = []

    static func rule(
      precedence: UInt32 = 255, session: UInt32, qfi: UInt8 = 0, filters: [upf_filter] = []
    ) -> Rule {
      var pdr = upf_pdr()
      pdr.precedence = precedence
      pdr.session = session
      pdr.qer = session + 1000
      pdr.urr = session + 2000
      pdr.far = session + 3000
      pdr.qfi = qfi
      return Rule(pdr: pdr, filters: filters)
    }
  }

  /// Files uplink rules under a tunnel.
  mutating func add(teid: UInt32, _ rules: [Rule]) {
    let range = append(rules, direction: UPF_UPLINK)
    Self.insert(UInt64(Self.tunnelAddress) << 32 | UInt64(teid), range, into: &uplink)
  }

  /// Files downlink rules under a UE's address.
  mutating func add(address: [UInt8], _ rules: [Rule]) {
    let range = append(rules, direction: UPF_DOWNLINK)
    let key = address.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    Self.insert(key, range, into: &downlink)
  }

  /// Fills every empty entry, which a host must not do.
  mutating func fillUplink() {
    for index in uplink.indices where uplink[index].pdr_count == 0 {
      uplink[index] = upf_pdr_key(key: .max - UInt64(index), first_pdr: 0, pdr_count: 1)
    }
  }

  /// Lets a key's rules reach beyond the table, which a host must not do either.
  mutating func overstate(teid: UInt32) {
    let key = UInt64(Self.tunnelAddress) << 32 | UInt64(teid)
    for index in uplink.indices where uplink[index].key == key { uplink[index].pdr_count = 1 << 30 }
  }

  private mutating func append(_ rules: [Rule], direction: UInt32) -> (first: Int, count: Int) {
    let first = pdrs.count
    for rule in rules {
      var pdr = rule.pdr
      pdr.direction = UInt8(direction)
      pdr.first_filter = UInt32(filters.count)
      pdr.filter_count = UInt32(rule.filters.count)
      filters += rule.filters
      pdrs.append(pdr)
    }
    return (first, rules.count)
  }

  private static func insert(
    _ key: UInt64, _ range: (first: Int, count: Int), into table: inout [upf_pdr_key]
  ) {
    var place = Int(upf_key_hash(key)) & (table.count - 1)
    while table[place].pdr_count != 0 { place = (place + 1) & (table.count - 1) }
    table[place] = upf_pdr_key(
      key: key, first_pdr: UInt32(range.first), pdr_count: UInt32(range.count))
  }

  /// Runs one batch over verdicts as the host starts them.
  func run(_ packets: [ClassifyPacket], drop: UInt16 = 0) -> [upf_verdict] {
    let input = unsafe packets.map { unsafe $0.raw }
    var fresh = upf_verdict()
    fresh.pdr = UPF_NONE
    fresh.session = UPF_NONE
    fresh.qer = UPF_NONE
    fresh.urr = UPF_NONE
    fresh.far = UPF_NONE
    fresh.drop = drop
    var verdicts = [upf_verdict](repeating: fresh, count: packets.count)
    // SAFETY: every pointer is to an array of this frame or this value, for the call only.
    unsafe input.withUnsafeBufferPointer { input in
      unsafe verdicts.withUnsafeMutableBufferPointer { verdicts in
        var batch = unsafe upf_batch()
        unsafe batch.size = UInt32(MemoryLayout<upf_batch>.size)
        unsafe batch.count = UInt32(input.count)
        unsafe batch.packets = input.baseAddress
        unsafe batch.verdicts = verdicts.baseAddress
        unsafe call(&batch)
      }
    }
    return verdicts
  }

  private func call(_ batch: UnsafeMutablePointer<upf_batch>) {
    var tables = unsafe upf_pdr_tables()
    unsafe tables.size = UInt32(MemoryLayout<upf_pdr_tables>.size)
    unsafe tables.pdr_count = UInt32(pdrs.count)
    unsafe tables.filter_count = UInt32(filters.count)
    unsafe tables.uplink_mask = UInt32(uplink.count - 1)
    unsafe tables.downlink_mask = UInt32(downlink.count - 1)
    // SAFETY: as above.
    unsafe uplink.withUnsafeBufferPointer { uplink in
      unsafe downlink.withUnsafeBufferPointer { downlink in
        unsafe pdrs.withUnsafeBufferPointer { pdrs in
          unsafe filters.withUnsafeBufferPointer { filters in
            unsafe tables.uplink = uplink.baseAddress
            unsafe tables.downlink = downlink.baseAddress
            unsafe tables.pdrs = pdrs.baseAddress
            unsafe tables.filters = filters.baseAddress
            module.withTable(upf_classify_table.self) { table in
              unsafe table.process?(&tables, batch)
            }
          }
        }
      }
    }
  }
}

/// A packet of a test.
struct ClassifyPacket {
  var teid: UInt32 = 0
  var direction = UPF_UPLINK
  var version: UInt8 = 4
  var transport: UInt8 = 17
  var qfi: UInt8 = 0
  var source: [UInt8] = [10, 60, 0, 1]
  var destination: [UInt8] = [8, 8, 8, 8]
  var ports: (source: UInt16, destination: UInt16) = (4000, 53)

  static func uplink(teid: UInt32) -> ClassifyPacket { ClassifyPacket(teid: teid) }

  static func downlink(to address: [UInt8]) -> ClassifyPacket {
    ClassifyPacket(
      direction: UPF_DOWNLINK, version: address.count == 4 ? 4 : 6,
      source: address.count == 4 ? [8, 8, 8, 8] : [UInt8](repeating: 0x20, count: 16),
      destination: address, ports: (53, 4000))
  }

  fileprivate var raw: upf_packet {
    var packet = unsafe upf_packet()
    unsafe packet.length = 100
    unsafe packet.teid = direction == UPF_UPLINK ? teid : 0
    unsafe packet.tunnel_address = direction == UPF_UPLINK ? ClassifyBench.tunnelAddress : 0
    unsafe packet.source_port = ports.source
    unsafe packet.destination_port = ports.destination
    unsafe packet.direction = UInt8(direction)
    unsafe packet.ip_version = version
    unsafe packet.protocol = transport
    unsafe packet.qfi = qfi
    unsafe withUnsafeMutableBytes(of: &packet.source) { unsafe $0.copyBytes(from: source) }
    unsafe withUnsafeMutableBytes(of: &packet.destination) {
      unsafe $0.copyBytes(from: destination)
    }
    return unsafe packet
  }
}

extension upf_filter {
  /// A filter of so many bits of the data network's and the UE's address.
  static func addresses(
    version: UInt8 = 4, remote: ([UInt8], UInt8) = ([], 0), ue: ([UInt8], UInt8) = ([], 0)
  ) -> upf_filter {
    var filter = upf_filter()
    filter.ip_version = version
    filter.remote_prefix = remote.1
    filter.ue_prefix = ue.1
    // SAFETY: a field has sixteen bytes, an address at most as many.
    unsafe withUnsafeMutableBytes(of: &filter.remote) { unsafe $0.copyBytes(from: remote.0) }
    unsafe withUnsafeMutableBytes(of: &filter.ue) { unsafe $0.copyBytes(from: ue.0) }
    return filter
  }

  /// The filter with a transport protocol and port ranges.
  func transport(
    _ number: UInt8? = nil, remote: ClosedRange<UInt16>? = nil, ue: ClosedRange<UInt16>? = nil
  ) -> upf_filter {
    var filter = self
    if let number {
      filter.flags |= UInt8(UPF_FILTER_PROTOCOL)
      filter.protocol = number
    }
    if let remote {
      filter.flags |= UInt8(UPF_FILTER_REMOTE_PORT)
      (filter.remote_port_first, filter.remote_port_last) = (remote.lowerBound, remote.upperBound)
    }
    if let ue {
      filter.flags |= UInt8(UPF_FILTER_UE_PORT)
      (filter.ue_port_first, filter.ue_port_last) = (ue.lowerBound, ue.upperBound)
    }
    return filter
  }
}
