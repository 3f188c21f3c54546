package import Refusal

/// An Ed25519 key pair that signs.
package struct SigningKey: Sendable {
  private let key: OpenSSLKey
  /// The half that others get.
  package let publicKey: PublicKey

  private init(_ key: OpenSSLKey) throws(Refusal) {
    guard let raw = key.rawPublicKey else {
      throw Refusal(.format, "OpenSSL cannot export the public half of the key")
    }
    self.key = key
    publicKey = try PublicKey(raw: raw)
  }

  /// Makes a new key pair from the system's random numbers.
  package static func generate() throws(Refusal) -> SigningKey {
    guard let key = OpenSSLKey.generate() else {
      throw Refusal(.io, "OpenSSL cannot make a key pair")
    }
    return try SigningKey(key)
  }

  /// Reads an unencrypted PKCS#8 private key in PEM, as `openssl genpkey` writes it.
  package init(pem: [UInt8]) throws(Refusal) {
    switch OpenSSLKey.privateKey(pem: pem) {
    case .key(let key):
      try self.init(key)
    case .otherAlgorithm(let name):
      throw Refusal(
        .unsupported, "the private key is of the wrong algorithm", expected: "ED25519",
        found: name, hint: "make a key pair with 'hitless keygen --out NAME'")
    case .unreadable:
      throw Refusal(
        .format, "not an unencrypted PEM private key (BEGIN PRIVATE KEY), or only part of one",
        hint: PEMText.holdsPublicKey(pem)
          ? "this is a public key; signing needs the .key file"
          : "'hitless keygen --out NAME' writes NAME.key")
    }
  }

  /// The key as unencrypted PKCS#8 in PEM; whoever reads it can sign.
  package var pem: [UInt8] {
    get throws(Refusal) {
      guard let text = key.privatePEM else {
        throw Refusal(.io, "OpenSSL cannot write the private key")
      }
      return text
    }
  }

  /// Signs `message`; the same message gets the same signature every time (RFC 8032).
  func signature(over message: [UInt8]) throws(Refusal) -> [UInt8] {
    guard let signature = key.signature(over: message) else {
      throw Refusal(.io, "OpenSSL cannot sign")
    }
    return signature
  }
}

/// What a PEM text says it is, for hints only.
enum PEMText {
  static func holdsPrivateKey(_ pem: [UInt8]) -> Bool { contains("PRIVATE KEY-----", in: pem) }
  static func holdsPublicKey(_ pem: [UInt8]) -> Bool { contains("BEGIN PUBLIC KEY-----", in: pem) }

  private static func contains(_ label: String, in pem: [UInt8]) -> Bool {
    pem.prefix(1 << 16).split(separator: UInt8(ascii: "\n"))
      .contains { String(decoding: $0, as: UTF8.self).hasSuffix(label) }
  }
}
