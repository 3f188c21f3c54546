internal import AgentControl
internal import Bytes
package import Guard

/// One divergence between stable and a candidate, with both results.
package struct ShadowReport: Equatable, Sendable {
  /// What the module of outputs is called that the host makes itself.
  package static let host = "host"

  /// Name of the module whose output it is, or `host`.
  package let module: String
  /// Index of the worker whose batch it was.
  package let worker: UInt32
  package let difference: ShadowDifference
}

extension ShadowReport: CustomStringConvertible {
  /// A sentence for the log, with the bytes around the first that differs.
  package var description: String {
    let place = difference.packet.map { "packet \($0) of a batch" } ?? "a batch"
    return "\(difference.name) of \(module), \(place) of worker \(worker), differs at byte "
      + "\(difference.offset): stable \(excerpt(difference.stable)), candidate "
      + excerpt(difference.candidate)
  }

  private static let excerptLimit = 16

  private func excerpt(_ bytes: [UInt8]?) -> String {
    guard let bytes else { return "none" }
    // As far from the beginning of what is kept as the difference is.
    let start = difference.offset < ShadowDifference.byteLimit ? difference.offset : bytes.count / 2
    let part = bytes.dropFirst(start).prefix(Self.excerptLimit)
    return "\(Array(part).hex)\(bytes.count > start + part.count ? "…" : "")"
  }
}

extension ShadowReport {
  /// What the audit log keeps; bytes as hexadecimal digits, cut to what is named in docs/operations.md.
  var json: [(String, JSON)] {
    [
      ("module", .string(module)), ("output", .string(difference.name)),
      ("worker", .unsigned(UInt64(worker))),
      ("packet", difference.packet.map { .unsigned(UInt64($0)) } ?? .null),
      ("offset", .integer(Int64(difference.offset))), ("input", .string(difference.input.hex)),
      ("stable", difference.stable.map { .string($0.hex) } ?? .null),
      ("candidate", difference.candidate.map { .string($0.hex) } ?? .null),
    ]
  }

  /// What the control socket carries.
  var cbor: CBOR {
    .named([
      "module": .text(module), "output": .text(difference.name),
      "worker": .unsigned(UInt64(worker)),
      "packet": difference.packet.map { .unsigned(UInt64($0)) } ?? .null,
      "offset": .unsigned(UInt64(difference.offset)), "input": .bytes(difference.input),
      "stable": difference.stable.map { .bytes($0) } ?? .null,
      "candidate": difference.candidate.map { .bytes($0) } ?? .null, "text": .text(description),
    ])
  }
}
