import CHitless
import CUPF

/// The two slots filled by plain Swift: what the interface asks for, without any cleverness, so that
/// the host is tested against the contract and not against the modules it ships with.
enum ReferenceModules {
  /// The builds of the qer slot that tests swap.
  enum Build: UInt32, Sendable {
    case first = 0
    case second = 1
    /// Lets everything through: a bug to be patched.
    case open = 2
    /// Names records that do not exist.
    case lying = 3

    var enforce: Enforce {
      switch self {
      case .first: unsafe enforceFirst
      case .second: unsafe enforceSecond
      case .open: unsafe enforceOpen
      case .lying: unsafe enforceLying
      }
    }
  }

  /// What the qer module of a build does.
  enum Enforcement: Sendable {
    case correct
    case openGates
    case lying
  }

  typealias Classify =
    @convention(c) (UnsafePointer<upf_pdr_tables>?, UnsafeMutablePointer<upf_batch>?) -> Void
  typealias Enforce =
    @convention(c) (UnsafePointer<upf_qer_tables>?, UnsafeMutablePointer<upf_batch>?) -> Void

  static let classify: Classify = { tables, batch in
    guard let tables = unsafe tables, let batch = unsafe batch else { return }
    for index in unsafe 0..<Int(batch.pointee.count) {
      let packet = unsafe batch.pointee.packets[index]
      if let match = unsafe bestPDR(tables.pointee, packet) {
        let pdr = unsafe tables.pointee.pdrs[Int(match)]
        unsafe batch.pointee.verdicts[index].pdr = match
        unsafe batch.pointee.verdicts[index].session = pdr.session
        unsafe batch.pointee.verdicts[index].qer = pdr.qer
        unsafe batch.pointee.verdicts[index].urr = pdr.urr
        unsafe batch.pointee.verdicts[index].far = pdr.far
      } else {
        unsafe batch.pointee.verdicts[index].drop = UInt16(UPF_DROP_NO_PDR)
      }
    }
  }

  private static func bestPDR(_ tables: upf_pdr_tables, _ packet: upf_packet) -> UInt32? {
    let isUplink = unsafe UInt32(packet.direction) == UPF_UPLINK
    let entries = unsafe isUplink ? tables.uplink : tables.downlink
    let mask = unsafe isUplink ? tables.uplink_mask : tables.downlink_mask
    let key = unsafe key(packet)
    var place = upf_key_hash(key) & mask
    guard let entries = unsafe entries else { return nil }
    while unsafe entries[Int(place)].pdr_count > 0 {
      let entry = unsafe entries[Int(place)]
      if entry.key == key {
        return (entry.first_pdr..<entry.first_pdr + entry.pdr_count)
          .filter { unsafe matches(tables, tables.pdrs[Int($0)], packet) }
          .min { unsafe tables.pdrs[Int($0)].precedence < tables.pdrs[Int($1)].precedence }
      }
      place = (place &+ 1) & mask
    }
    return nil
  }

  private static func key(_ packet: upf_packet) -> UInt64 {
    if unsafe UInt32(packet.direction) == UPF_UPLINK {
      return unsafe UInt64(packet.tunnel_address) << 32 | UInt64(packet.teid)
    }
    return unsafe withUnsafeBytes(of: packet.destination) { bytes in
      unsafe packet.ip_version == 4
        ? UInt64(UInt32(bigEndian: bytes.load(as: UInt32.self)))
        : UInt64(bigEndian: bytes.load(as: UInt64.self))
    }
  }

  private static func matches(
    _ tables: upf_pdr_tables, _ pdr: upf_pdr, _ packet: upf_packet
  ) -> Bool {
    guard unsafe pdr.direction == packet.direction,
      unsafe pdr.qfi == 0 || pdr.qfi == packet.qfi
    else { return false }
    if pdr.filter_count == 0 { return true }
    return (pdr.first_filter..<pdr.first_filter + pdr.filter_count).contains {
      unsafe matches(tables.filters[Int($0)], packet)
    }
  }

  private static func matches(_ filter: upf_filter, _ packet: upf_packet) -> Bool {
    let isUplink = unsafe UInt32(packet.direction) == UPF_UPLINK
    var (ue, remote) = unsafe (bytes(packet.destination), bytes(packet.source))
    var (uePort, remotePort) = unsafe (packet.destination_port, packet.source_port)
    if isUplink { (ue, remote, uePort, remotePort) = (remote, ue, remotePort, uePort) }
    let flags = UInt32(filter.flags)
    let remotePorts =
      filter.remote_port_first...max(filter.remote_port_first, filter.remote_port_last)
    let uePorts = filter.ue_port_first...max(filter.ue_port_first, filter.ue_port_last)
    return unsafe filter.ip_version == packet.ip_version
      && (flags & UPF_FILTER_PROTOCOL == 0 || filter.protocol == packet.protocol)
      && (flags & UPF_FILTER_REMOTE_PORT == 0 || remotePorts.contains(remotePort))
      && (flags & UPF_FILTER_UE_PORT == 0 || uePorts.contains(uePort))
      && agree(bytes(filter.remote), remote, bits: Int(filter.remote_prefix))
      && agree(bytes(filter.ue), ue, bits: Int(filter.ue_prefix))
  }

