internal import Agent
internal import CHitless
internal import Guard
internal import Platform
internal import Refusal
internal import Staging

extension AgentOptions {
  /// Reads a host's options; whatever they point to is copied.
  init(reading pointer: UnsafePointer<hitless_agent_options>) throws(Refusal) {
    let options = unsafe try hitless_agent_options(copying: pointer)
    guard unsafe options.abi_version == HITLESS_ABI_VERSION else {
      throw Refusal(
        .unsupported, "the host was built for another contract",
        expected: "ABI version \(HITLESS_ABI_VERSION)", found: "\(unsafe options.abi_version)")
    }
    let directory = try unsafe required(options.state_directory, "state_directory")
    self.init(stateDirectory: unsafe try text(directory, "state_directory"))
    controlSocket = unsafe try optional(options.control_socket, "control_socket")
    trustKeys = unsafe try list(options.trust_keys, options.trust_key_count, "trust_keys")
    trustThreshold = max(1, Int(unsafe options.trust_threshold))
    product = unsafe try optional(options.product, "product")
    probe = unsafe try optional(options.probe, "probe")
    library = LibraryLocation.path
    allowedImports = unsafe try list(
      options.allowed_imports, options.allowed_import_count, "allowed_imports")
    instance = unsafe try optional(options.instance, "instance") ?? instance
    if unsafe options.grace_timeout_ns > 0 { graceTimeout = unsafe options.grace_timeout_ns }
    confirmTimeout = unsafe duration(options.confirm_timeout_ns, or: confirmTimeout)
    if unsafe options.probe_timeout_ns > 0 { probeTimeout = unsafe options.probe_timeout_ns }
    threads = unsafe try ThreadPlacement(options)
    sequenceFloor = unsafe options.sequence_floor
    guarding = unsafe try GuardOptions(options)
    unsafe readEarlyEnds(options)
    unsafe try readProtection(options)
    guard let write = unsafe options.log else { return }
    let sink = unsafe LogSink(write: write, context: options.log_context)
    log = { level, message in sink.send(level, message) }
  }
}

extension hitless_agent_options {
  /// The options as this library knows them: fields that the host's headers did not have yet are zero.
  init(copying pointer: UnsafePointer<hitless_agent_options>) throws(Refusal) {
    let size = unsafe pointer.pointee.size
    // Where the first version of the struct ended.
    let least = unsafe MemoryLayout<Self>.offset(of: \.agent_processors) ?? MemoryLayout<Self>.size
    try requireSize(size, atLeast: least, "options")
    unsafe self.init()
    unsafe withUnsafeMutableBytes(of: &self) { bytes in
      let count = min(bytes.count, Int(size))
      // SAFETY: the host promises `size` bytes, and no more than this struct has are copied.
      unsafe bytes.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: count))
    }
  }
}

extension GuardOptions {
  /// What the host says about the guard.
  fileprivate init(_ options: hitless_agent_options) throws(Refusal) {
    self.init()
    let named = unsafe options.guard_mode
    guard let mode = GuardMode(rawValue: named) else {
      throw Refusal(.usage, "'guard_mode' is none of HITLESS_GUARD_…", found: "\(named)")
    }
    self.mode = mode
    if unsafe options.batch_budget_ns > 0 { batchBudget = unsafe options.batch_budget_ns }
    if unsafe options.guard_signal != 0 { signal = unsafe options.guard_signal }
    guard Self.signals.contains(signal) else {
      throw Refusal(
        .usage, "'guard_signal' is no signal of the host's", expected: "\(Self.signals)",
        found: "\(signal)")
    }
  }
}

extension ThreadPlacement {
  /// What the host says about the agent's threads.
  fileprivate init(_ options: hitless_agent_options) throws(Refusal) {
    let count = unsafe options.agent_processor_count
    guard count <= listLimit else {
      throw Refusal(
        .limit, "'agent_processors' has \(count) entries, at most \(listLimit) are allowed")
    }
    self.init()
    if unsafe options.agent_nice != 0 { nice = unsafe options.agent_nice }
    guard count > 0 else { return }
    let pointer = unsafe try required(options.agent_processors, "agent_processors")
    for index in 0..<Int(count) {
      // SAFETY: the host promises `count` entries.
      processors.append(Int32(clamping: unsafe pointer[index]))
    }
  }
}

