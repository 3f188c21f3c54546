/// Signed fields of instruction words.
enum Field {
  /// The `bits` bits of `word` from bit `at` on, with their sign carried through all 64.
  @inline(__always)
  static func signed(_ word: UInt32, at: UInt32, bits: UInt32) -> UInt64 {
    let top = Int32(bitPattern: word &<< (32 &- bits &- at)) &>> (32 &- bits)
    return UInt64(bitPattern: Int64(top))
  }

  /// `delta` divided by 2^`scale` in `bits` bits of two's complement, or nil if it does not divide
  /// or does not fit.
  @inline(__always)
  static func narrow(_ delta: UInt64, bits: UInt64, scale: UInt64) -> UInt32? {
    let signed = Int64(bitPattern: delta)
    let value = signed &>> Int64(scale)
    guard value &<< Int64(scale) == signed else { return nil }
    let limit: Int64 = 1 &<< Int64(bits &- 1)
    guard value >= -limit && value < limit else { return nil }
    return UInt32(truncatingIfNeeded: value) & (1 &<< UInt32(bits) &- 1)
  }

  /// `old` with `delta` divided by 2^`scale` in the `bits` bits from bit `at` on, or nil if it
  /// does not divide or does not fit.
  @inline(__always)
  static func put(
    _ old: UInt32, _ delta: UInt64, at: UInt32, bits: UInt32, scale: UInt64
  ) -> UInt32? {
    guard let field = narrow(delta, bits: UInt64(bits), scale: scale) else { return nil }
    return old & ~((1 &<< bits &- 1) &<< at) | field &<< at
  }

  /// The `count` bits of `word` from bit `from` on, moved to bit `to`.
  @inline(__always)
  static func move(_ word: UInt32, from: UInt32, count: UInt32, to: UInt32) -> UInt32 {
    (word &>> from & (1 &<< count &- 1)) &<< to
  }
}
