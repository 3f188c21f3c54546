internal import Platform
package import Refusal

extension MappedModule {
  /// What is added to an address as the module's file numbers it, to have it in this process.
  package var bias: UInt64 { UInt64(image.layout.bias) }

  /// The sealed file that the image was mapped from, for tools that read symbols.
  ///
  /// Blocks for a copy. The lock keeps the module mapped meanwhile, and so its descriptor open.
  package func fileBytes() throws(Refusal) -> [UInt8] {
    try phase.withLock { (phase) throws(Refusal) in
      if case .unmapped = phase {
        throw Refusal(.state, "module '\(name)' is not mapped any more")
      }
      return try image.fileBytes()
    }
  }
}
