import CFaultTracer
import Glibc
import TestSupport
import Testing

/// A system call of the host, as it is announced.
struct Call {
  let name: String
  /// The first argument: of most calls the descriptor.
  let descriptor: Int32
  /// Whether it opens a file that was there before, maybe.
  let opensOld: Bool
  /// Whether it asks for memory, or changes how memory may be used, and no file is concerned.
  let isMemory: Bool
}

/// What becomes of a call.
enum Fate {
  case made
  /// It fails with this error number and is not made.
  case failed(Int32)
  /// The host is killed in its place.
  case killed
}

/// A `FaultHost` whose every system call on files, memory, sockets and processes is announced first.
///
/// Of the calls for memory those count that the host's own code makes, those of the loader, which tells when it has
/// none, and stacks of threads. The allocator's are made: a process that it has no memory for ends.
///
/// Those of the selftest helper are made without further ado: it is another process, and what it does is the
/// host's to survive, not the helper's.
final class FaultedHost {
  private var process = fault_process()
  private var pending: [UInt8] = []
  private(set) var isDead = false
  /// Where the code lies that may be told that there is no memory.
  private var code: [Range<UInt64>]?

  /// Starts one; a patch that has failed waits for `wait` milliseconds the first time.
  ///
  /// The records of a module that keeps some lie in the file at `records`, or in memory of the agent.
  init(
    _ site: FaultSite, state: String, wait: UInt64 = 30_000, records: String? = nil
  ) throws {
    let program = try BuiltProduct.path("FaultHost")
    let words =
      [
        program, site.kind.rawValue, state, site.module, site.key,
        try BuiltProduct.path("hitless-probe"), "\(wait)",
      ] + (records.map { [$0] } ?? [])
    var vector: [UnsafeMutablePointer<CChar>?] = unsafe []
    for word in words { unsafe vector.append(strdup(word)) }
    unsafe vector.append(nil)
    defer { unsafe vector.forEach { unsafe free($0) } }
    // SAFETY: the vector ends with null and lives until the call has returned.
    let result = unsafe fault_process_start(program, vector, &process)
    guard result == 0 else { throw Failure(description: "cannot filter a program: \(errno)") }
  }

  deinit { kill() }

  func kill() {
    guard !isDead else { return }
    isDead = true
    // SAFETY: the process is ours and was started.
    unsafe fault_process_kill(&process)
  }

  /// Gives one order and returns the answer; nil when the host has ended meanwhile.
  func order(_ words: String, deciding: ((Call) -> Fate)? = nil) throws -> String? {
    let line = Array("\(words)\n".utf8)
    // SAFETY: the pointer is used for the call alone.
    _ = unsafe line.withUnsafeBytes { unsafe write(process.input, $0.baseAddress, $0.count) }
    while !isDead {
      var call = fault_call()
      // SAFETY: both values are ours for the call.
      let event = unsafe fault_process_next(&process, &call, 120_000)
      switch event {
      case FAULT_EVENT_CALL: settle(call, deciding)
      case FAULT_EVENT_OUTPUT: if let line = nextLine() { return line }
      case FAULT_EVENT_END: kill()
      default: throw Failure(description: "the host does not answer '\(words)'")
      }
    }
    return nil
  }

  private func settle(_ call: fault_call, _ deciding: ((Call) -> Fate)?) {
    var call = call
    // SAFETY: the value is ours for the calls.
    let isMemory = unsafe fault_call_is_memory(&call) != 0
    let counts = isOurs(call) && (!isMemory || mayFail(forMemory: call))
    let name = unsafe fault_call_name(call.number).map { unsafe String(cString: $0) } ?? "?"
    let described = Call(
      name: name, descriptor: Int32(truncatingIfNeeded: call.arguments.0),
      opensOld: name == "openat2" && word(at: call.arguments.2) & UInt64(O_EXCL) == 0,
      isMemory: isMemory)
    switch counts ? deciding?(described) ?? .made : .made {
    case .made: answer(call, 0)
    case .failed(let error): answer(call, error)
    case .killed: kill()
    }
  }

  private func isOurs(_ call: fault_call) -> Bool {
    unsafe access("/proc/\(process.process)/task/\(call.thread)", F_OK) == 0
  }

