/// Why bytes could not be decoded, and where.
///
/// Every decoder of the package throws this one type, so that typed throws compose without
/// translation and a report can always say which byte was at fault.
package struct FormatError: Error, Equatable, Sendable {
  /// The ways decoding can fail; closed, because every caller must handle all of them.
  package enum Reason: Equatable, Sendable {
    /// The input ends `missing` bytes before the field does.
    case truncated(missing: UInt64)
    /// Bytes follow where the structure has ended.
    case trailing(count: UInt64)
    /// A field has a value that the format does not allow.
    case illegal(String)
    /// A value is spelled in a way that is not the one the format allows.
    case notCanonical(String)
    /// A number is over its cap.
    case overLimit(String, found: UInt64, limit: UInt64)
    /// A version or a critical feature that this build does not know.
    case unsupported(String)
    /// The structure is whole, but what it yields is not what it declares.
    case mismatch(String)
    /// A name that breaks the rules for names, so that it never reaches a path.
    case badName(String)
  }

  /// What is wrong.
  package let reason: Reason
  /// Offset in bytes of the first byte of the offending field.
  package let offset: Int

  /// Creates the error for the field that starts at `offset`.
  package init(_ reason: Reason, at offset: Int) {
    self.reason = reason
    self.offset = offset
  }
}

extension FormatError: CustomStringConvertible {
  /// One line for an operator: what, where, and by how much.
  package var description: String {
    switch reason {
    case .truncated(let missing): "truncated at byte \(offset): \(missing) more needed"
    case .trailing(let count): "\(count) bytes too many from byte \(offset)"
    case .illegal(let what): "\(what) at byte \(offset)"
    case .notCanonical(let what): "\(what) at byte \(offset) is not in its one allowed spelling"
    case .overLimit(let what, let found, let limit):
      "\(what) at byte \(offset) is \(found), at most \(limit) is allowed"
    case .unsupported(let what): "\(what) at byte \(offset) is not supported"
    case .mismatch(let what): "\(what) (byte \(offset))"
    case .badName(let what): "\(what) at byte \(offset) breaks the rules for names"
    }
  }
}
