internal import ArgumentParser
internal import Bytes
internal import DeltaDecoder
internal import DeltaModel
internal import Digests
internal import Platform
internal import Refusal

/// Applies a delta file.
struct DeltaDecodeCommand: ReportsJSON {
  static let configuration = CommandConfiguration(
    commandName: "decode", abstract: "Write the file that a delta yields from OLD.",
    discussion: """
      OLD has to be the very file that the delta was made from, and the result the one that it was \
      made for: both are told by size and SHA-256, and nothing is written before that. A delta \
      file is not signed; patches are ('hitless build').

      Examples:
        hitless delta decode qer-1.0.0.so qer.delta -o qer-1.0.1.so
        hitless inspect qer.delta       # what it starts from, what it yields, what decoding takes
      """)

  @Argument(help: ArgumentHelp("The file the delta starts from.", valueName: "old"))
  var base: String

  @Argument(help: ArgumentHelp("The delta.", valueName: "delta"))
  var delta: String

  @Option(name: [.short, .long], help: "Where to write the result.")
  var output: String

  @Flag(help: "Print the result as one JSON object.")
  var json = false

  func run() throws {
    let limit = Int(DeltaLimits.largestTarget)
    try RegularFile.requireOutput(output, besides: [delta])
    let old = try RegularFile.read(base, limit: limit)
    let bytes = try RegularFile.read(delta, limit: limit + Int(DeltaLimits.largestTables))
    let file = try decoding { () throws(FormatError) in try DeltaFile(parsing: bytes) }
    try check(old, file.base)
    let target = try decoding { () throws(FormatError) in
      // The line goes before anything else is said, a refusal too.
      defer { Console.progress("decoding", 1) }
      return try AssistantThread.with("hitless-decode") { (thread) throws(FormatError) in
        try DeltaDecoder.decode(
          file.delta, base: old, progress: { Console.progress("decoding", $0) },
          assistant: thread.begin)
      }
    }
    let digest = SHA256Digest(of: target)
    guard digest.bytes == file.target.digest else {
      throw Refusal(
        .integrity, "what '\(delta)' yields is not what it was made for",
        expected: file.target.digest.hex, found: digest.hex,
        hint: "the delta is damaged; fetch it again")
    }
    try RegularFile.replace(output, with: target)
    try report(target.count, digest)
  }

  private func check(_ old: [UInt8], _ expected: DeltaFile.Image) throws(Refusal) {
    let hint = "the delta was made from another file"
    guard UInt64(old.count) == expected.size else {
      throw Refusal(
        .wrongBase, "'\(base)' has another size", expected: "\(expected.size) bytes",
        found: "\(old.count)", hint: hint)
    }
    let digest = SHA256Digest(of: old)
    guard digest.bytes == expected.digest else {
      throw Refusal(
        .wrongBase, "'\(base)' is another file", expected: expected.digest.hex, found: digest.hex,
        hint: hint)
    }
  }

  private func decoding<Value>(
    _ body: () throws(FormatError) -> Value
  ) throws(Refusal) -> Value {
    do throws(FormatError) { return try body() } catch { throw Refusal(error, in: "'\(delta)'") }
  }

  private func report(_ count: Int, _ digest: SHA256Digest) throws(Refusal) {
    guard json else { return try Console.print("\(output): \(count) bytes, SHA-256 as declared") }
    try Console.print(
      .object([
        ("output", .string(output)), ("target", .integer(Int64(count))),
        ("digest", .string(digest.hex)),
      ]))
  }
}
