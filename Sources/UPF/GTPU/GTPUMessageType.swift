/// The messages of the GTP-U protocol that this node knows (TS 29.281, section 6.1).
package enum GTPUMessageType: UInt8, CaseIterable, Sendable {
  /// Asks whether the path is alive (section 7.2.1).
  case echoRequest = 1
  /// Answers that it is (section 7.2.2).
  case echoResponse = 2
  /// Says that a G-PDU came for a tunnel that does not exist (section 7.3.1).
  case errorIndication = 26
  /// Lists the extension headers that the sender understands (section 7.2.3).
  case supportedExtensionHeaders = 31
  /// Marks the end of the payload stream on a tunnel (section 7.3.2).
  case endMarker = 254
  /// Carries one packet of a user (section 7.1).
  case packet = 255
}
