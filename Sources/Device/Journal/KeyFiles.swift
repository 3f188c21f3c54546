internal import Platform
package import Refusal
package import Signing

/// The trusted keys of an agent: read when it is opened, and again whenever they are asked for until that has
/// succeeded.
///
/// A host that came up while descriptors were short, or before its keys were in place, need not be restarted.
/// Threading: any thread; blocks on the disk as long as there are no keys.
package final class KeyRing: Sendable {
  private let paths: [String]
  private let threshold: Int
  private let keys = Guarded<TrustedKeys?>(nil)

  /// Names the PEM files.
  package init(_ paths: [String], threshold: Int) {
    self.paths = paths
    self.threshold = threshold
    _ = try? get()
  }

  /// The keys, or why there are none: then every patch is refused with that reason.
  package func get() throws(Refusal) -> TrustedKeys {
    if let known = keys.withLock({ $0 }) { return known }
    let read = try KeyFiles.read(paths, threshold: threshold)
    keys.withLock { $0 = read }
    return read
  }
}

/// The trusted keys of an agent, read from files.
package enum KeyFiles {
  /// Largest PEM file of a public key in bytes.
  package static let sizeLimit = 1 << 14

  /// Reads one PEM file per key; fails closed when one is missing, unreadable or no key.
  package static func read(_ paths: [String], threshold: Int) throws(Refusal) -> TrustedKeys {
    var keys: [PublicKey] = []
    for path in paths {
      do throws(Refusal) {
        keys.append(try PublicKey(pem: try RegularFile.read(path, limit: sizeLimit)))
      } catch {
        var refusal = Refusal(
          .untrustedKey, "the trusted key '\(path)' cannot be used: \(error.message)")
        refusal.hint = "every patch is refused until the key file is in place"
        throw refusal
      }
    }
    return try TrustedKeys(keys: keys, threshold: threshold)
  }
}
