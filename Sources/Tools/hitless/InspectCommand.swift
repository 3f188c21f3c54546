internal import ArgumentParser
internal import Bytes
internal import Digests
internal import PatchFormat
internal import Refusal
internal import Signing

/// Shows what a patch says about itself.
struct InspectCommand: ReportsJSON {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what a patch says about itself, without verifying anything.",
    discussion: """
      Nothing of this may be believed: whoever made the file chose every word of it. Use \
      'hitless verify' before acting on it.

      Examples:
        hitless inspect qer.hlp
        hitless inspect qer.hlp --json | jq .manifest.components[0].base
      """)

  @Argument(help: "The patch.")
  var file: String

  @Flag(help: "Print the result as one JSON object.")
  var json = false

  func run() throws {
    let patch = try Inputs.patch(file)
    let message: COSESign
    let manifest: Manifest
    do throws(FormatError) {
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
}
