internal import Digests
package import ElfImage
package import HotSwap
package import PatchFormat
internal import Platform
package import Refusal

/// A module that is rebuilt, sealed, checked, probed and mapped, ready to become part of a generation.
///
/// Only `Stager` makes one. The sealed file stays: it is what "base" means for the next patch.
/// Threading: immutable.
package final class StagedModule: Sendable {
  /// The slot it was staged for.
  package let slot: String
  /// What it says of itself.
  package let facts: ModuleFacts
  /// What identifies its file.
  package let image: Component.Image
  /// The mapped image.
  package let module: MappedModule
  /// What the mapped image was once the loader had relocated it.
  package let golden: GoldenImage
  private let file: SealedMemoryFile

  init(_ sealed: consuming SealedModule, module: MappedModule, golden: GoldenImage) {
    slot = sealed.slot
    facts = sealed.facts
    image = sealed.image
    self.module = module
    self.golden = golden
    file = sealed.file
  }

  /// The bytes that were verified, sealed and mapped; blocks for a copy of the file.
  package func bytes() throws(Refusal) -> [UInt8] {
    do throws(SystemError) {
      return try file.contents()
    } catch {
      throw error.refusal
    }
  }
}
