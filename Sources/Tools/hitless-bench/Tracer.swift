internal import ArgumentParser
internal import CPathBench
internal import Foundation
internal import Glibc
internal import Refusal

/// Another process that stops this one's workers to change their code, as userspace live patching does.
///
/// Threading: one thread at a time.
final class Tracer: @unchecked Sendable {
  private let process = Process()
  private let orders = Pipe()
  private let answers = Pipe()

  /// Starts it; it waits for orders.
  init() throws(Refusal) {
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = [TraceCommand.configuration.commandName ?? ""]
    process.standardInput = orders
    process.standardOutput = answers
    do {
      try process.run()
    } catch {
      throw Refusal(.io, "the tracing process cannot be started: \(error)")
    }
    crew_allow_tracer(process.processIdentifier)
  }

  /// Gives one order and waits until it is carried out; an error number, or 0.
  func obey(_ order: crew_order) -> Int32 {
    var order = order
    // SAFETY: the order lives for the call.
    return unsafe crew_swap_by_tracer(
      orders.fileHandleForWriting.fileDescriptor, answers.fileHandleForReading.fileDescriptor,
      &order)
  }

  /// Ends it.
  func stop() {
    try? orders.fileHandleForWriting.close()
    process.waitUntilExit()
  }
}

/// `hitless-bench trace-threads`: what the tracing process runs.
struct TraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace-threads", abstract: "Obeys 'swap', which starts it.", shouldDisplay: false)

  func run() throws {
    crew_trace(STDIN_FILENO, STDOUT_FILENO)
  }
}
