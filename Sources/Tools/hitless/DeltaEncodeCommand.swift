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
    commandName: "encode", abstract: "Write the delta that turns OLD into NEW.",
    discussion: """
      Any two files will do. Where both are 64-bit little-endian ELF files for one machine, the \
      coder follows addresses and instructions from the one to the other, which is what makes \
      deltas small; where they are not, it says so and why. Four modes are tried and the smallest \
      result is kept: 'delta' (what resembles OLD is taken from it), 'whole' (OLD only teaches the \
      coder what to expect), 'plain' (NEW by itself, whatever it is) and 'stored' (NEW as it is). \
      The same files and the same effort give the same bytes on every machine.

      Examples:
        hitless delta encode qer-1.0.0.so qer-1.0.1.so -o qer.delta
        hitless delta encode old.so new.so -o new.delta --effort quick --json
        hitless delta explain old.so new.so        # what the bytes were spent on
      """)

  @OptionGroup var pair: DeltaPair

  @Option(name: [.short, .long], help: "Where to write the delta.")
  var output: String

  @Flag(help: "Print the result as one JSON object.")
  var json = false

  func run() throws {
    try RegularFile.requireOutput(output, besides: [pair.base, pair.target])
    let (old, new) = try pair.read()
    let encoded = pair.encode(old, new)
    let file = DeltaFile(base: image(of: old), target: image(of: new), delta: encoded.bytes)
    try RegularFile.replace(output, with: file.encoded)
    try report(encoded, DeltaForesight(base: old, target: new), base: old.count)
  }

  private func image(of bytes: [UInt8]) -> DeltaFile.Image {
    DeltaFile.Image(size: UInt64(bytes.count), digest: SHA256Digest(of: bytes).bytes)
  }

  private func report(
    _ encoded: EncodedDelta, _ foresight: DeltaForesight, base: Int
  ) throws(Refusal) {
    let header = encoded.header
    guard json else {
      try Console.print(
        "\(output): \(encoded.bytes.count) bytes of delta (\(encoded.mode)) "
          + "for \(header.targetSize) bytes")
      if let line = foresight.line { try Console.print(line) }
      return
    }
    try Console.print(
      .object(
        [
          ("output", .string(output)),
          ("base", .integer(Int64(base))),
          ("target", .unsigned(header.targetSize)),
          ("delta", .integer(Int64(encoded.bytes.count))),
          ("mode", .string(encoded.mode)),
          ("covers", .unsigned(header.coverCount)),
          ("memory", .unsigned(header.memoryNeeded)),
        ] + foresight.entries))
  }
}

/// Two files, and how long to look for the smallest delta between them.
struct DeltaPair: ParsableArguments {
  @Argument(help: ArgumentHelp("The file the delta starts from.", valueName: "old"))
  var base: String

  @Argument(help: ArgumentHelp("The file the delta yields.", valueName: "new"))
  var target: String

  @Option(
    help: ArgumentHelp(
      "How long to look for the smallest delta: quick, or thorough, which of files up to 3 MiB "
        + "tries several alignments, and of those up to 8 MiB whether each of their ends pays, "
        + "for some percent less and up to ten seconds more.", valueName: "effort"))
  var effort = EncodingEffort.thorough

  /// Reads both files.
  func read() throws(Refusal) -> (base: [UInt8], target: [UInt8]) {
    let limit = Int(DeltaLimits.largestTarget)
    return (
      try RegularFile.read(base, limit: limit), try RegularFile.read(target, limit: limit)
    )
  }

  /// Encodes the pair and shows how far it has come.
  func encode(_ old: [UInt8], _ new: [UInt8], keepsBook: Bool = false) -> EncodedDelta {
    DeltaEncoder.encode(base: old, target: new, effort: effort, keepsBook: keepsBook) {
      Console.progress("encoding", $0)
    }
  }
}

extension EncodingEffort: ExpressibleByArgument {}

extension DeltaForesight {
  /// A line for people where less is known than could be.
  var line: String? {
    guard let reason else { return nil }
    let consequence =
      switch extent {
      case .bytes: "coded as plain bytes"
      case .frame: "coded without following addresses"
      case .tables: "code is coded as plain bytes"
      case .code: "coded as ELF"
      }
    return "\(consequence): \(reason)"
  }

  /// The same for scripts.
  var entries: [(String, JSON)] {
    [
      ("foresight", .string(extent.rawValue)),
      ("machine", machine.map { .string($0) } ?? .null),
      ("plainReason", reason.map { .string($0) } ?? .null),
    ]
  }
}
