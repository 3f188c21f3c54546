package import Refusal

/// One hostile or wrong patch file, and what everybody must answer who is given it.
///
/// The same cases are given to the verifier, to the command line and to the agent, and all must answer
/// the same.
package struct AttackCase: Sendable, CustomStringConvertible {
  /// What is tried.
  package let name: String
  /// The file.
  package let file: [UInt8]
  /// The class of the refusal, or nil for a file that must be accepted.
  package let expected: RefusalClass?

  /// Creates a case.
  package init(_ name: String, _ file: [UInt8], _ expected: RefusalClass?) {
    self.name = name
    self.file = file
    self.expected = expected
  }

  package var description: String { name }
}