  /// Whether a call for memory is one of those that count, by where it returns to.
  ///
  /// Only where the return address is on the stack; elsewhere none of them counts.
  private func mayFail(forMemory call: fault_call) -> Bool {
    var call = call
    // SAFETY: the value is ours for the call.
    if unsafe fault_call_is_stack(&call) != 0 { return true }
    #if arch(x86_64)
    let text = contents(of: "/proc/\(process.process)/task/\(call.thread)/syscall") ?? []
    // The number, six arguments, the stack pointer, the instruction pointer.
    let fields = String(decoding: text, as: UTF8.self).split(separator: " ")
    guard fields.count >= 8, let stack = UInt64(fields[7].dropFirst(2), radix: 16) else {
      return false
    }
    let caller = word(at: stack)
    return ownCode().contains { $0.contains(caller) }
    #else
    return false
    #endif
  }

  private func ownCode() -> [Range<UInt64>] {
    if let code { return code }
    let maps = contents(of: "/proc/\(process.process)/maps") ?? []
    let found = String(decoding: maps, as: UTF8.self).split(separator: "\n")
      .filter { $0.contains(" r-xp ") && ($0.hasSuffix("/FaultHost") || $0.contains("/ld-")) }
      .compactMap { line -> Range<UInt64>? in
        let bounds = line.prefix { $0 != " " }.split(separator: "-")
          .compactMap { UInt64($0, radix: 16) }
        return bounds.count == 2 ? bounds[0]..<bounds[1] : nil
      }
    code = found
    return found
  }

  private func answer(_ call: fault_call, _ error: Int32) {
    var call = call
    // SAFETY: both values are ours for the call; who was killed meanwhile needs no answer.
    _ = unsafe fault_call_answer(&process, &call, error)
  }

  /// A word of the host's memory: of what an `openat2` points to, its flags.
  private func word(at address: UInt64) -> UInt64 {
    let memory = unsafe open("/proc/\(process.process)/mem", O_RDONLY | O_CLOEXEC)
    defer { close(memory) }
    var word: UInt64 = 0
    // SAFETY: the value has as many bytes as are asked for.
    _ = unsafe pread(memory, &word, 8, off_t(bitPattern: UInt(address)))
    return word
  }

  private func nextLine() -> String? {
    var chunk = [UInt8](repeating: 0, count: 4096)
    // SAFETY: the array has as many bytes as are asked for.
    let count = unsafe read(process.output, &chunk, chunk.count)
    if count > 0 { pending += chunk[..<count] }
    guard let end = pending.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
    defer { pending.removeFirst(end + 1) }
    return String(decoding: pending[..<end], as: UTF8.self)
  }

  /// Where descriptor `number` of the host leads.
  func path(of number: Int32) -> String {
    var buffer = [UInt8](repeating: 0, count: 4096)
    // SAFETY: the buffer has as many bytes as are allowed.
    let count = unsafe buffer.withUnsafeMutableBytes { bytes -> Int in
      guard let start = bytes.baseAddress else { return 0 }
      return unsafe readlink("/proc/\(process.process)/fd/\(number)", start, bytes.count)
    }
    return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
  }

  /// Where all descriptors of the host lead.
  var openFiles: [String] {
    names(in: "/proc/\(process.process)/fd").compactMap { Int32($0) }.sorted().map { path(of: $0) }
  }

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }
}

extension FaultedHost {
  /// Whether the system calls of a program can be announced here: seccomp has user notifications, and nothing
  /// around the tests forbids them.
  static let canFilter: Bool = {
    var process = fault_process()
    var vector: [UnsafeMutablePointer<CChar>?] = unsafe [strdup("/bin/true"), nil]
    defer { unsafe vector.forEach { unsafe free($0) } }
    // SAFETY: the vector ends with null and lives until the call has returned.
    guard unsafe fault_process_start("/bin/true", vector, &process) == 0 else { return false }
    // SAFETY: the process is ours and was started.
    unsafe fault_process_kill(&process)
    return true
  }()
}

extension Trait where Self == ConditionTrait {
  /// Runs only where system calls can be announced.
  static var announcingCalls: Self {
    .enabled(if: FaultedHost.canFilter, "needs user notifications of seccomp")
  }
}
