internal import Bytes
internal import Glibc
internal import HotSwap
internal import Platform
package import Refusal

/// The helper program that maps and tests a module before the host does.
package struct ModuleProbe: Sendable {
  /// How long the helper may take when nothing else is said.
  package static let defaultTimeout: UInt64 = 10_000_000_000

  /// Where the helper is.
  package let path: String
  /// How long it may take, in nanoseconds.
  package let timeout: UInt64

  /// Names the helper.
  package init(path: String, timeout: UInt64 = defaultTimeout) {
    self.path = path
    self.timeout = timeout
  }

  /// Finds the helper of this installation: where it was said to be, else beside the program, else
  /// where `tools/install` puts it, seen from the program or from the agent's library.
  package static func locate(
    _ configured: String?, library: String?, timeout: UInt64 = defaultTimeout
  ) -> ModuleProbe? {
    if let configured { return ModuleProbe(path: configured, timeout: timeout) }
    var places: [String] = []
    for origin in [library, executable()].compactMap(\.self) {
      let directory = RegularFile.parent(of: origin)
      places += [
        "\(directory)/hitless-probe", "\(directory)/../libexec/hitless-probe",
        "\(directory)/../libexec/hitless/hitless-probe",
      ]
    }
    // SAFETY: the path is NUL-terminated for the call.
    return places.first { unsafe access($0, X_OK) == 0 }.map {
      ModuleProbe(path: $0, timeout: timeout)
    }
  }

  /// Throws unless the helper can be started.
  package func check() throws(Refusal) {
    // SAFETY: the path is NUL-terminated for the call.
    guard unsafe access(path, X_OK) == 0 else {
      throw Refusal(
        .state, "the selftest helper '\(path)' cannot be run", at: path,
        hint: "install hitless-probe, or name it when opening the agent")
    }
  }

  /// Lets the helper map, compare and test the module behind `file`.
  func run(
    _ file: borrowing FileDescriptor, expecting expected: ModuleExpectation, name: String
  ) throws(Refusal) {
    try check()
    let outcome: ChildProcess.Outcome
    do throws(SystemError) {
      outcome = try ChildProcess.run(
        path, [expected.buildID.hex, expected.facts.hex], input: file, timeout: timeout)
    } catch {
      throw error.refusal
    }
    let said = String(decoding: outcome.output.prefix(1024), as: UTF8.self)
    switch outcome.ending {
    case .exited(0): return
    case .exited(let code):
      throw Refusal(
        RefusalClass(rawValue: code) ?? .health, "module '\(name)' did not pass its probe",
        found: said, at: name)
    case .signalled(let signal):
      throw Refusal(
        .health, "module '\(name)' ended its probe with signal \(signal)", found: said, at: name,
        hint:
          "the module crashes when it is mapped or tests itself; nothing of it ran in this process")
    case .timedOut:
      throw Refusal(
        .health, "module '\(name)' did not finish its probe in time",
        expected: "at most \(timeout / 1_000_000) ms", at: name)
    case .unknown:
      throw Refusal(
        .health, "how the probe of module '\(name)' ended is not known", at: name,
        hint: "the host must not ignore or reap the agent's children")
    }
  }

  private static func executable() -> String? {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    // SAFETY: the buffer has as many bytes as are allowed; the pointer stays inside the closure.
    let count = unsafe buffer.withUnsafeMutableBytes { bytes -> Int in
      guard let start = bytes.baseAddress else { return 0 }
      return unsafe readlink("/proc/self/exe", start, bytes.count)
    }
    guard count > 0, count < buffer.count else { return nil }
    return String(decoding: buffer[..<count], as: UTF8.self)
  }
}
