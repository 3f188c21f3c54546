import Agent
import CFaultLoad
import CHitless
import CMigrationLoad
import Glibc
import Guard
import Refusal
import Staging

/// The host; its only worker is the thread that reads the orders, and idle meanwhile.
@safe
final class Host {
  private let arguments: [String]
  private var agent: Agent?
  private var worker: UnsafeMutablePointer<hitless_worker>?
  /// Books of a host whose module keeps records.
  private(set) var books: Books?
  /// Number of the last event that was looked at.
  var seenEvents: UInt64 = 0

  init(_ arguments: [String]) { self.arguments = arguments }

  func answer(to words: [String]) -> String {
    do throws(Refusal) {
      return "ok \(try obey(words))"
    } catch {
      let hint = error.hint.map { ": \($0)" } ?? ""
      return "refused \(error.kind.rawValue) \(error.message)\(hint)"
    }
  }

  func say(_ line: String) {
    let bytes = Array("\(line)\n".utf8)
    // SAFETY: the pointer is used for the call alone.
    _ = unsafe bytes.withUnsafeBytes { unsafe write(STDOUT_FILENO, $0.baseAddress, $0.count) }
  }

  private func obey(_ words: [String]) throws(Refusal) -> String {
    switch words.first {
    case "prepare": if isLedger { books = try Books(at: arguments.dropFirst(7).first) }
    case "open": agent = try startAgent()
    case "register": try register()
    case "start":
      agent = try startAgent()
      try register()
    case "install": _ = try running().install(patch: patch(words[1]))
    case "activate": _ = try running().activate(try running().currentTransaction())
    case "confirm": try running().confirm(try running().currentTransaction())
    case "rollback": try running().rollback(try running().currentTransaction())
    case "freeze": _ = try running().freeze(reason: "a test", by: .host)
    case "hold": _ = try running().freeze(module: words[1], reason: "a test", by: .host)
    case "release": try running().release(by: .host)
    case "pardon": _ = try running().release(patch: words[1], by: .host)
    case "close": try close()
    case .some(let word):
      if let answer = try tryOut(word, words.dropFirst().first) { return answer }
      return try look(word)
    case nil: throw Refusal(.usage, "no order")
    }
    return ""
  }

  /// What can be asked.
  private func look(_ word: String) throws(Refusal) -> String {
    switch word {
    case "frozen":
      let isHeld = try running().metrics().contains("\nhitless_frozen_modules 1\n")
      return "\(try running().status().isFrozen || isHeld)"
    case "result": return "\(try result())"
    case "descriptors": return "\(try descriptors())"
    case "rollbacks": return "\(try running().status().counters.rollbacks)"
    case "books": return "\(try unsafe asWorker { unsafe books?.flaws($0) ?? 0 })"
    default: throw Refusal(.usage, "no such order")
    }
  }

  func running() throws(Refusal) -> Agent {
    guard let agent else { throw Refusal(.state, "not started") }
    return agent
  }

  private var isLedger: Bool { arguments[1] == "ledger" }

  private func register() throws(Refusal) {
    let worker = unsafe try running().registerWorker(name: "worker")
    unsafe hitless_idle(worker)
    unsafe self.worker = worker
  }

  private func startAgent() throws(Refusal) -> Agent {
    var options = AgentOptions(stateDirectory: arguments[2])
    options.trustKeys = [arguments[4]]
    options.probe = arguments[5]
    // A thread of its own would make system calls in the middle of those that are counted.
    options.golden.interval = 0
    options.breaker.wait = (UInt64(arguments[6]) ?? 0) * 1_000_000
    // Announced calls take their time, and so may whoever else uses this machine.
    options.probeTimeout = 100_000_000_000
    // Where every call is tried, a life that begins after early ends is begun for hours.
    options.earlyEndWindow = 86_400_000_000_000
    options.guarding.batchBudget = 10_000_000_000
    if arguments[1] == "always" { options.guarding.mode = .always }
    let agent = try Agent(options)
    _ = try agent.defineSlot(SlotOptions(slot, module: arguments[3]))
    if let books { _ = try agent.defineStates(try books.definition()) }
    try agent.defineShadow(try unsafe ShadowHost(fault_load_shadow()))
    try agent.start()
    return agent
  }

  private var slot: SlotRequirement {
    isLedger
      ? SlotRequirement(name: "ledger", interfaceID: 7, interfaceVersion: 1, tableSize: 24)
      : SlotRequirement(name: "alpha", interfaceID: 0x61, interfaceVersion: 1, tableSize: 16)
  }

  private func close() throws(Refusal) {
    if let worker = unsafe worker {
      unsafe try running().unregisterWorker(worker)
      unsafe self.worker = nil
    }
    try running().close()
  }

  /// Runs `body` with the worker, which is not idle meanwhile.
  func asWorker<Value>(
    _ body: (UnsafeMutablePointer<hitless_worker>) throws(Refusal) -> Value
  ) throws(Refusal) -> Value {
    guard let worker = unsafe worker else { throw Refusal(.state, "not started") }
    unsafe hitless_resume(worker)
    defer { unsafe hitless_idle(worker) }
    return unsafe try body(worker)
  }

  /// What the module in force makes of 10; of one that keeps records, the layout that it knows.
  private func result() throws(Refusal) -> Int32 {
    typealias Answer = @convention(c) (Int32) -> Int32
    return unsafe try asWorker { worker in
      guard let table = unsafe hitless_table(hitless_enter(worker), 0) else { return -1 }
      // SAFETY: the table of the ledger starts so.
      if isLedger {
        return unsafe Int32(table.assumingMemoryBound(to: load_table.self).pointee.version)
      }
      // SAFETY: the table of TestModule starts with this function.
      return unsafe table.assumingMemoryBound(to: Answer.self).pointee(10)
    }
  }

  private func patch(_ path: String) throws(Refusal) -> [UInt8] {
    guard let file = unsafe fopen(path, "rb") else { throw Refusal(.io, "no patch") }
    // SAFETY: the file is open until the defer at the end of this scope.
    defer { _ = unsafe fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    // SAFETY: the array has as many bytes as are asked for.
    let count = unsafe fread(&bytes, 1, bytes.count, file)
    return Array(bytes[..<count])
  }

  private func descriptors() throws(Refusal) -> Int {
    guard let stream = unsafe opendir("/proc/self/fd") else { throw Refusal(.io, "no /proc") }
    // SAFETY: the stream is open until the defer at the end of this scope.
    defer { _ = unsafe closedir(stream) }
    var count = 0
    while unsafe readdir(stream) != nil { count += 1 }
    return count
  }
}
