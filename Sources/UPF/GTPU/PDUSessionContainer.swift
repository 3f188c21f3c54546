/// What NG-RAN and UPF tell each other with every packet of a PDU session (TS 38.415, section 5.5.2).
///
/// Delay measurement results and time stamps are checked for their place and passed over.
package struct PDUSessionContainer: Equatable, Sendable {
  /// Which way the packet goes; the two PDU types of the protocol.
  package enum Direction: UInt8, Sendable {
    /// DL PDU SESSION INFORMATION: from the UPF.
    case downlink = 0
    /// UL PDU SESSION INFORMATION: from NG-RAN.
    case uplink = 1
  }

  /// Largest QoS flow identifier: six bits.
  package static let largestQFI: UInt8 = 63

  /// Which way the packet goes.
  package var direction: Direction
  /// QoS flow identifier.
  package var qfi: UInt8
  /// Downlink: reflective QoS applies.
  package var reflectiveQoS: Bool
  /// Downlink: paging policy indicator, three bits.
  package var pagingPolicy: UInt8?
  /// Sequence number within the QoS flow, 24 bits.
  package var sequenceNumber: UInt32?

  /// Creates a container; fields keep as many bits as the protocol has for them.
  package init(
    _ direction: Direction, qfi: UInt8, reflectiveQoS: Bool = false, pagingPolicy: UInt8? = nil,
    sequenceNumber: UInt32? = nil
  ) {
    self.direction = direction
    self.qfi = qfi & Self.largestQFI
    self.reflectiveQoS = reflectiveQoS && direction == .downlink
    self.pagingPolicy = direction == .downlink ? pagingPolicy.map { $0 & 7 } : nil
    self.sequenceNumber = sequenceNumber.map { $0 & 0xff_ffff }
  }
}
