internal import Platform
package import Refusal

extension MappedModule {
  /// What is added to an address as the module's file numbers it, to have it in this process.
  package var bias: UInt64 { UInt64(image.layout.bias) }

  /// What the kernel calls the file in `/proc/<pid>/maps`, and so to profilers; nil where it does not tell, and
  /// of a module that is not mapped any more.
  package var mappingName: String? {
    phase.withLock { phase in
      if case .unmapped = phase { return nil }
      return image.mappingName
    }
  }

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
