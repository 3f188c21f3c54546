internal import ArgumentParser
internal import Bytes
internal import Digests
internal import PatchFormat
internal import Platform
internal import Refusal
internal import Verification

/// Rebuilds a module from its base and a patch.
struct ApplyCommand: ReportsJSON {
  static let configuration = CommandConfiguration(
    commandName: "apply",
    abstract: "Verify a patch and write the module that it yields.",
    discussion: """
      The result appears under its name in one step, and only when it is, byte for byte, what was \
      signed. For a patch of several modules, the base says which of them is meant.

      Example:
        hitless apply qer.hlp --base qer-1.0.0.so --trust vendor.pub -o qer-1.0.1.so
      """)

  @Argument(help: "The patch.")
  var file: String

  @Option(help: ArgumentHelp("The module that the patch starts from.", valueName: "module"))
  var base: String

  @OptionGroup var options: VerificationOptions

  @OptionGroup var host: HostOptions

  @Option(
    name: [.short, .customLong("output")],
    help: ArgumentHelp("Where to write the result.", valueName: "file"))
  var output: String

  @Flag(help: "Print the result as one JSON object.")
  var json = false

  func run() throws {
    try RegularFile.requireOutput(output, besides: [file])
    let patch = try options.verify(file, for: host)
    let image = try Inputs.image(base)
    let number = try patch.component(from: image)
    let target = try patch.checkedTarget(of: number, base: image, policy: host.policy)
    try RegularFile.replace(output, with: target.bytes, mode: 0o755)
    let component = patch.manifest.components[number]
    if json {
      try Console.print(
        .object([
          ("output", .string(output)), ("module", .string(component.module)),
          ("size", .integer(Int64(target.bytes.count))),
          ("sha256", .string(component.target.digest.hex)),
          ("checks", .array((patch.checks + target.checks).map { .string($0) })),
        ]))
    } else {
      try Console.print(
        "wrote '\(output)': \(component.module) of \(patch.manifest.release),"
          + " \(target.bytes.count) bytes, build-id \(component.target.buildID.hex)")
    }
  }
}
