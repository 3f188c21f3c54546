internal import ArgumentParser
internal import Bytes
internal import DeltaEncoder
internal import DeltaModel
internal import Glibc
internal import Platform
internal import Refusal

/// `hitless-bench ablation`: the delta of a pair with each part of the codec left out in turn.
///
/// With an empty base the parts are those of codec 3, which codes a file that is no ELF file by itself.
struct AblationCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ablation",
    abstract: "Encodes a pair without each part of the codec in turn, and decodes it likewise.",
    discussion: "If the old file is empty the parts are those of codec 3.")

  @Argument(help: "The file the delta starts from.")
  var old: String

  @Argument(help: "The file the delta yields.")
  var new: String

  @Option(help: "How long the encoder may look: quick or thorough.")
  var effort = EncodingEffort.quick

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let limit = Int(DeltaLimits.largestTarget)
    let base = try RegularFile.read(old, limit: limit)
    let target = try RegularFile.read(new, limit: limit)
    let whole = try measure(base, target, without: [])
    var parts: [JSON] = []
    if !json { print("with all parts        \(whole) bytes") }
    let tuning = effort == .quick ? [] : [("tuning", DeltaAblation.tuning)]
    for (name, part) in base.isEmpty ? DeltaAblation.plainParts : DeltaAblation.parts + tuning {
      let size = try measure(base, target, without: part)
      parts.append(.object([("name", .string(name)), ("delta", .integer(Int64(size)))]))
      if !json { print("without \(name): \(size) bytes, \(size - whole) more") }
    }
    guard json else { return }
    print(JSON.object([("delta", .integer(Int64(whole))), ("parts", .array(parts))]).text)
  }

  /// Returns the size of the delta once it has come back.
  private func measure(
    _ base: [UInt8], _ target: [UInt8], without: DeltaAblation
  ) throws(Refusal) -> Int {
    let delta = DeltaEncoder.encode(base: base, target: target, effort: effort, without: without)
    do throws(FormatError) {
      let result = try delta.header.decodeBody(
        of: delta.bytes, base: base, without: without)
      guard result == target else {
        throw FormatError(.illegal("a delta that yields another file"), at: 0)
      }
    } catch {
      throw Refusal(error, in: "the delta that was made without a part")
    }
    return delta.bytes.count
  }
}

extension EncodingEffort: ExpressibleByArgument {}
