// swift-format-ignore-file: AlwaysUseLowerCamelCase
internal import Agent
public import CHitless
internal import Guard
internal import Probation
internal import Refusal

/// See hitless/shadow.h.
@c @implementation
public func hitless_shadow_define(
  _ agent: OpaquePointer!, _ options: UnsafePointer<hitless_shadow_options>!
) -> hitless_status {
  answering { () throws(Refusal) in
    let agent = unsafe try AgentHandle.agent(agent)
    let options = unsafe try required(options, "options")
    try unsafe requireSize(options.pointee.size, of: hitless_shadow_options.self, "options")
    try agent.defineShadow(unsafe ShadowHost(options.pointee))
  }
}

extension ShadowPlan {
  /// What a host asks for; nil when it asks for none.
  init?(reading activation: hitless_activation) throws(Refusal) {
    let share = unsafe activation.shadow_share
    let (duration, batches) = unsafe (activation.shadow_for_ns, activation.shadow_batches)
    let allowed = unsafe activation.shadow_divergences
    guard share > 0 else {
      guard duration == 0, batches == 0, allowed == 0, unsafe activation.shadow_only == 0 else {
        throw Refusal(
          .usage, "what is asked of a shadow has no meaning without one",
          hint: "set 'shadow_share'")
      }
      return nil
    }
    self.init(share: share, duration: duration, batches: batches, allowed: allowed)
  }
}
