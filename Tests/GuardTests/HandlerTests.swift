import Glibc
import Guard
import Platform
import Synchronization
import TestSupport
import Testing

/// What is not a candidate's goes to whoever handled it before; each test is a process of its own.
@Suite("Handlers of the host")
struct HandlerTests {
  @Test func `without a handler a fault of the host ends it by its signal`() async {
    await #expect(processExitsWith: .signal(SIGSEGV)) {
      try Host.faultInPipeline()
    }
  }

  @Test func `a fault of the host's own code is its handler's, though a candidate is on trial`()
    async
  {
    await #expect(processExitsWith: .exitCode(21)) {
      unsafe Host.install(SIGSEGV) { signal, info, _ in
        _exit(unsafe signal == SIGSEGV && Host.address(of: info) == 8 ? 21 : 1)
      }
      try Host.faultInPipeline()
    }
  }

  @Test func `a plain handler is called as one`() async {
    await #expect(processExitsWith: .exitCode(22)) {
      signal(SIGSEGV) { _exit($0 == SIGSEGV ? 22 : 1) }
      try Host.faultInPipeline()
    }
  }

  @Test func `an ignored signal that somebody sends is ignored, and a fault is not`() async {
    await #expect(processExitsWith: .signal(SIGSEGV)) {
      signal(SIGSEGV, SIG_IGN)
      let home = try GuardedDomain()
      _ = home
      pthread_kill(pthread_self(), SIGSEGV)
      try Host.faultInPipeline()
    }
  }

  @Test func `a fault behind the commit point is the host's, even in the candidate's code`() async {
    await #expect(processExitsWith: .exitCode(23)) {
      unsafe Host.install(SIGSEGV) { _, _, _ in _exit(23) }
      let home = try GuardedDomain()
      let worker = try HandWorker(home)
      try home.tryCandidate()
      _ = worker.run(trigger: true, .faultInModuleAfterCommit)
      _exit(1)
    }
  }

  @Test func `a signal that somebody sends to a worker in the candidate is the host's`() async {
    await #expect(processExitsWith: .exitCode(24)) {
      unsafe Host.install(SIGBUS) { _, _, _ in _exit(24) }
      let home = try GuardedDomain(.loop)
      let worker = try HandWorker(home)
      try home.tryCandidate()
      let thread = pthread_self()
      let sender = try PlainThread("sender") {
        usleep(1000)
        pthread_kill(thread, SIGBUS)
      }
      while worker.run(trigger: true) == 1 { try home.tryCandidate() }
      sender.join()
    }
  }

  /// A guard that called the newest handler again would never end.
  ///
  /// The first handler is older than the guard; the second one is newer and calls what it has found,
  /// which is the guard's.
  @Test func `a handler that is installed later and calls the one before gets the signal first`()
    async
  {
    await #expect(processExitsWith: .exitCode(25)) {
      unsafe Host.install(SIGSEGV) { _, _, _ in _exit(Host.callCount == 1 ? 25 : 1) }
      let home = try GuardedDomain { $0.batchBudget = 1_000_000 }
      let worker = try HandWorker(home)
      Host.installChained(SIGSEGV)
      // The watchdog puts the guard first again.
      #expect(eventually { Host.current(SIGSEGV) != Host.chained })
      try home.tryCandidate()
      #expect(worker.run(trigger: true) == 1)
      #expect(Host.callCount == 0)
      _ = worker.run(.fault)
    }
  }

  @Test func `a handler that wants to be called once is called once`() async {
    await #expect(processExitsWith: .signal(SIGSEGV)) {
      // It returns, and the instruction faults again.
      unsafe Host.install(SIGSEGV, flags: SA_SIGINFO | Int32(bitPattern: UInt32(SA_RESETHAND))) {
        _, _, _ in
        if Host.calls.add(1, ordering: .relaxed).newValue > 1 { _exit(1) }
      }
      try Host.faultInPipeline()
    }
  }
}

/// A host with handlers.
@safe
enum Host {
  typealias Handler =
    @convention(c) (Int32, UnsafeMutablePointer<siginfo_t>?, UnsafeMutableRawPointer?) -> Void

  /// How often a handler of the test's was called.
  static let calls = Atomic<Int>(0)
  static var callCount: Int { calls.load(ordering: .relaxed) }

  // Threading: written once, before the handler that reads it is installed.
  nonisolated(unsafe) private static var found = sigaction()

  /// The address of a memory fault.
  static func address(of info: UnsafeMutablePointer<siginfo_t>?) -> UInt? {
    // SAFETY: the kernel hands over the facts of the fault.
    unsafe info.map { unsafe UInt(bitPattern: $0.pointee._sifields._sigfault.si_addr) }
  }

  static func install(_ signal: Int32, flags: Int32 = SA_SIGINFO, _ handler: @escaping Handler) {
    var action = sigaction()
    unsafe action.__sigaction_handler.sa_sigaction = handler
    action.sa_flags = flags
    unsafe sigaction(signal, &action, nil)
  }

  private static let chainedHandler: Handler = { signal, info, place in
    Host.calls.add(1, ordering: .relaxed)
    unsafe Host.found.__sigaction_handler.sa_sigaction(signal, info, place)
  }

  /// Installs a handler that calls the one it has found.
  static func installChained(_ signal: Int32) {
    unsafe sigaction(signal, nil, &found)
    unsafe install(signal, chainedHandler)
  }

  static var chained: UInt { unsafe unsafeBitCast(chainedHandler, to: UInt.self) }

  static func current(_ signal: Int32) -> UInt {
    var action = sigaction()
    unsafe sigaction(signal, nil, &action)
    return unsafe unsafeBitCast(action.__sigaction_handler.sa_sigaction, to: UInt.self)
  }

  /// Runs a batch whose pipeline function faults, while a candidate is on trial.
  static func faultInPipeline() throws {
    let home = try GuardedDomain()
    let worker = try HandWorker(home)
    try home.tryCandidate()
    _ = worker.run(.fault)
    _exit(1)
  }
}
