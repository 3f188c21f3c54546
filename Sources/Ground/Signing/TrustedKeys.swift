package import Refusal

/// The keys whose signatures count, and how many different ones a patch needs.
package struct TrustedKeys: Sendable {
  /// The keys, each once, in the order in which they were given.
  package let keys: [PublicKey]
  /// How many of them must have signed.
  package let threshold: Int

  /// Fails closed: no key, a threshold below 1, or one that can never be met is refused.
  package init(keys: [PublicKey], threshold: Int = 1) throws(Refusal) {
    guard threshold >= 1 else {
      throw Refusal(
        .format, "a threshold must be at least 1", expected: "1 or more", found: "\(threshold)")
    }
    guard !keys.isEmpty else {
      throw Refusal(
        .untrustedKey, "no trusted key was given, so nothing can be trusted",
        hint: "name the vendor's public key, for example '--trust vendor.pub'")
    }
    var seen: Set<PublicKey> = []
    self.keys = keys.filter { seen.insert($0).inserted }
    guard threshold <= self.keys.count else {
      throw Refusal(
        .untrustedKey, "the threshold can never be met: the same key counts once",
        expected: "at least \(threshold) different keys", found: "\(self.keys.count)")
    }
    self.threshold = threshold
  }

  /// The keys to try for a signature that names `keyID`; ids may collide.
  func keys(named keyID: [UInt8]) -> [PublicKey] {
    keys.filter { $0.keyID == keyID }
  }
}
