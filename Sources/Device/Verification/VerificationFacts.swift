package import Digests
package import PatchFormat

/// What the verifier is told about the world; it asks nobody itself.
///
/// A fact that is nil is not checked, and no `checked:` line claims that it was. An agent gives all of
/// them; an auditor at a desk may know none.
package struct VerificationFacts: Sendable {
  /// The product of the host.
  package var product: String?
  /// Seconds since 1970 (UTC) when the transaction began; not asked again while it runs.
  package var now: UInt64?
  /// The last time that was believed: a clock before it was set back.
  package var clockFloor: UInt64 = 0
  /// What was accepted before, per product and module.
  package var accepted: [SequenceKey: AcceptedPatch]?
  /// The newest patch that may be accepted once more: a host gave up the set that it had led to.
  package var repeatable: SHA256Digest?
  /// Lowest sequence number that the embedder still accepts, whatever a state directory says.
  package var sequenceFloor: UInt64 = 0
  /// The machine of the host.
  package var machine: Component.Machine?
  /// The interfaces of the host's slots.
  package var interfaces: Set<Component.Interface>?
  /// The modules in force, by name.
  package var inForce: [String: Component.Image]?

  /// Knows nothing.
  package init() {}
}

/// What a sequence number counts: the patches of one module of one product.
package struct SequenceKey: Hashable, Sendable {
  /// The product.
  package let product: String
  /// The module.
  package let module: String

  /// Creates a key.
  package init(product: String, module: String) {
    self.product = product
    self.module = module
  }
}

/// The newest patch that was confirmed for a `SequenceKey`.
package struct AcceptedPatch: Hashable, Sendable {
  /// Its sequence number.
  package let sequence: UInt64
  /// Its identity.
  package let identity: SHA256Digest

  /// Creates a record.
  package init(sequence: UInt64, identity: SHA256Digest) {
    self.sequence = sequence
    self.identity = identity
  }
}
