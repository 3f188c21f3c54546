internal import Foundation
internal import Glibc
internal import Platform
internal import Refusal

/// One running `upfd`.
///
/// Threading: one thread at a time.
final class UPFProcess {
  private let process = Process()

  /// Starts it; what it says goes to the file `log`.
  init(_ path: String, _ arguments: [String], log: String) throws(SystemError) {
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    _ = FileManager.default.createFile(atPath: log, contents: nil)
    let output = FileHandle(forWritingAtPath: log)
    process.standardOutput = output
    process.standardError = output
    do {
      try process.run()
    } catch {
      throw SystemError("start", ENOENT, path)
    }
    Leftovers.add(process.processIdentifier)
  }

  deinit {
    kill()
    Leftovers.remove(process.processIdentifier)
  }

  var isRunning: Bool { process.isRunning }

  /// Asks it to end, as an operator does.
  func end() { process.terminate() }

  /// Ends it at once.
  func kill() {
    guard process.isRunning else { return }
    _ = Glibc.kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }
}

/// A directory that goes away with everything in it.
final class ScratchDirectory: Sendable {
  private let url: URL

  init() throws(Refusal) {
    url = FileManager.default.temporaryDirectory
      .appendingPathComponent("hitless-bench-\(UUID().uuidString)")
    do {
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
    } catch {
      throw Refusal(.io, "no temporary directory: \(error)")
    }
    Leftovers.add(url)
  }

  deinit {
    try? FileManager.default.removeItem(at: url)
    Leftovers.remove(url)
  }

  /// The path of the file `name` in it.
  func path(_ name: String) -> String { url.appendingPathComponent(name).path }

  /// Writes a file.
  func write(_ name: String, _ text: String) throws(SystemError) {
    do {
      try Data(text.utf8).write(to: url.appendingPathComponent(name))
    } catch {
      throw SystemError("write", EIO, path(name))
    }
  }
}
