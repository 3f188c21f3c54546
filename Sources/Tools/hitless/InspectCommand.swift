internal import ArgumentParser
internal import Bytes
internal import DeltaModel
internal import Digests
internal import PatchFormat
internal import Platform
internal import Refusal
internal import Signing

/// Shows what a patch, or a delta file, says about itself.
struct InspectCommand: ReportsJSON {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what a patch or a delta file says about itself, without verifying anything.",
    discussion: """
      Nothing of this may be believed: whoever made the file chose every word of it. Use \
      'hitless verify' before acting on it.

      Examples:
        hitless inspect qer.hlp
        hitless inspect qer.hlp --json | jq .manifest.components[0].base
        hitless inspect qer.delta       # how it is coded, and what decoding it takes
      """)

  @Argument(help: "The patch, or the delta file.")
  var file: String

  @Flag(help: "Print the result as one JSON object.")
  var json = false

  func run() throws {
    let bytes = try RegularFile.read(file, limit: PatchLimits.fileSize)
    guard !DeltaFile.isMagic(bytes) else { return try show(delta: bytes) }
    let patch: UnverifiedPatch
    let message: COSESign
    let manifest: Manifest
    do throws(FormatError) {
      patch = try UnverifiedPatch(parsing: bytes)
      message = try COSESign(parsing: patch.envelope)
      manifest = try Manifest(parsing: message.payload)
      _ = try manifest.blobRanges(in: patch.blobs.count)
    } catch {
      throw Refusal(error, in: "'\(file)'")
    }
    let identity = SHA256Digest(of: message.payload)
    let keyIDs = message.signatures.map(\.keyID.hex)
    if json {
      try Console.print(
        .object([
          ("verified", .bool(false)), ("identity", .string(identity.hex)),
          ("fileSize", .integer(Int64(patch.fileSize))),
          ("envelopeSize", .integer(Int64(patch.fileSize - patch.blobs.count))),
          ("signatureKeyIDs", .array(keyIDs.map { .string($0) })), ("manifest", manifest.json),
        ]))
      return
    }
    try Console.print("'\(file)' says this of itself; nothing was verified")
    try Console.print("identity     \(identity.hex)")
    try Console.print(
      "size         \(patch.fileSize) bytes, of which \(patch.blobs.count) are deltas")
    for keyID in keyIDs { try Console.print("signature    by key id \(keyID), not checked") }
    for line in manifest.lines { try Console.print(line) }
  }

  private func show(delta bytes: [UInt8]) throws(Refusal) {
    let delta: DeltaFile
    let header: DeltaHeader
    do throws(FormatError) {
      delta = try DeltaFile(parsing: bytes)
      header = try DeltaHeader(parsing: delta.delta)
    } catch {
      throw Refusal(error, in: "'\(file)'")
    }
    if json {
      try Console.print(
        .object([
          ("verified", .bool(false)), ("fileSize", .integer(Int64(bytes.count))),
          ("codec", .unsigned(UInt64(header.codec))), ("mode", .string(header.mode.name)),
          ("delta", .integer(Int64(delta.delta.count))), ("covers", .unsigned(header.coverCount)),
          ("memory", .unsigned(header.memoryNeeded)),
          ("base", Self.json(delta.base)), ("target", Self.json(delta.target)),
        ]))
      return
    }
    try Console.print("'\(file)' says this of itself; nothing was verified, nothing is signed")
    try Console.print("base         \(delta.base.size) bytes, SHA-256 \(delta.base.digest.hex)")
    try Console.print("target       \(delta.target.size) bytes, SHA-256 \(delta.target.digest.hex)")
    try Console.print(
      "delta        codec \(header.codec) (\(header.mode.name)), \(delta.delta.count) bytes, "
        + "\(header.coverCount) covers; decoding takes \(header.memoryNeeded) bytes more")
  }

  private static func json(_ image: DeltaFile.Image) -> JSON {
    .object([("size", .unsigned(image.size)), ("digest", .string(image.digest.hex))])
  }
}
