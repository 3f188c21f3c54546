internal import Bytes
internal import COpenSSL

/// A SHA-256 digest: what trust rests on.
package struct SHA256Digest: Hashable, Sendable {
  /// Size of a digest in bytes.
  package static let byteCount = 32

  /// The digest, `byteCount` bytes.
  package let bytes: [UInt8]

  /// Hashes `input`.
  package init(of input: [UInt8]) {
    self.init(of: input[...])
  }

  /// Hashes `input`.
  ///
  /// Complexity: O(n), about 2 GB/s where the processor has SHA instructions.
  package init(of input: ArraySlice<UInt8>) {
    _ = OpenSSLLibrary.outlivesExit
    bytes = unsafe [UInt8](unsafeUninitializedCapacity: Self.byteCount) { output, count in
      // SAFETY: `output` has room for the 32 bytes that SHA256 writes; `buffer` lives for the call.
      _ = unsafe input.withUnsafeBufferPointer { buffer in
        unsafe SHA256(buffer.baseAddress, buffer.count, output.baseAddress)
      }
      count = Self.byteCount
    }
  }

  /// Takes a digest that was made elsewhere; nil unless it has the size of one.
  package init?(bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = bytes
  }

  /// The digest in lower-case hexadecimal.
  package var hex: String { bytes.hex }
}

extension SHA256Digest: CustomStringConvertible {
  /// The digest in lower-case hexadecimal.
  package var description: String { hex }
}
