/// Types of GTP-U extension headers, and what is to be done with unknown ones (TS 29.281,
/// section 5.2.1).
package enum ExtensionHeader {
  /// No extension header follows.
  package static let none: UInt8 = 0
  /// Source port of the G-PDU that an error indication is about (section 5.2.2.1).
  package static let udpPort: UInt8 = 0x40
  /// PDU session container (section 5.2.2.7, TS 38.415).
  package static let pduSessionContainer: UInt8 = 0x85

  /// What this node lists when it is asked to understand more.
  package static let supported: [UInt8] = [udpPort, pduSessionContainer]
  /// Most extension headers in one message; no interface uses more than three at once.
  package static let limit = 8

  /// Whether the endpoint of the tunnel must understand a header of `type` or refuse the message.
  ///
  /// The two high bits: 00 and 01 need no understanding (they differ in what a relay forwards), 10 is
  /// for the endpoint, 11 for whoever receives it. This node is always the endpoint.
  package static func mustBeUnderstood(_ type: UInt8) -> Bool { type & 0x80 != 0 }
}
