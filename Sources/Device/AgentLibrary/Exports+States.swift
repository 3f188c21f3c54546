// swift-format-ignore-file: AlwaysUseLowerCamelCase
internal import Agent
public import CHitless
internal import HotSwap
internal import Refusal

/// See hitless/state.h.
@c @implementation
public func hitless_state_define(
  _ agent: OpaquePointer!, _ options: UnsafePointer<hitless_state_options>!,
  _ table: UnsafeMutablePointer<UInt32>!
) -> hitless_status {
  answering { () throws(Refusal) in
    let agent = unsafe try AgentHandle.agent(agent)
    let options = unsafe try required(options, "options")
    let result = unsafe try required(table, "table")
    unsafe result.pointee = try agent.defineStates(unsafe StateDefinition(reading: options))
  }
}

/// See hitless/state.h.
@c @implementation
public func hitless_state_clear(
  _ agent: OpaquePointer!, _ table: UInt32, _ record: UInt64
) -> hitless_status {
  answering { () throws(Refusal) in
    try unsafe AgentHandle.agent(agent).clearState(table: table, record: record)
  }
}

extension StateDefinition {
  /// What a host defines; the schemas and the name are copied.
  fileprivate init(reading pointer: UnsafePointer<hitless_state_options>) throws(Refusal) {
    let size = unsafe pointer.pointee.size
    try unsafe requireSize(size, of: hitless_state_options.self, "options")
    let options = unsafe pointer.pointee
    let count = unsafe options.schema_count
    guard count <= UInt32(HITLESS_SCHEMAS_MAX) else {
      throw Refusal(
        .limit, "'schemas' has \(count) entries, at most \(HITLESS_SCHEMAS_MAX) are allowed")
    }
    let list = unsafe try required(options.schemas, "schemas")
    // SAFETY: the host promises `schema_count` entries.
    let schemas = (0..<Int(count)).map {
      Schema(id: unsafe list[$0].id, size: unsafe list[$0].size)
    }
    try unsafe self.init(
      name: text(required(options.name, "name"), "name"), schemas: schemas,
      count: options.count, records: options.records)
  }
}
