/// Why bytes are not a GTP-U message that this node can use (TS 29.281).
///
/// A trivial value instead of `FormatError`: it is thrown on the packet path, where nothing may
/// allocate, and its raw value is an index into counters. Values are dense from 0.
package enum GTPUFault: UInt8, Error, CaseIterable, Sendable {
  /// Fewer than the eight bytes of the mandatory header.
  case truncatedHeader
  /// The version is not 1.
  case unsupportedVersion
  /// The protocol type is 0: GTP', which charging uses, not the user plane.
  case primeProtocol
  /// The length field promises more than the datagram holds.
  case lengthBeyondDatagram
  /// The datagram goes on after the end that the length field names.
  case lengthShortOfDatagram
  /// A flag says that optional fields follow, and they do not.
  case truncatedOptionalFields
  /// An extension header says that it has no bytes, not even its own length.
  case emptyExtensionHeader
  /// An extension header reaches beyond the end of the message.
  case extensionHeaderBeyondEnd
  /// More extension headers than any sender has reason to chain.
  case tooManyExtensionHeaders
  /// An extension header that must be understood and is not (section 5.2.1, bit 8).
  case extensionHeaderNotSupported
  /// A second PDU session container in one message.
  case repeatedPDUSessionContainer
  /// The PDU session container ends before the fields that its flags announce (TS 38.415).
  case truncatedPDUSessionContainer
  /// The PDU session container is of a reserved type.
  case unknownPDUSessionType
  /// A message type that is not known here.
  case unknownMessageType
  /// A path management message without the sequence number it must have.
  case missingSequenceNumber
  /// The message ends inside an information element.
  case truncatedElement
  /// An information element is not as long as its type says.
  case wrongElementLength
  /// An element of unknown type and fixed length: what follows it cannot be found.
  case unknownElement
  /// An information element that the message must have is not there.
  case missingElement
}

extension GTPUFault {
  /// The reason as it is written in counters, logs and documents.
  package var name: String {
    switch self {
    case .truncatedHeader: "gtpu-truncated-header"
    case .unsupportedVersion: "gtpu-unsupported-version"
    case .primeProtocol: "gtpu-prime-protocol"
    case .lengthBeyondDatagram: "gtpu-length-beyond-datagram"
    case .lengthShortOfDatagram: "gtpu-length-short-of-datagram"
    case .truncatedOptionalFields: "gtpu-truncated-optional-fields"
    case .emptyExtensionHeader: "gtpu-empty-extension-header"
    case .extensionHeaderBeyondEnd: "gtpu-extension-header-beyond-end"
    case .tooManyExtensionHeaders: "gtpu-too-many-extension-headers"
    case .extensionHeaderNotSupported: "gtpu-extension-header-not-supported"
    case .repeatedPDUSessionContainer: "gtpu-repeated-pdu-session-container"
    case .truncatedPDUSessionContainer: "gtpu-truncated-pdu-session-container"
    case .unknownPDUSessionType: "gtpu-unknown-pdu-session-type"
    case .unknownMessageType: "gtpu-unknown-message-type"
    case .missingSequenceNumber: "gtpu-missing-sequence-number"
    case .truncatedElement: "gtpu-truncated-element"
    case .wrongElementLength: "gtpu-wrong-element-length"
    case .unknownElement: "gtpu-unknown-element"
    case .missingElement: "gtpu-missing-element"
    }
  }
}
