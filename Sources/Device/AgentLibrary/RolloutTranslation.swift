internal import Agent
internal import CHitless
internal import Probation
internal import Refusal

extension RolloutPlan {
  /// What a host asks for, nil for everything at once; whatever it points to is copied.
  init?(reading activation: hitless_activation, confirmTimeout: UInt64) throws(Refusal) {
    guard unsafe activation.shadow_only == 0 else { return nil }
    self.init(confirmTimeout: confirmTimeout)
    let canary = unsafe activation.canary
    guard let kind = Kind(rawValue: canary) else {
      throw Refusal(.usage, "'canary' is none of HITLESS_CANARY_…", found: "\(canary)")
    }
    self.kind = kind
    let workers = unsafe activation.first_workers
    steps = Self.steps(
      kind, first: workers > 0 ? .workers(workers) : nil, later: unsafe try Self.shares(activation))
    if unsafe activation.dwell_ns > 0 { dwell = unsafe activation.dwell_ns }
    if unsafe activation.confirm_within_ns > 0 {
      confirmWithin = unsafe activation.confirm_within_ns
    }
    confirmsByItself = unsafe activation.auto_confirm != 0
    thresholds = unsafe HealthThresholds(activation)
  }

  private static func shares(_ activation: hitless_activation) throws(Refusal) -> [UInt32] {
    let count = unsafe activation.step_count
    guard count <= UInt32(stepLimit) else {
      throw Refusal(.limit, "'steps' has \(count) entries, at most \(stepLimit) are allowed")
    }
    guard count > 0 else { return [all] }
    let pointer = unsafe try required(activation.steps, "steps")
    // SAFETY: the host promises `step_count` entries.
    return (0..<Int(count)).map { unsafe pointer[$0] }
  }
}

extension HealthThresholds {
  /// The host's; the defaults where it says nothing.
  fileprivate init(_ activation: hitless_activation) {
    self.init()
    let values: [(WritableKeyPath<HealthThresholds, UInt64>, UInt64)] = unsafe [
      (\.minimumPackets, activation.minimum_packets),
      (\.minimumSamples, activation.minimum_samples),
      (\.deviationsMilli, activation.deviations_milli),
      (\.ratePermille, activation.rate_permille),
      (\.rateFloorMicro, activation.rate_floor_micro),
      (\.errorFloorMicro, activation.error_floor_micro),
      (\.medianPermille, activation.median_permille),
      (\.tailPermille, activation.tail_permille),
      (\.timeFloorNanoseconds, activation.time_floor_ns),
      (\.coldFloorNanoseconds, activation.cold_floor_ns),
      (\.gaugeFloor, activation.gauge_floor),
    ]
    for (path, value) in values where value > 0 { self[keyPath: path] = value }
  }
}

extension hitless_activation {
  /// The struct as this library knows it: fields that the host's headers did not have yet are zero.
  init(copying pointer: UnsafePointer<hitless_activation>) throws(Refusal) {
    let size = unsafe pointer.pointee.size
    // Where the first version of the struct ended.
    let least = unsafe MemoryLayout<Self>.offset(of: \.shadow_share) ?? MemoryLayout<Self>.size
    try requireSize(size, atLeast: least, "activation")
    unsafe self.init()
    unsafe withUnsafeMutableBytes(of: &self) { bytes in
      let count = min(bytes.count, Int(size))
      // SAFETY: the host promises `size` bytes, and no more than this struct has are copied.
      unsafe bytes.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: count))
    }
  }
}

extension SignalKind {
  /// What the host calls it, `HITLESS_SIGNAL_…`.
  init(reading kind: Int32) throws(Refusal) {
    guard let known = SignalKind(rawValue: kind), known != .packets else {
      throw Refusal(.usage, "'kind' is none of HITLESS_SIGNAL_…", found: "\(kind)")
    }
    self = known
  }
}
