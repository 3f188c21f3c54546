// swift-format-ignore-file: AlwaysUseLowerCamelCase
internal import Agent
public import CHitless
internal import Probation
internal import Refusal

// The C ABI of hitless/host.h. Each function checks its pointers and sizes, translates, calls the agent
// and translates back; a refusal becomes its class, with the details kept for `hitless_error_read`.

/// See hitless/host.h.
@c @implementation
public func hitless_agent_open(
  _ options: UnsafePointer<hitless_agent_options>!, _ agent: UnsafeMutablePointer<OpaquePointer?>!
) -> hitless_status {
  answering { () throws(Refusal) in
    let options = unsafe try required(options, "options")
    let result = unsafe try required(agent, "agent")
    let opened = try Agent(unsafe AgentOptions(reading: options))
    unsafe result.pointee = AgentHandle.make(opened)
  }
}

/// See hitless/host.h.
@c @implementation
public func hitless_slot_define(
  _ agent: OpaquePointer!, _ options: UnsafePointer<hitless_slot_options>!,
  _ slot: UnsafeMutablePointer<UInt32>!
) -> hitless_status {
  answering { () throws(Refusal) in
    let agent = unsafe try AgentHandle.agent(agent)
    let options = unsafe try required(options, "options")
    let result = unsafe try required(slot, "slot")
    unsafe result.pointee = try agent.defineSlot(unsafe SlotOptions(reading: options))
  }
}

/// See hitless/host.h.
@c @implementation
public func hitless_signal_define(
  _ agent: OpaquePointer!, _ name: UnsafePointer<CChar>!, _ kind: Int32,
  _ signal: UnsafeMutablePointer<UInt32>!
) -> hitless_status {
  answering { () throws(Refusal) in
    let agent = unsafe try AgentHandle.agent(agent)
    let result = unsafe try required(signal, "signal")
    let name = unsafe try text(required(name, "name"), "name")
    unsafe result.pointee = try agent.defineSignal(name, SignalKind(reading: kind))
  }
}

/// See hitless/host.h.
@c @implementation
public func hitless_agent_start(_ agent: OpaquePointer!) -> hitless_status {
  answering { () throws(Refusal) in try unsafe AgentHandle.agent(agent).start() }
}

/// See hitless/host.h.
@c @implementation
public func hitless_agent_close(_ agent: OpaquePointer!) -> hitless_status {
  answering { () throws(Refusal) in
    try unsafe AgentHandle.agent(agent).close()
    unsafe AgentHandle.release(agent)
  }
}

/// See hitless/host.h.
@c @implementation
public func hitless_worker_register(
  _ agent: OpaquePointer!, _ name: UnsafePointer<CChar>!,
  _ worker: UnsafeMutablePointer<UnsafeMutablePointer<hitless_worker>?>!
) -> hitless_status {
  answering { () throws(Refusal) in
    let agent = unsafe try AgentHandle.agent(agent)
    let result = unsafe try required(worker, "worker")
    let name = unsafe try text(required(name, "name"), "name")
    unsafe result.pointee = try agent.registerWorker(name: name)
  }
}

/// See hitless/host.h.
@c @implementation
public func hitless_worker_unregister(
  _ agent: OpaquePointer!, _ worker: UnsafeMutablePointer<hitless_worker>!
) -> hitless_status {
  answering { () throws(Refusal) in
    let worker = unsafe try required(worker, "worker")
    unsafe try AgentHandle.agent(agent).unregisterWorker(worker)
  }
}

/// See hitless/host.h.
@c @implementation
public func hitless_patch_install(
  _ agent: OpaquePointer!, _ bytes: UnsafeRawPointer!, _ count: Int,
  _ transaction: UnsafeMutablePointer<UInt64>!
) -> hitless_status {
  answering { () throws(Refusal) in
    let agent = unsafe try AgentHandle.agent(agent)
    let start = unsafe try required(bytes, "bytes")
    let result = unsafe try required(transaction, "transaction")
    guard count >= 0 else { throw Refusal(.usage, "'count' is over the largest patch") }
    // SAFETY: the caller promises `count` readable bytes; they are copied once, here.
    let patch = unsafe [UInt8](UnsafeRawBufferPointer(start: start, count: count))
    unsafe result.pointee = try agent.install(patch: patch)
  }
}

