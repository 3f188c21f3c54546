internal import ArgumentParser
internal import Bytes
internal import DeltaEncoder
internal import DeltaModel
internal import Digests
internal import Platform
internal import Refusal

/// Makes a delta file.
struct DeltaEncodeCommand: ReportsJSON {
  static let configuration = CommandConfiguration(
    commandName: "encode", abstract: "Write the delta that turns OLD into NEW.")

  @Argument(help: ArgumentHelp("The file the delta starts from.", valueName: "old"))
  var base: String

  @Argument(help: ArgumentHelp("The file the delta yields.", valueName: "new"))
  var target: String

  @Option(name: [.short, .long], help: "Where to write the delta.")
  var output: String

  @Flag(help: "Print the result as one JSON object.")
  var json = false

  func run() throws {
    let limit = Int(DeltaLimits.largestTarget)
    let old = try RegularFile.read(base, limit: limit)
    let new = try RegularFile.read(target, limit: limit)
    let encoded = DeltaEncoder.encode(base: old, target: new) { fraction in
      Console.progress("encoding", fraction)
    }
    let file = DeltaFile(base: image(of: old), target: image(of: new), delta: encoded.bytes)
    try RegularFile.replace(output, with: file.encoded)
    try report(encoded, base: old.count)
  }

  private func image(of bytes: [UInt8]) -> DeltaFile.Image {
    DeltaFile.Image(size: UInt64(bytes.count), digest: SHA256Digest(of: bytes).bytes)
  }

  private func report(_ encoded: EncodedDelta, base: Int) throws(Refusal) {
    let header = encoded.header
    guard json else {
      return try Console.print(
        "\(output): \(encoded.bytes.count) bytes of delta (\(encoded.mode)) "
          + "for \(header.targetSize) bytes")
    }
    try Console.print(
      .object([
        ("output", .string(output)),
        ("base", .integer(Int64(base))),
        ("target", .unsigned(header.targetSize)),
        ("delta", .integer(Int64(encoded.bytes.count))),
        ("mode", .string(encoded.mode)),
        ("covers", .unsigned(header.coverCount)),
        ("memory", .unsigned(header.memoryNeeded)),
      ]))
  }
}
