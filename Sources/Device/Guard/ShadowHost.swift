package import CHitless
package import Refusal

/// How a host copies, runs and reads a batch (hitless/shadow.h), after it was checked.
///
/// Threading: the contract of hitless/shadow.h says which thread makes which call.
@safe
package struct ShadowHost: @unchecked Sendable {
  package let options: hitless_shadow_options

  /// Takes a host's description, or says what is wrong with it.
  package init(_ options: hitless_shadow_options) throws(Refusal) {
    let calls: [(Bool, String)] = unsafe [
      (options.copy != nil, "copy"), (options.run != nil, "run"),
      (options.outputs != nil, "outputs"),
    ]
    for (isThere, name) in calls where !isThere {
      throw Refusal(.usage, "'\(name)' may not be null")
    }
    let (size, limit) = unsafe (options.copy_size, options.output_limit)
    guard (1...UInt64(Self.copyLimit)).contains(size) else {
      throw Refusal(
        .limit, "'copy_size' makes no sense", expected: "1 to \(Self.copyLimit)", found: "\(size)")
    }
    guard (1...UInt32(HITLESS_SHADOW_OUTPUTS_MAX)).contains(limit) else {
      throw Refusal(
        .limit, "'output_limit' makes no sense", expected: "1 to \(HITLESS_SHADOW_OUTPUTS_MAX)",
        found: "\(limit)")
    }
    unsafe self.options = options
  }

  /// `HITLESS_SHADOW_COPY_MAX`, which Swift does not import.
  private static let copyLimit = 16 << 20
}
