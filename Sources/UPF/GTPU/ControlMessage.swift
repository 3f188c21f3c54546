/// A GTP-U message that carries no user packet (TS 29.281, sections 7.2 and 7.3).
package enum ControlMessage: Equatable, Sendable {
  /// Is this path alive?
  case echoRequest(sequenceNumber: UInt16)
  /// It is. The restart counter means nothing on the user plane and is sent as 0.
  case echoResponse(sequenceNumber: UInt16, restartCounter: UInt8)
  /// A G-PDU came for `teid` at `peer`, where no such tunnel is; `udpPort` is where it came from.
  case errorIndication(teid: UInt32, peer: GTPUAddress, udpPort: UInt16?)
  /// What the sender understands, after it was sent something it must understand and does not.
  case supportedExtensionHeaders([UInt8])
  /// No more packets will come through `teid`.
  case endMarker(teid: UInt32, pduSession: PDUSessionContainer?)
}

/// Types of information elements (TS 29.281, section 8.1).
enum ElementType {
  static let recovery: UInt8 = 14
  static let teidData: UInt8 = 16
  static let peerAddress: UInt8 = 133
  static let extensionHeaderTypes: UInt8 = 141

  /// Below this, a type alone tells the length.
  static let firstWithLength: UInt8 = 128
}
