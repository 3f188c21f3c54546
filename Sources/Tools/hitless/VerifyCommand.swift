internal import ArgumentParser
internal import Bytes
internal import Digests
internal import ElfImage
internal import PatchFormat
internal import Platform
internal import Refusal
internal import Signing
internal import Verification

/// Verifies a patch and says what was checked.
struct VerifyCommand: ReportsJSON {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check a patch: signatures, every byte, validity, and what it yields.",
    discussion: """
      Prints one 'checked:' line for each check that was made, and nothing for what was not. With \
      --base, the patch is also applied in memory, and its result compared with what was signed.

      Examples:
        hitless verify qer.hlp --trust vendor.pub
        hitless verify qer.hlp --trust a.pub --trust b.pub --threshold 2
        hitless verify qer.hlp --trust a.pub --base qer-1.0.0.so --json
        hitless verify qer.hlp --trust a.pub --product upf --machine x86_64 --interface 0x55514552:1
      """)

  @Argument(help: "The patch.")
  var file: String

  @OptionGroup var options: VerificationOptions

  @Option(
    help: ArgumentHelp(
      "A module that the patch starts from; may be repeated.", valueName: "module"))
  var base: [String] = []

  @OptionGroup var host: HostOptions

  @Flag(help: "Print the result as one JSON object.")
  var json = false

  func run() throws {
    let patch = try options.verify(file, for: host)
    var checks = patch.checks
    for path in base {
      let image = try Inputs.image(path)
      let number = try patch.component(from: image)
      checks.append("base: '\(path)' is the base of component \(number)")
      checks += try patch.checkedTarget(of: number, base: image, policy: host.policy).checks
    }
    for keyID in patch.unknownKeyIDs {
      Console.warn("a signature by the unknown key \(keyID.hex) was not checked")
    }
    if json {
      try Console.print(patch.json(checks: checks))
      return
    }
    for check in checks { try Console.print("checked: \(check)") }
    try Console.print("verified: \(patch.manifest.summary)")
  }
}

extension VerifiedPatch {
  /// The target of a component with the lines of the checks that it passed.
  func checkedTarget(
    of number: Int, base: [UInt8], policy: LoadabilityPolicy
  ) throws(Refusal) -> (bytes: [UInt8], checks: [String]) {
    let target = try AssistantThread.with("hitless-decode") { (thread) throws(Refusal) in
      try self.target(of: number, base: base, assistant: thread.begin)
    }
    let line = "target: component \(number) yields \(target.count) bytes, SHA-256 as signed"
    _ = try checkImage(target, of: number, policy: policy)
    return (
      target, [line, "module: component \(number) is loadable, and is what the manifest says"]
    )
  }

  fileprivate func json(checks: [String]) -> JSON {
    .object([
      ("verified", .bool(true)), ("identity", .string(identity.hex)),
      ("signers", .array(signers.map { .string($0.keyID.hex) })),
      ("unknownKeys", .array(unknownKeyIDs.map { .string($0.hex) })),
      ("checks", .array(checks.map { .string($0) })), ("manifest", manifest.json),
    ])
  }
}
