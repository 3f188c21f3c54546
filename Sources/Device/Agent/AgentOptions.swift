package import Guard
package import Platform
private import Probation
package import Staging

/// How to open an agent; the defaults are those of hitless/host.h.
package struct AgentOptions: Sendable {
  /// Where the confirmed set lives; must belong to this user and be writable by nobody else.
  package var stateDirectory: String
  /// Path of the control socket; nil: none.
  package var controlSocket: String?
  /// PEM files of the release keys; without a usable one every patch is refused.
  package var trustKeys: [String] = []
  /// How many distinct keys must have signed.
  package var trustThreshold = 1
  /// Product that patches must name; nil: any.
  package var product: String?
  /// The selftest helper; nil: where this installation has it.
  package var probe: String?
  /// Where the agent's library is, as one more place to look for the helper from.
  package var library: String?
  /// How long the helper may take with one module, in nanoseconds.
  package var probeTimeout = ModuleProbe.defaultTimeout
  /// Imports that modules may have beyond the built-in list.
  package var allowedImports: [String] = []
  /// Name of this instance in logs.
  package var instance = "hitless"
  /// How long a grace period may last, in nanoseconds, before the worker is named.
  package var graceTimeout: UInt64 = 1_000_000_000
  /// Roll back when nobody confirms within so many nanoseconds; 0: never, but of a rollout.
  package var confirmTimeout = RolloutPlan.defaultConfirmWithin
  /// A start within so many nanoseconds of the confirmation, or of the start before it, follows an early
  /// end of the host; 0: no end is early.
  package var earlyEndWindow: UInt64 = 120_000_000_000
  /// After so many early ends in a row the set before the confirmed one is started.
  package var earlyEndLimit: UInt64 = 2
  /// Sequence numbers below this are refused even if the state directory was lost.
  package var sequenceFloor: UInt64 = 0
  /// Where the agent's own threads run; the helper is where the thread is that installs.
  package var threads = ThreadPlacement.inherited
  /// When workers' batches are guarded, and how long one may take.
  package var guarding = GuardOptions()
  /// When a candidate that has failed may be tried again, and when not any more.
  package var breaker = BreakerRules()
  /// The same for single modules, by name, where it is not what holds for all.
  package var breakers: [String: BreakerRules] = [:]
  /// When loads that fail stop the agent from taking patches.
  package var loads = LoadRules()
  /// How often modules in memory are compared with what they were.
  package var golden = GoldenRules()
  /// Receives one line per event, from the agent's threads; `level` as in syslog.
  package var log: @Sendable (_ level: Int32, _ message: String) -> Void = { _, _ in }

  /// Options with the defaults.
  package init(stateDirectory: String) {
    self.stateDirectory = stateDirectory
  }
}

/// One extension point of the host, and the module that fills it when nothing else was confirmed.
package struct SlotOptions: Sendable {
  /// What a module must be.
  package let requirement: SlotRequirement
  /// File of the first module.
  package let module: String
  /// Handed to the module's `attach`.
  package let control: ControlContext

  /// Creates a slot.
  package init(
    _ requirement: SlotRequirement, module: String, control: ControlContext = .none
  ) {
    self.requirement = requirement
    self.module = module
    self.control = control
  }
}
