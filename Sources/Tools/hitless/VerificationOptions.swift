internal import ArgumentParser
internal import Digests
internal import ElfImage
internal import PatchFormat
internal import Refusal
internal import Signing
internal import Verification

/// What is known about the host that will load a module.
struct HostOptions: ParsableArguments {
  @Option(
    name: .customLong("allow-import"),
    help: ArgumentHelp(
      "A symbol that the host offers to its modules; may be repeated.", valueName: "symbol"))
  var imports: [String] = []

  @Option(
    help: ArgumentHelp(
      "The machine of the host, as 'uname -m' prints it; the patch must be for it.",
      valueName: "name"))
  var machine: HostMachine?

  @Option(
    name: .customLong("interface"),
    help: ArgumentHelp(
      "An interface of the host's slots with its version, such as 0x55514552:1; may be repeated. Every"
        + " module of the patch must be for one of them.", valueName: "id:version"))
  var interfaces: [SlotInterface] = []

  /// Takes what is known here over into the facts that a patch is checked against.
  func add(to facts: inout VerificationFacts) {
    facts.machine = machine.map { Component.Machine($0.machine) }
    if !interfaces.isEmpty { facts.interfaces = Set(interfaces.map(\.interface)) }
  }

  /// What a module may contain there.
  var policy: LoadabilityPolicy { LoadabilityPolicy.standard.allowing(imports: imports) }
}

/// A machine as people name it.
struct HostMachine: ExpressibleByArgument {
  let machine: ElfMachine

  /// Reads the name that `uname -m` or `hitless inspect` prints.
  init?(argument: String) {
    let name = argument.replacing("x86-64", with: "x86_64")
    guard let machine = ElfMachine.allCases.first(where: { $0.name == name }) else { return nil }
    self.machine = machine
  }

  static var allValueStrings: [String] { ElfMachine.allCases.map(\.name) }
}

/// An interface with its version, as people write it.
struct SlotInterface: ExpressibleByArgument {
  let interface: Component.Interface

  /// Reads `ID:VERSION`; the id may be hexadecimal.
  init?(argument: String) {
    let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let version = UInt32(parts[1]) else { return nil }
    let isHexadecimal = parts[0].hasPrefix("0x")
    let digits = isHexadecimal ? parts[0].dropFirst(2) : parts[0]
    guard let id = UInt32(digits, radix: isHexadecimal ? 16 : 10) else { return nil }
    interface = Component.Interface(id: id, version: version)
  }
}

/// Whom to trust, and what to check beyond the signature; the same for every command that verifies.
struct VerificationOptions: ParsableArguments {
  @Option(
    name: .customLong("trust"),
    help: ArgumentHelp("A public key whose signature counts; may be repeated.", valueName: "file"))
  var keys: [String] = []

  @Option(
    help: ArgumentHelp("How many different trusted keys must have signed.", valueName: "count"))
  var threshold = 1

  @Option(help: ArgumentHelp("The product that the patch must be for.", valueName: "name"))
  var product: String?

  @Option(
    name: .customLong("at"),
    help: ArgumentHelp(
      "Check the validity at this time (2027-01-31, 2027-01-31T12:00:00Z) instead of now.",
      valueName: "time"))
  var time: UTCTime?

  @Option(
    help: ArgumentHelp("The lowest sequence number that is accepted.", valueName: "number"))
  var floor: UInt64?

  func validate() throws {
    guard !keys.isEmpty else {
      throw ValidationError("name at least one key to trust, for example '--trust vendor.pub'")
    }
  }

  /// Verifies the patch in the file at `path`, for `host`.
  func verify(_ path: String, for host: HostOptions) throws(Refusal) -> VerifiedPatch {
    let trust = try Inputs.trust(keys, threshold: threshold)
    var facts = VerificationFacts()
    host.add(to: &facts)
    facts.product = product
    facts.now = (time ?? .now).seconds
    if let floor {
      facts.sequenceFloor = floor
      facts.accepted = [:]
    }
    return try Verifier.verify(try Inputs.patch(path), trust: trust, facts: facts)
  }
}

extension VerifiedPatch {
  /// The number of the component that starts from `base`.
  func component(from base: [UInt8]) throws(Refusal) -> Int {
    // With one component its own check says best what differs.
    if manifest.components.count > 1 {
      for number in manifest.components.indices where (try? checkBase(of: number, base)) != nil {
        return number
      }
      throw Refusal(
        .wrongBase, "no module of the patch starts from this base",
        expected: manifest.components.map(\.base.digest.hex).joined(separator: " or "),
        hint: "this patch is for other builds of the modules; 'hitless inspect' shows which")
    }
    try checkBase(of: 0, base)
    return 0
  }
}
