package import DeltaEncoder
package import ElfImage
package import Signing

/// What a patch is to be made of, and what it is to say.
package struct PatchRequest: Sendable {
  /// Two builds of one module.
  package struct Pair: Sendable {
    /// The build that is in force.
    package let base: [UInt8]
    /// The build that is to replace it.
    package let target: [UInt8]
    /// What to call them in messages, usually their paths.
    package let names: (base: String, target: String)

    /// Creates a pair.
    package init(base: [UInt8], target: [UInt8], names: (base: String, target: String)) {
      self.base = base
      self.target = target
      self.names = names
    }
  }

  /// The modules that change together.
  package var pairs: [Pair]
  /// Who signs.
  package var keys: [SigningKey]
  /// The product the patch is for.
  package var product = "default"
  /// The release it brings; nil takes the version of the target.
  package var release: String?
  /// The sequence number; nil makes one of the version of the target.
  package var sequence: UInt64?
  /// First second of validity.
  package var notBefore: UInt64?
  /// Last second of validity.
  package var notAfter: UInt64?
  /// Ids of what is resolved.
  package var resolves: [String] = []
  /// Build-ids of modules that must be in force.
  package var prerequisites: [[UInt8]] = []

  /// What a module may contain.
  package var policy = LoadabilityPolicy.standard
  /// How long to look for the smallest deltas.
  package var effort = EncodingEffort.thorough

  /// Creates a request with what every patch needs.
  package init(pairs: [Pair], keys: [SigningKey]) {
    self.pairs = pairs
    self.keys = keys
  }
}