  private static func bytes(_ tuple: Bytes) -> [UInt8] {
    unsafe withUnsafeBytes(of: tuple) { unsafe Array($0) }
  }

  typealias Bytes = (
    UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8,
    UInt8, UInt8, UInt8
  )

  private static func agree(_ left: [UInt8], _ right: [UInt8], bits: Int) -> Bool {
    (0..<bits).allSatisfy { bit in
      (left[bit / 8] ^ right[bit / 8]) & (0x80 >> UInt8(bit % 8)) == 0
    }
  }

  // A C function has no context: the builds that tests swap are told apart by which one is called.
  static let enforceFirst: Enforce = { unsafe enforce($0, $1, mark: 1, .correct) }
  static let enforceSecond: Enforce = { unsafe enforce($0, $1, mark: 2, .correct) }
  static let enforceOpen: Enforce = { unsafe enforce($0, $1, mark: 3, .openGates) }
  static let enforceLying: Enforce = { unsafe enforce($0, $1, mark: 4, .lying) }

  private static func enforce(
    _ tables: UnsafePointer<upf_qer_tables>?, _ batch: UnsafeMutablePointer<upf_batch>?,
    mark: UInt16, _ enforcement: Enforcement
  ) {
    guard let tables = unsafe tables, let batch = unsafe batch else { return }
    var buckets: [UInt32: upf_bucket] = [:]
    for index in unsafe 0..<Int(batch.pointee.count) {
      let verdict = unsafe batch.pointee.verdicts + index
      guard unsafe verdict.pointee.drop == 0 else { continue }
      unsafe verdict.pointee.qer_mark = mark
      guard enforcement == .correct, unsafe verdict.pointee.qer != UPF_NONE else { continue }
      let packet = unsafe batch.pointee.packets[index]
      unsafe verdict.pointee.drop = decide(
        tables.pointee, verdict.pointee.qer, packet, batch.pointee.now, &buckets)
    }
    for (bucket, value) in buckets {
      let update = upf_bucket_update(bucket: bucket, reserved: 0, value: value)
      unsafe batch.pointee.updates[Int(batch.pointee.update_count)] = update
      unsafe batch.pointee.update_count += 1
    }
    if enforcement == .lying { unsafe lie(batch) }
  }

  private static func decide(
    _ tables: upf_qer_tables, _ rule: UInt32, _ packet: upf_packet, _ now: UInt64,
    _ buckets: inout [UInt32: upf_bucket]
  ) -> UInt16 {
    let isUplink = unsafe UInt32(packet.direction) == UPF_UPLINK
    let qer = unsafe tables.qers[Int(rule)]
    let gate = isUplink ? qer.gate.0 : qer.gate.1
    guard UInt32(gate) == UPF_GATE_OPEN else { return UInt16(UPF_DROP_GATE_CLOSED) }
    let rate = isUplink ? qer.mbr.0 : qer.mbr.1
    guard rate > 0 else { return UInt16(UPF_DROP_NONE) }
    let bucket = 2 * rule + (isUplink ? 0 : 1)
    let full = UInt64(isUplink ? qer.burst.0 : qer.burst.1) * 8_000_000_000
    var value = unsafe buckets[bucket] ?? tables.buckets[Int(bucket)]
    let earned = (now &- value.time).multipliedReportingOverflow(by: rate)
    value.tokens =
      value.time == 0 || earned.overflow ? full : min(full, value.tokens &+ earned.partialValue)
    value.time = now
    let cost = unsafe UInt64(packet.length) * 8_000_000_000
    let fits = cost <= value.tokens
    if fits { value.tokens -= cost }
    buckets[bucket] = value
    return UInt16(fits ? UPF_DROP_NONE : UPF_DROP_MBR_EXCEEDED)
  }

  /// Every field that a host could trip over.
  private static func lie(_ batch: UnsafeMutablePointer<upf_batch>) {
    unsafe batch.pointee.update_count = 1000
    for index in 0..<Int(UPF_BATCH_MAX) {
      unsafe batch.pointee.updates[index].bucket = .max - UInt32(index)
    }
    for index in unsafe 0..<Int(batch.pointee.count) {
      switch index % 6 {
      case 0: unsafe batch.pointee.verdicts[index].pdr = 0x7fff_ffff
      case 1: unsafe batch.pointee.verdicts[index].session = 0x7fff_ffff
      case 2: unsafe batch.pointee.verdicts[index].far = 0x7fff_ffff
      case 3: unsafe batch.pointee.verdicts[index].urr = 0x7fff_fffe
      case 4: unsafe batch.pointee.verdicts[index].drop = 999
      default: unsafe batch.pointee.verdicts[index].drop = 0x8000
      }
    }
  }
}
