package import Foundation

/// A finished run of a program: what it said, and how it ended.
package struct ProgramRun: Sendable {
  /// The exit status, or minus the number of the signal that ended it.
  package let status: Int32
  /// Everything on standard output.
  package let output: String
  /// Everything on standard error.
  package let errors: String
}

/// Runs `program` to its end with nothing on its standard input.
///
/// The streams go to files, so that a program that writes much to both cannot block.
package func run(
  _ program: String, _ arguments: [String], in directory: URL? = nil
) throws -> ProgramRun {
  let scratch = try TemporaryDirectory()
  let process = Process()
  process.executableURL = URL(fileURLWithPath: program)
  process.arguments = arguments
  process.currentDirectoryURL = directory
  process.standardInput = FileHandle.nullDevice
  let output = try scratch.openForWriting("stdout")
  let errors = try scratch.openForWriting("stderr")
  process.standardOutput = output
  process.standardError = errors
  try process.run()
  process.waitUntilExit()
  let status = process.terminationStatus
  return ProgramRun(
    status: process.terminationReason == .exit ? status : -status,
    output: String(decoding: try scratch.bytes("stdout"), as: UTF8.self),
    errors: String(decoding: try scratch.bytes("stderr"), as: UTF8.self))
}
