/// Bytes of one packet in memory that somebody else owns, read without copying.
///
/// Callers compare `count` before they read; the numbers are those of the network, big-endian.
@unsafe
struct PacketView: BitwiseCopyable {
  let base: UnsafePointer<UInt8>
  let count: Int

  @inline(__always)
  init(_ base: UnsafePointer<UInt8>, count: Int) {
    unsafe self.base = base
    unsafe self.count = count
  }

  /// The byte at `offset`, which must be below `count`.
  @inline(__always)
  func byte(_ offset: Int) -> UInt8 { unsafe base[offset] }

  @inline(__always)
  func big16(_ offset: Int) -> UInt16 {
    unsafe UInt16(
      bigEndian: UnsafeRawPointer(base).loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  @inline(__always)
  func big32(_ offset: Int) -> UInt32 {
    unsafe UInt32(
      bigEndian: UnsafeRawPointer(base).loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  /// Four bytes as they lie in memory.
  @inline(__always)
  func raw32(_ offset: Int) -> UInt32 {
    unsafe UnsafeRawPointer(base).loadUnaligned(fromByteOffset: offset, as: UInt32.self)
  }

  /// Eight bytes as they lie in memory.
  @inline(__always)
  func raw64(_ offset: Int) -> UInt64 {
    unsafe UnsafeRawPointer(base).loadUnaligned(fromByteOffset: offset, as: UInt64.self)
  }

  /// The bytes as a span, for as long as the caller keeps the memory in place.
  @inline(__always)
  func withSpan<Result, Failure: Error>(
    _ body: (Span<UInt8>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // SAFETY: `count` bytes lie at `base`; the span does not leave the closure.
    try body(unsafe Span(_unsafeStart: base, count: count))
  }
}