/// The host's log function.
///
/// Threading: the contract of `hitless_agent_options.log` says that any agent thread may call it.
@safe
private struct LogSink: @unchecked Sendable {
  typealias Write =
    @convention(c) (UnsafeMutableRawPointer?, Int32, UnsafePointer<CChar>?) -> Void

  private let write: Write
  private let context: UnsafeMutableRawPointer?

  init(write: @escaping Write, context: UnsafeMutableRawPointer?) {
    unsafe self.write = write
    unsafe self.context = unsafe context
  }

  func send(_ level: Int32, _ message: String) {
    // SAFETY: the string is NUL-terminated and lives for the call.
    unsafe message.withCString { unsafe write(context, level, $0) }
  }
}

extension SlotOptions {
  /// Reads a host's slot; whatever it points to is copied, but for the control pointer.
  init(reading pointer: UnsafePointer<hitless_slot_options>) throws(Refusal) {
    try unsafe requireSize(pointer.pointee.size, of: hitless_slot_options.self, "options")
    let options = unsafe pointer.pointee
    let name = unsafe try text(required(options.name, "name"), "name")
    let module = unsafe try text(required(options.module, "module"), "module")
    self.init(
      SlotRequirement(
        name: name, interfaceID: unsafe options.interface_id,
        interfaceVersion: unsafe options.interface_version,
        tableSize: unsafe options.table_size),
      module: module, control: unsafe ControlContext(options.control))
  }
}

extension hitless_agent_status {
  init(_ status: AgentStatus, size: UInt32) {
    self.init()
    self.size = size
    slot_count = UInt32(clamping: status.slotCount)
    worker_count = UInt32(clamping: status.workerCount)
    transaction_state = status.transactionState.rawValue
    transaction = status.transaction
    stable_generation = status.stableGeneration
    candidate_generation = status.candidateGeneration
    activations = status.counters.activations
    confirmations = status.counters.confirmations
    rollbacks = status.counters.rollbacks
    refusals = status.counters.refusals
    last_publish_ns = status.lastSwap?.publishNanoseconds ?? 0
    last_grace_ns = status.lastSwap?.graceNanoseconds ?? 0
    overdue_generations = UInt64(clamping: status.overdueGenerations)
    faults = status.counters.faults
    shadow_compared = status.shadow.compared
    shadow_skipped = status.shadow.skipped
    shadow_divergences = status.shadow.divergences
  }
}

extension hitless_event {
  init(_ event: AgentEvent, size: UInt32) {
    self.init()
    self.size = size
    status = event.refusal?.rawValue ?? 0
    number = event.number
    time_ns = event.time
    transaction = event.transaction
    unsafe withUnsafeMutableBytes(of: &kind) { unsafe $0.fill(with: event.kind) }
    unsafe withUnsafeMutableBytes(of: &detail) { unsafe $0.fill(with: event.detail) }
  }
}

extension UnsafeMutableRawBufferPointer {
  /// Copies as much of `text` as fits, cut between characters, and a NUL.
  fileprivate func fill(with text: String) {
    var bytes: [UInt8] = []
    for character in text {
      guard bytes.count + character.utf8.count < count else { break }
      bytes += character.utf8
    }
    unsafe copyBytes(from: bytes + [0])
  }
}

/// A C string as text; nil for null.
func optional(
  _ pointer: UnsafePointer<CChar>?, _ name: String
) throws(Refusal) -> String? {
  guard let pointer = unsafe pointer else { return nil }
  return unsafe try text(pointer, name)
}

/// Most entries of a list that a host hands over.
private let listLimit: UInt32 = 1024

private func list(
  _ pointer: UnsafePointer<UnsafePointer<CChar>?>?, _ count: UInt32, _ name: String
) throws(Refusal) -> [String] {
  guard count > 0 else { return [] }
  guard count <= listLimit else {
    throw Refusal(.limit, "'\(name)' has \(count) entries, at most \(listLimit) are allowed")
  }
  let pointer = unsafe try required(pointer, name)
  var entries: [String] = []
  for index in 0..<Int(count) {
    // SAFETY: the host promises `count` entries.
    entries.append(unsafe try text(required(pointer[index], name), name))
  }
  return entries
}
