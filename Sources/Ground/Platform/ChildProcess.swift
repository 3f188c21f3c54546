internal import CPlatform
internal import Glibc

/// A helper program that is run to its end, under a deadline.
package enum ChildProcess {
  /// How the child ended.
  package enum Ending: Equatable, Sendable {
    /// It returned this code.
    case exited(Int32)
    /// This signal ended it.
    case signalled(Int32)
    /// It was killed because its time was up.
    case timedOut
    /// The host ignores SIGCHLD or reaped the child itself; the code is lost.
    case unknown
  }

  /// What a finished child leaves.
  package struct Outcome: Equatable, Sendable {
    /// How it ended.
    package let ending: Ending
    /// The first bytes of its standard output and error.
    package let output: [UInt8]
  }

  /// Most bytes of output that are kept; what follows is read and dropped.
  package static let outputLimit = 1 << 16

  /// Runs `path` with `arguments`, an empty environment, and `input` as its descriptor 3.
  ///
  /// Never a fork: the child is spawned, so that the pages of a large host are not copied on write.
  /// When this returns, the child is gone and reaped.
  ///
  /// Threading: any thread but a worker's packet path; blocks until the child ends or `timeout`
  /// nanoseconds have passed.
  package static func run(
    _ path: String, _ arguments: [String], input: borrowing FileDescriptor,
    timeout: UInt64
  ) throws(SystemError) -> Outcome {
    let deadline = Deadline.after(timeout)
    let pipe = try Pipe.make(path)
    // Out of the way of the numbers that the child is given, whatever the host has closed.
    let passed = try input.duplicate(least: 10)
    let process = try spawn(path, arguments, input: passed.number, output: pipe.writing.number)
    let reading = pipe.closeWriting()
    do throws(SystemError) {
      let watch = hitless_shim_process_open(process)
      guard watch >= 0 else { throw SystemError.last("pidfd_open", path) }
      let ended = FileDescriptor(owning: watch)
      let output = try collect(from: reading, until: ended, deadline)
      guard try ended.waitReadable(deadline) else {
        _ = reap(process)
        return Outcome(ending: .timedOut, output: output)
      }
      return Outcome(ending: reap(process), output: output)
    } catch {
      _ = reap(process)
      throw error
    }
  }

  private static func spawn(
    _ path: String, _ arguments: [String], input: Int32, output: Int32
  ) throws(SystemError) -> pid_t {
    var process: pid_t = 0
    var vector: [UnsafeMutablePointer<CChar>?] = unsafe []
    for argument in [path] + arguments { unsafe vector.append(strdup(argument)) }
    unsafe vector.append(nil)
    defer { unsafe vector.forEach { unsafe free($0) } }
    let environment: [UnsafeMutablePointer<CChar>?] = unsafe [nil]
    // SAFETY: both vectors end with null and live until the call has returned.
    let error = unsafe hitless_shim_spawn(path, vector, environment, input, output, &process)
    guard error == 0 else { throw SystemError("spawn", error, path) }
    return process
  }

  private static func collect(
    from reading: borrowing FileDescriptor, until ended: borrowing FileDescriptor,
    _ deadline: Deadline
  ) throws(SystemError) -> [UInt8] {
    var output: [UInt8] = []
    while try reading.waitReadable(deadline, or: ended) {
      let chunk = try reading.readAvailable(1 << 12, from: "the child's output")
      guard !chunk.isEmpty else { break }
      output += chunk.prefix(outputLimit - output.count)
    }
    return output
  }

  /// Ends the child's process group and reaps the child.
  ///
  /// The kill comes first: as long as the child is not reaped, its number is nobody else's.
  private static func reap(_ process: pid_t) -> Ending {
    _ = kill(-process, SIGKILL)
    let status = hitless_shim_process_reap(process)
    guard status >= 0 else { return .unknown }
    return status >= 256 ? .signalled(status - 256) : .exited(status)
  }
}

/// The two ends of a pipe, numbered out of the way of a child's standard descriptors.
private struct Pipe: ~Copyable {
  let reading: FileDescriptor
  let writing: FileDescriptor

  static func make(_ subject: String) throws(SystemError) -> Pipe {
    var numbers: [Int32] = [-1, -1]
    // SAFETY: the array has room for two descriptors.
    guard unsafe hitless_shim_pipe(&numbers) == 0 else { throw SystemError.last("pipe", subject) }
    let first = FileDescriptor(owning: numbers[0])
    let second = FileDescriptor(owning: numbers[1])
    let reading = try first.duplicate(least: 10)
    return Pipe(reading: reading, writing: try second.duplicate(least: 10))
  }

  consuming func closeWriting() -> FileDescriptor { reading }
}
