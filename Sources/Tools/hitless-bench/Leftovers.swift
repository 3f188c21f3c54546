internal import Dispatch
internal import Foundation
internal import Glibc
internal import Platform

/// What has to go when the benchmark is ended in the middle: daemons would go on, on processors that the next one
/// measures.
enum Leftovers {
  private static let processes = Guarded(Set<pid_t>())
  private static let directories = Guarded(Set<URL>())

  static func add(_ process: pid_t) { processes.withLock { _ = $0.insert(process) } }
  static func remove(_ process: pid_t) { processes.withLock { _ = $0.remove(process) } }
  static func add(_ directory: URL) { directories.withLock { _ = $0.insert(directory) } }
  static func remove(_ directory: URL) { directories.withLock { _ = $0.remove(directory) } }

  /// Lets SIGINT, SIGTERM and SIGHUP take all that away, and then end the program as they do.
  static func goWithProgram() {
    for number in [SIGINT, SIGTERM, SIGHUP] {
      // Who ignores it, as under nohup, goes on doing so.
      guard unsafe unsafeBitCast(signal(number, SIG_IGN), to: Int.self) != 1 else { continue }
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        for process in processes.withLock({ $0 }) { kill(process, SIGKILL) }
        for directory in directories.withLock({ $0 }) {
          try? FileManager.default.removeItem(at: directory)
        }
        signal(number, SIG_DFL)
        kill(getpid(), number)
      }
      source.resume()
      // It lives as long as the program.
      _ = unsafe Unmanaged.passRetained(source as AnyObject)
    }
  }
}
