internal import COpenSSL

/// OpenSSL, before anything of it is used.
package enum OpenSSLLibrary {
  /// Keeps its locks and methods in place until the process is gone: threads may hash while it ends.
  ///
  /// Whoever uses the library first decides, so each way into it asks for this before. A host that has used it itself
  /// before has to close its agent before it ends.
  package static let outlivesExit =
    OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil) == 1
}
