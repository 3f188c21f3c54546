internal import Platform
package import Refusal
package import Signing

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
