internal import CXXHash

/// Fast hashes that find equal content; never a basis of trust, they can be forged at will.
package enum ContentHash {
  /// The 64-bit XXH3 hash of `input`.
  package static func xxh3(_ input: [UInt8]) -> UInt64 {
    xxh3(input[...])
  }

  /// The 64-bit XXH3 hash of `input`.
  package static func xxh3(_ input: ArraySlice<UInt8>) -> UInt64 {
    // SAFETY: the buffer lives for the call and is only read.
    unsafe input.withUnsafeBufferPointer { buffer in
      unsafe XXH3_64bits(buffer.baseAddress, buffer.count)
    }
  }
}
