// swift-format-ignore-file: AlwaysUseLowerCamelCase
internal import Agent
public import CHitless
internal import Refusal

/// See hitless/host.h.
@c @implementation
public func hitless_agent_freeze(
  _ agent: OpaquePointer!, _ reason: UnsafePointer<CChar>!
) -> hitless_status {
  answering { () throws(Refusal) in
    let agent = unsafe try AgentHandle.agent(agent)
    let reason = unsafe try optional(reason, "reason") ?? "asked for by the host"
    _ = try agent.freeze(reason: reason, by: .host)
  }
}

/// See hitless/host.h.
@c @implementation
public func hitless_agent_release(
  _ agent: OpaquePointer!, _ patch: UnsafePointer<CChar>!
) -> hitless_status {
  answering { () throws(Refusal) in
    let agent = unsafe try AgentHandle.agent(agent)
    guard let patch = unsafe try optional(patch, "patch") else {
      return try agent.release(by: .host)
    }
    _ = try agent.release(patch: patch, by: .host)
  }
}

/// See hitless/host.h.
@c @implementation
public func hitless_module_freeze(
  _ agent: OpaquePointer!, _ module: UnsafePointer<CChar>!, _ reason: UnsafePointer<CChar>!
) -> hitless_status {
  answering { () throws(Refusal) in
    let agent = unsafe try AgentHandle.agent(agent)
    let module = unsafe try text(required(module, "module"), "module")
    let reason = unsafe try optional(reason, "reason") ?? "asked for by the host"
    _ = try agent.freeze(module: module, reason: reason, by: .host)
  }
}

/// See hitless/host.h.
@c @implementation
public func hitless_module_release(
  _ agent: OpaquePointer!, _ module: UnsafePointer<CChar>!
) -> hitless_status {
  answering { () throws(Refusal) in
    let agent = unsafe try AgentHandle.agent(agent)
    try agent.release(module: unsafe try text(required(module, "module"), "module"), by: .host)
  }
}

/// See hitless/host.h.
@c @implementation
public func hitless_breaker_define(
  _ agent: OpaquePointer!, _ module: UnsafePointer<CChar>!, _ mode: Int32
) -> hitless_status {
  answering { () throws(Refusal) in
    let agent = unsafe try AgentHandle.agent(agent)
    let module = unsafe try text(required(module, "module"), "module")
    try agent.defineBreaker(of: module, isMetricsOnly: try isMetricsOnly(mode, "mode"))
  }
}

/// See hitless/host.h.
@c @implementation
public func hitless_metrics_read(
  _ agent: OpaquePointer!, _ buffer: UnsafeMutablePointer<CChar>!, _ capacity: Int
) -> Int {
  do throws(Refusal) {
    try requireOwnProcess()
    return unsafe copyText(try AgentHandle.agent(agent).metrics(), to: buffer, capacity)
  } catch {
    LastRefusal.keep(error)
    return unsafe copyText("", to: buffer, capacity)
  }
}
