package import Bytes
internal import GTPU

/// What went through the N3 side of a radio node.
package struct N3Counters: Sendable {
  /// Datagrams received, whatever they were.
  package var received: UInt64 = 0
  /// Their bytes.
  package var receivedBytes: UInt64 = 0
  /// G-PDUs for a tunnel of ours.
  package var userPackets: UInt64 = 0
  /// G-PDUs for no tunnel of ours; each is answered with an error indication.
  package var unknownTunnel: UInt64 = 0
  /// G-PDUs without the container that says they come from a UPF.
  package var withoutSession: UInt64 = 0
  /// Datagrams longer than the room for them.
  package var truncated: UInt64 = 0
  /// Datagrams that are no GTP-U message, by `GTPUFault`.
  package var malformed = [UInt64](repeating: 0, count: GTPUFault.allCases.count)
  /// Messages of path and tunnel management.
  package var echoRequests: UInt64 = 0
  package var echoResponses: UInt64 = 0
  package var errorIndications: UInt64 = 0
  package var endMarkers: UInt64 = 0
  package var supportedHeaders: UInt64 = 0
  /// G-PDUs that the kernel took.
  package var sent: UInt64 = 0
  /// Their bytes with the GTP-U header.
  package var sentBytes: UInt64 = 0
  /// Management messages that the kernel took.
  package var controlSent: UInt64 = 0
  /// Packets that the kernel refused for good.
  package var sendFailed: UInt64 = 0

  /// Everything received that ended here because it was wrong.
  package var malformedTotal: UInt64 { malformed.reduce(0, +) }

  /// The counters under stable names; `kernelDrops` is asked of the socket at the same moment.
  package func json(kernelDrops: UInt64) -> JSON {
    let faults = GTPUFault.allCases.filter { malformed[Int($0.rawValue)] > 0 }
    return .object([
      ("received", .unsigned(received)), ("received_bytes", .unsigned(receivedBytes)),
      ("user_packets", .unsigned(userPackets)), ("unknown_tunnel", .unsigned(unknownTunnel)),
      ("without_session", .unsigned(withoutSession)), ("truncated", .unsigned(truncated)),
      (
        "malformed",
        .object(faults.map { ($0.name, .unsigned(malformed[Int($0.rawValue)])) })
      ),
      ("echo_requests", .unsigned(echoRequests)), ("echo_responses", .unsigned(echoResponses)),
      ("error_indications", .unsigned(errorIndications)), ("end_markers", .unsigned(endMarkers)),
      ("supported_headers", .unsigned(supportedHeaders)), ("sent", .unsigned(sent)),
      ("sent_bytes", .unsigned(sentBytes)), ("control_sent", .unsigned(controlSent)),
      ("send_failed", .unsigned(sendFailed)), ("kernel_drops", .unsigned(kernelDrops)),
    ])
  }
}
