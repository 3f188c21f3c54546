import Foundation
import TestSupport
import Testing

/// A directory with the built command line, for one test.
struct Workbench {
  let directory: TemporaryDirectory
  private let tool: String

  init() throws {
    directory = try TemporaryDirectory()
    tool = try BuiltProduct.path("hitless")
  }

  /// Runs `hitless` in the directory.
  func hitless(_ arguments: String...) throws -> ProgramRun {
    try run(tool, arguments, in: directory.url)
  }

  /// Runs `hitless` and expects success and silence on stderr.
  @discardableResult
  func succeed(_ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation)
    throws -> ProgramRun
  {
    let outcome = try run(tool, arguments, in: directory.url)
    #expect(outcome.status == 0, "\(arguments): \(outcome.errors)", sourceLocation: sourceLocation)
    #expect(outcome.errors == "", sourceLocation: sourceLocation)
    return outcome
  }

  /// Runs `hitless` and expects it to be refused with `code`, in the two-line form, with nothing on
  /// stdout and no file made, changed or left behind.
  @discardableResult
  func refuse(
    _ code: Int32, _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> ProgramRun {
    let before = try snapshot()
    let outcome = try run(tool, arguments, in: directory.url)
    #expect(
      outcome.status == code, "\(arguments): \(outcome.errors)", sourceLocation: sourceLocation)
    let lines = outcome.errors.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.last == "", sourceLocation: sourceLocation)
    #expect(
      lines.first?.hasPrefix("hitless: error: ") == true && lines.count <= 3,
      "\(outcome.errors)", sourceLocation: sourceLocation)
    #expect(
      lines.dropFirst().dropLast().allSatisfy { $0.hasPrefix("hitless: hint: ") },
      "\(outcome.errors)", sourceLocation: sourceLocation)
    if !arguments.contains("--json") {
      #expect(outcome.output == "", sourceLocation: sourceLocation)
    }
    #expect(try snapshot() == before, sourceLocation: sourceLocation)
    return outcome
  }

  /// The one JSON object that a run printed.
  func object(_ outcome: ProgramRun) throws -> [String: Any] {
    try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  /// Makes a named pipe.
  func makePipe(_ name: String) throws {
    #expect(try run("/usr/bin/mkfifo", [directory.path(name)]).status == 0)
  }

  /// Every file with its content; pipes and directories by name.
  private func snapshot() throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for name in try directory.names {
      let attributes = try FileManager.default.attributesOfItem(atPath: directory.path(name))
      let isFile = attributes[.type] as? FileAttributeType == .typeRegular
      files[name] = isFile ? try directory.bytes(name) : []
    }
    return files
  }
}
