import AttackCorpus
import Generator
import PatchFormat
import Signing
import TestSupport

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
    var next = TestModule()
    next.version = (1, 0, 1)
    next.markedConstant = 2
    try next.build("new.so", in: directory)
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
        + forge.manifestCases() + forge.numberCases()
    }
  }
}
