internal import Bytes
internal import Glibc
internal import HotSwap
internal import Refusal

// Maps a module in a process of its own, before the host does: what hangs or crashes here, hangs or
// crashes alone. The parent hands over the sealed file and ends a probe that takes too long.

limitDamage()
let code = report(on: CommandLine.arguments)
// Without the exit handlers: nothing that a module may have left behind gets to run.
fflush(nil)
_exit(code)

/// Prints one line of JSON and returns the exit code: 0, or the class of the refusal.
func report(on arguments: [String]) -> Int32 {
  guard arguments.count == 3, let buildID = [UInt8](hex: arguments[1]),
    let facts = [UInt8](hex: arguments[2])
  else {
    print(
      """
      usage: hitless-probe BUILD-ID FACTS 3<MODULE

      Maps the module that is open as descriptor 3, compares what is mapped with BUILD-ID and FACTS
      (the two notes of the verified file, in hexadecimal) and with the file, and runs its selftest.
      Prints one line of JSON; exits with 0 or the class of the refusal.
      """)
    let isHelp = arguments.count == 2 && ["-h", "--help"].contains(arguments[1])
    return isHelp ? 0 : RefusalClass.usage.rawValue
  }
  do throws(Refusal) {
    let probed = try ProbedModule(
      descriptor: 3, expecting: ModuleExpectation(buildID: buildID, facts: facts))
    print(probed.json.text)
    return 0
  } catch {
    print(error.json.text)
    return error.kind.rawValue
  }
}

/// A crash ends the probe at once and leaves no core file; a probe without a parent ends by itself.
func limitDamage() {
  // The Swift runtime would start a program that takes seconds to describe the crash.
  for number in [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV] {
    _ = signal(number, SIG_DFL)
  }
  let secondsWithoutParent: UInt32 = 60
  var none = rlimit(rlim_cur: 0, rlim_max: 0)
  // SAFETY: `none` is ours and of the right type.
  _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
  alarm(secondsWithoutParent)
}
