import AttackCorpus
import ElfImage
import Generator
import PatchFormat
import Signing
import TestSupport
import Testing

/// Two builds of a module, a key that is trusted, and a forge for patches between them.
struct AttackGround {
  let directory: TemporaryDirectory
  let forge: Forge
  let base: [UInt8]

  init() throws {
    directory = try TemporaryDirectory()
    let key = try SigningKey.generate()
    try directory.write("vendor.pub", try key.publicKey.pem)
    try TestModule().build("old.so", in: directory)
    try Self.target.build("new.so", in: directory)
    base = try directory.bytes("old.so")
    let target = try directory.bytes("new.so")
    let built = try PatchBuilder.build(
      PatchRequest(pairs: [.init(base: base, target: target, names: ("old", "new"))], keys: [key]))
    forge = Forge(
      component: built.manifest.components[0], base: base, target: target, key: key)
  }

  /// All cases of the corpus.
  var cases: [AttackCase] {
    get throws {
      try forge.containerCases() + forge.layoutCases() + forge.signatureCases()
        + forge.manifestCases() + forge.numberCases() + forge.machineCases() + interfaceCases
        + moduleCases
    }
  }

  /// The cases that need builds of their own.
  var interfaceCases: [AttackCase] {
    get throws {
      try forge.interfaceCases(
        id: try otherBuild { $0.interface.id += 0x100 },
        version: try otherBuild { $0.interface.version += 1 })
    }
  }

  /// The cases whose target is nothing that may be loaded.
  var moduleCases: [AttackCase] {
    get throws {
      try forge.moduleCases(
        offenders: TestModule.offenders.map { offender in
          (offender.name, try otherBuild { $0.offend(with: offender.code) })
        })
    }
  }

  /// A build of the target with one thing changed.
  private func otherBuild(_ change: (inout TestModule) -> Void) throws -> ForgedTarget {
    var module = Self.target
    change(&module)
    let scratch = try TemporaryDirectory()
    try module.build("other.so", in: scratch)
    let bytes = try scratch.bytes("other.so")
    let buildID = try #require(try ElfImage(parsing: bytes).buildID)
    return ForgedTarget(bytes, buildID: buildID)
  }

  private static var target: TestModule {
    var module = TestModule()
    module.version = (1, 0, 1)
    module.markedConstant = 2
    return module
  }
}
