internal import CPathBench

/// A way to fail, of the module of one stage.
enum FaultKind: String, CaseIterable, Sendable {
  case segv = "SIGSEGV"
  case bus = "SIGBUS"
  case fpe = "SIGFPE"
  case ill = "SIGILL"
  case trap = "SIGTRAP"
  case abort = "SIGABRT"
  case overflow = "stack overflow"
  case loop = "endless loop"

  /// What the module is written in; the name of its file has the value.
  enum Language: String, CaseIterable, Sendable, CustomStringConvertible {
    case c
    case swift

    var description: String { rawValue }

    /// As it is written for people.
    var name: String {
      switch self {
      case .c: "C"
      case .swift: "Embedded Swift"
      }
    }
  }

  /// What the report of the fault calls it.
  var cause: String {
    switch self {
    case .overflow: "SIGSEGV"
    case .loop: "budget"
    default: rawValue
    }
  }

  /// What a batch is told, for the module to fail so.
  var number: UInt32 {
    let number =
      switch self {
      case .segv: PATH_FAIL_SEGV
      case .bus: PATH_FAIL_BUS
      case .fpe: PATH_FAIL_FPE
      case .ill: PATH_FAIL_ILL
      case .trap: PATH_FAIL_TRAP
      case .abort: PATH_FAIL_ABORT
      case .overflow: PATH_FAIL_OVERFLOW
      case .loop: PATH_FAIL_LOOP
      }
    return UInt32(number)
  }
}
