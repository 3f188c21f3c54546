/// What the command line asks for.
struct Parameters: Sendable {
  /// A call that makes no sense.
  struct Mistake: Error, CustomStringConvertible {
    let description: String
  }

  var modules = ""
  var state = ""
  var probe = ""
  /// Activations and rollbacks between two staged generations.
  var swaps: UInt64 = 1_000_000
  /// Verify, stage, activate, confirm, retire.
  var cycles: UInt64 = 10_000
  var workers = 1
  /// Batches between two short pauses of a worker; 0: none.
  var pauseEvery: UInt32 = 0
  /// By how much the process's own memory may have grown at the end, in KiB.
  var growthLimit: UInt64 = 4096
  var isQuiet = false

  init(_ arguments: [String]) throws(Mistake) {
    var rest = arguments[...]
    while let name = rest.popFirst() {
      if name == "--quiet" {
        isQuiet = true
        continue
      }
      guard let value = rest.popFirst() else {
        throw Mistake(description: "'\(name)' needs a value")
      }
      switch name {
      case "--modules": modules = value
      case "--state": state = value
      case "--probe": probe = value
      case "--swaps": swaps = try Self.number(value, name)
      case "--cycles": cycles = try Self.number(value, name)
      case "--workers": workers = Int(try Self.number(value, name))
      case "--pause-every": pauseEvery = UInt32(try Self.number(value, name))
      case "--growth-limit": growthLimit = try Self.number(value, name)
      default: throw Mistake(description: "there is no option '\(name)'")
      }
    }
    guard !modules.isEmpty, !state.isEmpty, !probe.isEmpty else {
      throw Mistake(description: "--modules, --state and --probe are needed")
    }
    guard (1...64).contains(workers) else { throw Mistake(description: "1 to 64 workers") }
  }

  private static func number(_ text: String, _ name: String) throws(Mistake) -> UInt64 {
    guard let number = UInt64(text), number <= 10_000_000 else {
      throw Mistake(description: "'\(name)' takes a number up to 10000000, not '\(text)'")
    }
    return number
  }
}
