internal import Bytes
internal import Digests
package import Refusal

/// An Ed25519 public key that passed the checks of docs/format.md, section 6.2.
///
/// Equality is that of the key bytes: the same key under two names is one key.
package struct PublicKey: Hashable, Sendable {
  /// Size of a key id in bytes.
  package static let keyIDSize = 8

  /// The 32 bytes of RFC 8032.
  package let raw: [UInt8]

  /// Takes the 32 bytes of RFC 8032.
  package init(raw: [UInt8]) throws(Refusal) {
    if let defect = Ed25519Encoding.defect(of: raw) {
      throw Refusal(.untrustedKey, "not a usable Ed25519 public key: \(defect)")
    }
    self.raw = raw
  }

  /// Reads a SubjectPublicKeyInfo in PEM, as `openssl pkey -pubout` writes it.
  package init(pem: [UInt8]) throws(Refusal) {
    switch OpenSSLKey.publicKey(pem: pem) {
    case .key(let key):
      guard let raw = key.rawPublicKey else {
        throw Refusal(.untrustedKey, "not a usable Ed25519 public key: OpenSSL cannot export it")
      }
      try self.init(raw: raw)
    case .otherAlgorithm(let name):
      throw Refusal(
        .untrustedKey, "the public key is of the wrong algorithm", expected: "ED25519",
        found: name, hint: "make a key pair with 'hitless keygen --out NAME'")
    case .unreadable:
      throw Refusal(
        .untrustedKey, "not a PEM public key (BEGIN PUBLIC KEY), or only part of one",
        hint: PEMText.holdsPrivateKey(pem)
          ? "this is a private key; give the .pub file, and keep this one to yourself"
          : "'hitless keygen --out NAME' writes NAME.pub")
    }
  }

  /// The key as SubjectPublicKeyInfo in PEM.
  package var pem: [UInt8] {
    get throws(Refusal) {
      guard let text = OpenSSLKey.publicKey(raw: raw)?.publicPEM else {
        throw Refusal(.io, "OpenSSL cannot write the public key")
      }
      return text
    }
  }

  /// The first bytes of the SHA-256 of the key: a hint which key to try, it proves nothing.
  package var keyID: [UInt8] { Array(SHA256Digest(of: raw).bytes.prefix(Self.keyIDSize)) }

  /// Whether `signature` is a signature of this key over `message`.
  func verifies(_ signature: [UInt8], over message: [UInt8]) -> Bool {
    OpenSSLKey.publicKey(raw: raw)?.verifies(signature, over: message) ?? false
  }
}