/// See hitless/host.h.
@c @implementation
public func hitless_patch_activate(
  _ agent: OpaquePointer!, _ transaction: UInt64
) -> hitless_status {
  answering { () throws(Refusal) in
    _ = try unsafe AgentHandle.agent(agent).activate(transaction)
  }
}

/// See hitless/host.h.
@c @implementation
public func hitless_patch_rollout(
  _ agent: OpaquePointer!, _ transaction: UInt64,
  _ activation: UnsafePointer<hitless_activation>!
) -> hitless_status {
  answering { () throws(Refusal) in
    let agent = unsafe try AgentHandle.agent(agent)
    guard let activation = unsafe activation else {
      _ = try agent.activate(transaction)
      return
    }
    let wanted = try unsafe hitless_activation(copying: activation)
    let plan = try unsafe RolloutPlan(reading: wanted, confirmTimeout: agent.confirmTimeout)
    let eager = unsafe wanted.eager_records
    _ = try agent.activate(
      transaction, plan, shadow: unsafe ShadowPlan(reading: wanted),
      eagerRecords: eager > 0 ? eager : nil)
  }
}

/// See hitless/host.h.
@c @implementation
public func hitless_patch_confirm(
  _ agent: OpaquePointer!, _ transaction: UInt64
) -> hitless_status {
  answering { () throws(Refusal) in
    try unsafe AgentHandle.agent(agent).confirm(transaction)
  }
}

/// See hitless/host.h.
@c @implementation
public func hitless_patch_rollback(
  _ agent: OpaquePointer!, _ transaction: UInt64
) -> hitless_status {
  answering { () throws(Refusal) in
    try unsafe AgentHandle.agent(agent).rollback(transaction, detail: "asked for by the host")
  }
}

/// See hitless/host.h.
@c @implementation
public func hitless_agent_status_read(
  _ agent: OpaquePointer!, _ status: UnsafeMutablePointer<hitless_agent_status>!
) -> hitless_status {
  answering { () throws(Refusal) in
    let agent = unsafe try AgentHandle.agent(agent)
    let result = unsafe try required(status, "status")
    let size = unsafe result.pointee.size
    // Where the first version of the struct ended.
    let least = MemoryLayout<hitless_agent_status>.offset(of: \.faults)
    try requireSize(size, atLeast: least ?? MemoryLayout<hitless_agent_status>.size, "status")
    var status = hitless_agent_status(agent.status(), size: size)
    unsafe withUnsafeBytes(of: &status) { bytes in
      // SAFETY: the host promises `size` bytes, and no more than this struct has are written.
      unsafe UnsafeMutableRawPointer(result).copyMemory(
        from: bytes.baseAddress ?? UnsafeRawPointer(result), byteCount: min(bytes.count, Int(size)))
    }
  }
}

/// See hitless/host.h.
@c @implementation
public func hitless_event_next(
  _ agent: OpaquePointer!, _ after: UInt64, _ timeout_ns: UInt64,
  _ event: UnsafeMutablePointer<hitless_event>!
) -> hitless_status {
  answering { () throws(Refusal) in
    let agent = unsafe try AgentHandle.agent(agent)
    let result = unsafe try required(event, "event")
    try unsafe requireSize(result.pointee.size, of: hitless_event.self, "event")
    guard let next = agent.nextEvent(after: after, timeout: timeout_ns) else {
      throw Refusal(.state, "no event came after number \(after) in the time given")
    }
    unsafe result.pointee = hitless_event(next, size: result.pointee.size)
  }
}

/// See hitless/host.h.
@c @implementation
public func hitless_error_read(_ buffer: UnsafeMutablePointer<CChar>!, _ capacity: Int) -> Int {
  unsafe copyText(LastRefusal.json, to: buffer, capacity)
}
