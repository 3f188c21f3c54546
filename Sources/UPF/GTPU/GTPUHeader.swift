/// The header of one GTP-U message: mandatory part, optional fields and the extension headers that
/// this node understands (TS 29.281, section 5).
package struct GTPUHeader: Equatable, Sendable {
  /// Size of the mandatory part.
  package static let mandatorySize = 8
  /// Size of the mandatory part with the optional fields.
  package static let optionalSize = 12
  /// UDP port of GTP-U (section 4.4.2).
  package static let port: UInt16 = 2152

  /// What the message is.
  package var type: GTPUMessageType
  /// Tunnel endpoint of the receiver; 0 in path management.
  package var teid: UInt32
  /// Present when the S flag is set.
  package var sequenceNumber: UInt16?
  /// Present when the PN flag is set.
  package var nPDUNumber: UInt8?
  /// The PDU session container, which 5G has on every G-PDU.
  package var pduSession: PDUSessionContainer?
  /// The UDP port extension header, which an error indication may have.
  package var udpPort: UInt16?
  /// Where the payload starts: the user's packet, or the information elements.
  package internal(set) var payloadOffset: Int

  /// Creates a header to be written.
  package init(
    _ type: GTPUMessageType, teid: UInt32 = 0, sequenceNumber: UInt16? = nil,
    nPDUNumber: UInt8? = nil, pduSession: PDUSessionContainer? = nil, udpPort: UInt16? = nil
  ) {
    self.type = type
    self.teid = teid
    self.sequenceNumber = sequenceNumber
    self.nPDUNumber = nPDUNumber
    self.pduSession = pduSession
    self.udpPort = udpPort
    payloadOffset = 0
    payloadOffset = encodedCount
  }
}
