internal import COpenSSL
internal import Digests

/// An Ed25519 key inside OpenSSL, freed (and wiped, when private) with its last reference.
///
/// Threading: any thread. OpenSSL counts references atomically, and nothing here changes the key
/// after it was made.
@safe
final class OpenSSLKey: @unchecked Sendable {
  private let handle: OpaquePointer

  private init(owning handle: OpaquePointer) {
    unsafe self.handle = handle
  }

  deinit { unsafe EVP_PKEY_free(handle) }

  /// Makes a new key pair from the system's random numbers; nil when OpenSSL cannot.
  static func generate() -> OpenSSLKey? {
    _ = OpenSSLLibrary.outlivesExit
    let context = unsafe EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nil)
    defer { unsafe EVP_PKEY_CTX_free(context) }
    var made: OpaquePointer?
    guard unsafe EVP_PKEY_keygen_init(context) == 1,
      unsafe EVP_PKEY_keygen(context, &made) == 1
    else { return nil }
    return unsafe adopt(made)
  }

  /// The public key with these 32 bytes.
  static func publicKey(raw: [UInt8]) -> OpenSSLKey? {
    _ = OpenSSLLibrary.outlivesExit
    // SAFETY: the buffer lives for the call; OpenSSL copies it and checks its length.
    let made = unsafe raw.withUnsafeBufferPointer { buffer in
      unsafe EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, buffer.baseAddress, buffer.count)
    }
    return unsafe adopt(made)
  }

  private static func adopt(_ handle: OpaquePointer?) -> OpenSSLKey? {
    guard let handle = unsafe handle else { return nil }
    return unsafe OpenSSLKey(owning: handle)
  }

  /// The 32 bytes of the public key.
  var rawPublicKey: [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 32)
    var count = bytes.count
    guard unsafe EVP_PKEY_get_raw_public_key(handle, &bytes, &count) == 1, count == bytes.count
    else { return nil }
    return bytes
  }

  /// Signs `message`; nil when this is not a private key.
  func signature(over message: [UInt8]) -> [UInt8]? {
    let context = unsafe EVP_MD_CTX_new()
    defer { unsafe EVP_MD_CTX_free(context) }
    var signature = [UInt8](repeating: 0, count: 64)
    var count = signature.count
    guard unsafe EVP_DigestSignInit(context, nil, nil, nil, handle) == 1,
      unsafe EVP_DigestSign(context, &signature, &count, message, message.count) == 1,
      count == signature.count
    else { return nil }
    return signature
  }

  /// Whether `signature` is this key's over `message`; false for a signature of any wrong shape.
  func verifies(_ signature: [UInt8], over message: [UInt8]) -> Bool {
    let context = unsafe EVP_MD_CTX_new()
    defer {
      unsafe EVP_MD_CTX_free(context)
      ERR_clear_error()
    }
    guard unsafe EVP_DigestVerifyInit(context, nil, nil, nil, handle) == 1 else { return false }
    return unsafe EVP_DigestVerify(
      context, signature, signature.count, message, message.count) == 1
  }
}

// MARK: - PEM

extension OpenSSLKey {
  /// What a PEM text turned out to hold.
  enum Reading {
    /// An Ed25519 key.
    case key(OpenSSLKey)
    /// A key of another algorithm, by its name.
    case otherAlgorithm(String)
    /// Nothing that OpenSSL can read as such a key.
    case unreadable
  }

  /// Reads a private key (PKCS#8); an encrypted one is unreadable, nobody is asked for a passphrase.
  static func privateKey(pem: [UInt8]) -> Reading {
    unsafe read(pem) { unsafe PEM_read_bio_PrivateKey($0, nil, { _, _, _, _ in -1 }, nil) }
  }

  /// Reads a public key (SPKI).
  static func publicKey(pem: [UInt8]) -> Reading {
    unsafe read(pem) { unsafe PEM_read_bio_PUBKEY($0, nil, { _, _, _, _ in -1 }, nil) }
  }

  private static func read(
    _ pem: [UInt8], with reader: (OpaquePointer?) -> OpaquePointer?
  ) -> Reading {
    _ = OpenSSLLibrary.outlivesExit
    defer { ERR_clear_error() }
    guard let length = Int32(exactly: pem.count) else { return .unreadable }
    // SAFETY: the memory BIO reads the buffer only while it lives, that is inside the closure.
    let made = unsafe pem.withUnsafeBytes { buffer in
      let source = unsafe BIO_new_mem_buf(buffer.baseAddress, length)
      defer { unsafe BIO_free(source) }
      return unsafe reader(source)
    }
    guard let key = unsafe adopt(made) else { return .unreadable }
    guard unsafe EVP_PKEY_get_base_id(key.handle) == EVP_PKEY_ED25519 else {
      // SAFETY: the name is a static string of OpenSSL.
      let name = unsafe EVP_PKEY_get0_type_name(key.handle).map { unsafe String(cString: $0) }
      return .otherAlgorithm(name ?? "an unknown algorithm")
    }
    return .key(key)
  }

  /// The private key as unencrypted PKCS#8.
  var privatePEM: [UInt8]? {
    unsafe write { unsafe PEM_write_bio_PKCS8PrivateKey($0, $1, nil, nil, 0, nil, nil) }
  }

  /// The public key as SubjectPublicKeyInfo.
  var publicPEM: [UInt8]? {
    unsafe write { unsafe PEM_write_bio_PUBKEY($0, $1) }
  }

  private func write(with writer: (OpaquePointer?, OpaquePointer) -> Int32) -> [UInt8]? {
    let sink = unsafe BIO_new(BIO_s_mem())
    defer { unsafe BIO_free(sink) }
    guard unsafe writer(sink, handle) == 1 else { return nil }
    var text = [UInt8](repeating: 0, count: unsafe BIO_ctrl_pending(sink))
    guard let size = Int32(exactly: text.count), unsafe BIO_read(sink, &text, size) == size
    else { return nil }
    return text
  }
}
