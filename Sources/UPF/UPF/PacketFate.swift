package import GTPU

/// What became of one received packet; every packet has exactly one fate.
///
/// The raw value indexes counters. The first numbers are those of `GTPUFault`, so that a decoder's
/// reason is a drop reason without translation.
package struct PacketFate: RawRepresentable, Hashable, Sendable {
  /// What a fate means for the account: received = forwarded + consumed + dropped + handed over.
  package enum Kind: String, CaseIterable, Sendable {
    /// It left on the other side.
    case forwarded
    /// It was for this node.
    case consumed
    /// It went no further.
    case dropped
    /// Another worker got it, and counts it again.
    case handedOver = "handed-over"
  }

  /// How many counters a table by fate has.
  package static let limit = 64
  /// First number that is not a fault of the GTP-U decoder.
  private static let firstOwn: UInt8 = 32

  /// Index into tables by fate.
  package let rawValue: UInt8

  /// Creates a fate from its number.
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The fate of a message that the decoder refused.
  package init(_ fault: GTPUFault) { rawValue = fault.rawValue }
}

extension PacketFate {
  /// Sent to the data network through N6.
  package static let forwardedToCore = PacketFate(rawValue: 32)
  /// Sent to an access node through N3.
  package static let forwardedToAccess = PacketFate(rawValue: 33)
  /// An echo request, which is answered.
  package static let echoRequest = PacketFate(rawValue: 34)
  /// An echo response.
  package static let echoResponse = PacketFate(rawValue: 35)
  /// An error indication of a peer.
  package static let errorIndication = PacketFate(rawValue: 36)
  /// A peer's list of extension headers.
  package static let supportedExtensionHeaders = PacketFate(rawValue: 37)
  /// The end of a tunnel's payload stream.
  package static let endMarker = PacketFate(rawValue: 38)
  /// Given to the worker that owns the session.
  package static let handedOver = PacketFate(rawValue: 39)

  /// Longer than the buffer it was read into.
  package static let datagramTruncated = PacketFate(rawValue: 40)
  /// A downlink PDU session container on the way up.
  package static let wrongPDUSessionDirection = PacketFate(rawValue: 41)
  /// The user's packet is neither IPv4 nor IPv6.
  package static let innerNotIP = PacketFate(rawValue: 42)
  /// The user's packet is shorter than its IP header.
  package static let innerTruncated = PacketFate(rawValue: 43)
  /// The IP header's length says something else than the packet's.
  package static let innerLengthMismatch = PacketFate(rawValue: 44)
  /// An IP header that no sender makes: its own length is wrong, or its extension headers are.
  package static let innerBadHeader = PacketFate(rawValue: 45)
  /// No session has this F-TEID; answered with an error indication.
  package static let unknownTunnel = PacketFate(rawValue: 46)
  /// No session has this UE address.
  package static let unknownUE = PacketFate(rawValue: 47)
  /// The session is known, and none of its PDRs matches.
  package static let noMatchingPDR = PacketFate(rawValue: 48)
  /// The QER's gate is closed.
  package static let gateClosed = PacketFate(rawValue: 49)
  /// The QER's maximum bit rate is used up.
  package static let mbrExceeded = PacketFate(rawValue: 50)
  /// The FAR says drop.
  package static let droppedByFAR = PacketFate(rawValue: 51)
  /// A module put out a verdict that the tables contradict.
  package static let invalidVerdict = PacketFate(rawValue: 52)
  /// The batch could not be run at all.
  package static let moduleFailed = PacketFate(rawValue: 53)
  /// Does not fit a tunnel's datagram.
  package static let tooLong = PacketFate(rawValue: 54)
  /// The kernel did not take the datagram.
  package static let sendFailedN3 = PacketFate(rawValue: 55)
  /// The kernel did not take the packet.
  package static let sendFailedN6 = PacketFate(rawValue: 56)
  /// The ring to the session's worker was full.
  package static let handoverFull = PacketFate(rawValue: 57)
}

extension PacketFate {
  private static let own: [(fate: PacketFate, name: String, kind: Kind)] = [
    (.forwardedToCore, "to-core", .forwarded),
    (.forwardedToAccess, "to-access", .forwarded),
    (.echoRequest, "echo-request", .consumed),
    (.echoResponse, "echo-response", .consumed),
    (.errorIndication, "error-indication", .consumed),
    (.supportedExtensionHeaders, "supported-extension-headers", .consumed),
    (.endMarker, "end-marker", .consumed),
    (.handedOver, "handed-over", .handedOver),
    (.datagramTruncated, "datagram-truncated", .dropped),
    (.wrongPDUSessionDirection, "wrong-pdu-session-direction", .dropped),
    (.innerNotIP, "inner-not-ip", .dropped),
    (.innerTruncated, "inner-truncated", .dropped),
    (.innerLengthMismatch, "inner-length-mismatch", .dropped),
    (.innerBadHeader, "inner-bad-header", .dropped),
    (.unknownTunnel, "unknown-tunnel", .dropped),
    (.unknownUE, "unknown-ue", .dropped),
    (.noMatchingPDR, "no-matching-pdr", .dropped),
    (.gateClosed, "gate-closed", .dropped),
    (.mbrExceeded, "mbr-exceeded", .dropped),
    (.droppedByFAR, "dropped-by-far", .dropped),
    (.invalidVerdict, "invalid-verdict", .dropped),
    (.moduleFailed, "module-failed", .dropped),
    (.tooLong, "too-long", .dropped),
    (.sendFailedN3, "send-failed-n3", .dropped),
    (.sendFailedN6, "send-failed-n6", .dropped),
    (.handoverFull, "handover-full", .dropped),
  ]

  /// Every fate with its name and its kind; the only place where reasons have names.
  package static let table: [(fate: PacketFate, name: String, kind: Kind)] =
    GTPUFault.allCases.map { (PacketFate($0), $0.name, .dropped) } + own

  /// The name in counters, logs and documents.
  package var name: String {
    Self.table.first { $0.fate == self }?.name ?? "fate-\(rawValue)"
  }

  /// What it means for the account.
  package var kind: Kind {
    Self.table.first { $0.fate == self }?.kind ?? .dropped
  }
}
