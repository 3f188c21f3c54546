/// What was verified about a module's file, and what the image that is mapped must therefore say of
/// itself.
package struct ModuleExpectation: Equatable, Sendable {
  /// The build-id note of the verified file.
  package let buildID: [UInt8]
  /// The facts of its Hitless note: `struct hitless_module_facts` as bytes.
  package let facts: [UInt8]

  /// Creates an expectation from the notes of the file that was verified.
  package init(buildID: [UInt8], facts: [UInt8]) {
    self.buildID = buildID
    self.facts = facts
  }
}
