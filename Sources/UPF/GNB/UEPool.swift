package import PacketIO

/// A run of UEs with consecutive addresses and tunnel endpoints, each with one PDU session.
package struct UEPool: Equatable, Sendable {
  /// Address of the first UE.
  package let address: IPv4Address
  /// Tunnel endpoint at the UPF of the first UE.
  package let uplinkTEID: UInt32
  /// Tunnel endpoint here of the first UE.
  package let downlinkTEID: UInt32
  /// QoS flow of every packet.
  package let qfi: UInt8
  /// How many UEs.
  package let count: Int

  /// Parses `ADDRESS,UPLINK-TEID,DOWNLINK-TEID,QFI[,COUNT]`; a TEID may be hexadecimal after `0x`.
  ///
  /// The ranges must not run over the end of their kind.
  package init?(_ text: String) {
    let fields = text.split(separator: ",", omittingEmptySubsequences: false)
    guard fields.count == 4 || fields.count == 5, let address = IPv4Address(fields[0]),
      let uplink = Self.teid(fields[1]), let downlink = Self.teid(fields[2]),
      let qfi = UInt8(fields[3]), qfi < 64, let count = fields.count == 5 ? Int(fields[4]) : 1,
      count > 0, count <= 1 << 24
    else { return nil }
    let last = UInt32(count - 1)
    for first in [address.rawValue, uplink, downlink] {
      if first.addingReportingOverflow(last).overflow { return nil }
    }
    self.address = address
    uplinkTEID = uplink
    downlinkTEID = downlink
    self.qfi = qfi
    self.count = count
  }

  private static func teid(_ text: Substring) -> UInt32? {
    text.hasPrefix("0x") ? UInt32(text.dropFirst(2), radix: 16) : UInt32(text)
  }
}

/// One UE of a pool.
package struct UE: Equatable, Sendable {
  /// Its place among all UEs, from 0.
  package let index: Int
  /// Its address.
  package let address: IPv4Address
  /// Tunnel endpoint at the UPF.
  package let uplinkTEID: UInt32
  /// QoS flow of its packets.
  package let qfi: UInt8
}

/// All UEs of a radio node, found by number, address or tunnel endpoint.
///
/// Complexity: a lookup tries every pool, and there are few.
package struct UEDirectory: Sendable {
  private let pools: [(first: Int, pool: UEPool)]
  /// How many UEs there are.
  package let count: Int

  /// Numbers the UEs of all pools in order.
  package init(_ pools: [UEPool]) {
    var first = 0
    self.pools = pools.map { pool in
      defer { first += pool.count }
      return (first, pool)
    }
    count = first
  }

  /// UE `index`, nil beyond the last.
  package func ue(_ index: Int) -> UE? {
    for (first, pool) in pools where index >= first && index - first < pool.count {
      let step = UInt32(index - first)
      return UE(
        index: index, address: IPv4Address(rawValue: pool.address.rawValue + step),
        uplinkTEID: pool.uplinkTEID + step, qfi: pool.qfi)
    }
    return nil
  }

  /// The UE that has this address.
  package func ue(at address: UInt32) -> UE? {
    for (first, pool) in pools {
      let step = Int(address) - Int(pool.address.rawValue)
      if step >= 0 && step < pool.count { return ue(first + step) }
    }
    return nil
  }

  /// The UE whose tunnel ends here at `teid`.
  package func ue(downlinkTEID teid: UInt32) -> UE? {
    for (first, pool) in pools {
      let step = Int(teid) - Int(pool.downlinkTEID)
      if step >= 0 && step < pool.count { return ue(first + step) }
    }
    return nil
  }
}
