internal import ArgumentParser
internal import Bytes
internal import Generator
internal import PatchFormat
internal import Platform
internal import Refusal
internal import Signing
internal import Verification

/// Makes a signed patch of two builds of a module.
struct DiffCommand: ReportsJSON {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Make a signed patch from two builds of a module.",
    discussion: """
      Give the build that is in force first, and the one to replace it second; further pairs go into \
      the same patch and change together. Both must pass 'hitless lint'. The patch is verified and \
      applied in memory before the file appears under its name. The same inputs and the same key give \
      the same bytes.

      Examples:
        hitless diff qer-1.0.0.so qer-1.0.1.so -o qer.hlp --key vendor.key
        hitless diff qer-1.0.0.so qer-1.0.1.so -o qer.hlp --key vendor.key \\
          --product upf --resolves CVE-2027-1234 --not-after 2028-01-31
        hitless diff qer-1.so qer-2.so far-1.so far-2.so -o both.hlp \\
          --key vendor.key --release 2027.1 --sequence 7
      """)

  @Argument(help: "Pairs of builds: OLD NEW …")
  var files: [String]

  @Option(
    name: [.short, .customLong("output")],
    help: ArgumentHelp("Where to write the patch.", valueName: "file"))
  var output: String

  @Option(
    name: .customLong("key"),
    help: ArgumentHelp("A private key that signs; may be repeated.", valueName: "file"))
  var keys: [String]

  @Option(help: ArgumentHelp("The product that the patch is for.", valueName: "name"))
  var product = "default"

  @Option(
    help: ArgumentHelp(
      "The release that it brings (default: the version of the new module).", valueName: "id"))
  var release: String?

  @Option(
    help: ArgumentHelp(
      "The sequence number (default: major·10⁶ + minor·10³ + patch of that version).",
      valueName: "number"))
  var sequence: UInt64?

  @Option(
    help: ArgumentHelp(
      "The first moment at which it may be applied: 2027-01-31, 2027-01-31T12:00:00Z.",
      valueName: "time"))
  var notBefore: UTCTime?

  @Option(
    help: ArgumentHelp("The last moment at which it may be applied.", valueName: "time"))
  var notAfter: UTCTime?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("What it resolves, such as CVE-2027-1234.", valueName: "id"))
  var resolves: [String] = []

  @Option(
    name: .customLong("needs"), parsing: .upToNextOption,
    help: ArgumentHelp(
      "Modules that must be in force, by build-id (hexadecimal).", valueName: "build-id"))
  var prerequisites: [String] = []

  @OptionGroup var host: HostOptions

  @Flag(help: "Print the result as one JSON object.")
  var json = false

  func validate() throws {
    guard files.count >= 2, files.count.isMultiple(of: 2) else {
      throw ValidationError("give the modules in pairs, the old build and the new one")
    }
    guard !keys.isEmpty else { throw ValidationError("name a private key with '--key'") }
  }

  func run() throws {
    try RegularFile.requireOutput(output, besides: files + keys)
    let request = try request()
    let patch = try PatchBuilder.build(request) { module, fraction in
      Console.progress("encoding \(module)", fraction)
    }
    try proveItWorks(patch, request)
    try RegularFile.replace(output, with: patch.bytes)
    if json {
      try Console.print(patch.json(output: output))
    } else {
      for line in patch.lines(output: output) { try Console.print(line) }
    }
  }

  private func request() throws(Refusal) -> PatchRequest {
    var pairs: [PatchRequest.Pair] = []
    for index in stride(from: 0, to: files.count, by: 2) {
      let names = (base: files[index], target: files[index + 1])
      pairs.append(
        PatchRequest.Pair(
          base: try Inputs.image(names.base), target: try Inputs.image(names.target),
          names: names))
    }
    var signers: [SigningKey] = []
    for path in keys { signers.append(try Inputs.signingKey(path)) }
    var request = PatchRequest(pairs: pairs, keys: signers)
    request.product = product
    request.release = release
    request.sequence = sequence
    request.notBefore = notBefore?.seconds
    request.notAfter = notAfter?.seconds
    request.resolves = resolves
    for text in prerequisites {
      guard let buildID = [UInt8](hex: text) else {
        throw Refusal(.usage, "'\(text)' is no build-id", hint: "'readelf -n MODULE' prints one")
      }
      request.prerequisites.append(buildID)
    }
    request.policy = host.policy
    return request
  }

  /// Reads the patch with the code that a host reads it with, and applies it to every base.
  private func proveItWorks(_ patch: BuiltPatch, _ request: PatchRequest) throws(Refusal) {
    let signers = request.keys.map(\.publicKey)
    let trust = try TrustedKeys(keys: signers, threshold: Set(signers).count)
    let split: UnverifiedPatch
    do throws(FormatError) {
      split = try UnverifiedPatch(parsing: patch.bytes)
    } catch {
      throw Refusal(error, in: "the patch that was made")
    }
    var facts = VerificationFacts()
    facts.product = request.product
    let verified = try Verifier.verify(split, trust: trust, facts: facts)
    for (number, pair) in request.pairs.enumerated() {
      let target = try verified.target(of: number, base: pair.base)
      guard target == pair.target else {
        throw Refusal(
          .integrity, "the patch that was made does not yield '\(pair.names.target)'",
          hint: "this is a defect of this program: please report it")
      }
    }
  }
}
