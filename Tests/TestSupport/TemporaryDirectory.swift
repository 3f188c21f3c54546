package import Foundation

/// A directory of one test, removed with everything in it when the last reference ends.
package final class TemporaryDirectory: Sendable {
  /// Where it is.
  package let url: URL

  /// Creates an empty directory.
  package init() throws {
    url = FileManager.default.temporaryDirectory
      .appendingPathComponent("hitless-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  /// Its absolute path.
  package var path: String { url.path }

  /// The path of the file `name` in it.
  package func path(_ name: String) -> String { url.appendingPathComponent(name).path }

  /// Writes a file and returns its path.
  @discardableResult
  package func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    try Data(bytes).write(to: url.appendingPathComponent(name))
    return path(name)
  }

  /// The content of a file.
  package func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: url.appendingPathComponent(name)))
  }

  /// The names of what is in it, sorted.
  package var names: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: url.path).sorted() }
  }

  func openForWriting(_ name: String) throws -> FileHandle {
    try write(name, [])
    return try FileHandle(forWritingTo: url.appendingPathComponent(name))
  }
}
