extension UInt64 {
  /// Returns `self + other`; an overflow is an error of the field at `offset`, never a trap.
  package func adding(_ other: UInt64, at offset: Int) throws(FormatError) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    guard !overflow else {
      throw FormatError(.illegal("a sum that overflows 64 bits"), at: offset)
    }
    return sum
  }

  /// Returns `self * other`; an overflow is an error of the field at `offset`, never a trap.
  package func multiplied(by other: UInt64, at offset: Int) throws(FormatError) -> UInt64 {
    let (product, overflow) = multipliedReportingOverflow(by: other)
    guard !overflow else {
      throw FormatError(.illegal("a product that overflows 64 bits"), at: offset)
    }
    return product
  }
}
