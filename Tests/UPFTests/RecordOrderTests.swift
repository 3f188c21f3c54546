import CHitless
import CUPF
import Glibc
import Refusal
import Synchronization
import TestSupport
import Testing
import UPF

@Suite("The order of packets while buckets move")
struct RecordOrderTests {
  /// A batch that was left in between could not be run again: of some packets there were two, of others none.
  ///
  /// The page with the packets is closed just before they are put into another order. That is done in the C library,
  /// where a late batch may be left, unless the guard is paused.
  @Test func `packets get another order whole, or not at all`() async {
    await #expect(processExitsWith: .success) {
      try Self.serveWhatTheCandidateCannot()
    }
  }

  private static func serveWhatTheCandidateCannot() throws {
    Order.handleFaults()
    let node = try TestNode(
      [Site.session(count: 8)], buckets: BucketTable(number: 0) { _ in },
      registry: MovingRegistry())
    for user in 0..<UInt32(8) {
      let up = TestPackets.v4(from: Site.ue + user, to: Site.server)
      node.fromAccess(TestPackets.uplink(teid: Site.teid + user, up))
    }
    try #require(node.settle())
    #expect(Order.marks.load(ordering: .acquiring) == Order.Marks.even)
    // The candidate has classified them, and stable has done so again and served them.
    #expect(node.toCore.count == 8)
    #expect(node.plane.statistics().marks == [1: 8])
    #expect(node.plane.account().isBalanced)
    try node.plane.stop()
  }
}

/// Gives the candidate every flow, and finds every bucket where only stable can use it.
@safe
private struct MovingRegistry: WorkerRegistry {
  func registerWorker(name: String) throws(Refusal) -> UnsafeMutablePointer<hitless_worker> {
    let worker = UnsafeMutablePointer<hitless_worker>.allocate(capacity: 1)
    unsafe worker.initialize(to: hitless_worker())
    unsafe worker.pointee.view = Self.view
    return unsafe worker
  }

  func unregisterWorker(_ worker: UnsafeMutablePointer<hitless_worker>) {}

  private static var view: UnsafePointer<hitless_view> {
    let qers = unsafe [ReferenceModules.enforceFirst, ReferenceModules.enforceSecond].map {
      unsafe PuppetRegistry.kept(upf_qer_table(size: 16, version: 1, process: $0))
    }
    let classify = unsafe PuppetRegistry.kept(
      upf_classify_table(size: 16, version: 1, process: ReferenceModules.classify))
    let watching = unsafe PuppetRegistry.kept(
      upf_classify_table(size: 16, version: 1, process: Order.classify))
    let trial = unsafe PuppetRegistry.view(2, watching, qers[1], .second)
    var view = unsafe PuppetRegistry.view(1, classify, qers[0], .first).pointee
    unsafe view.candidate = trial.pointee.stable
    unsafe view.serving = view.candidate
    unsafe view.share = HITLESS_SHARE_ALL
    unsafe view.turns = HITLESS_SHARE_ALL
    var table = unsafe hitless_state_table()
    unsafe table.phase = Int32(HITLESS_STATE_FORWARD)
    unsafe table.count = 64
    unsafe table.settle = Order.find
    unsafe view.states = PuppetRegistry.kept(
      hitless_states(size: 16, count: 1, tables: PuppetRegistry.kept(table)))
    return unsafe PuppetRegistry.kept(view)
  }
}

/// What is seen of the order of packets, and of the guard meanwhile.
@safe
private enum Order {
  /// By which the guard knew the batch when its packets got another order.
  enum Marks {
    static let none = 0
    static let even = 1
    static let odd = 2
  }

  static let marks = Atomic<Int>(Marks.none)
  private static let page = Atomic<UInt>(0)
  private static let worker = Atomic<UInt>(0)
  private static let byteCount = 4096

  static func handleFaults() {
    var action = sigaction()
    unsafe action.__sigaction_handler.sa_sigaction = { _, _, _ in
      let page = unsafe UnsafeMutableRawPointer(
        bitPattern: Order.page.exchange(0, ordering: .acquiring))
      let worker = unsafe UnsafePointer<hitless_worker>(
        bitPattern: Order.worker.load(ordering: .relaxed))
      // Somebody else's.
      guard let page = unsafe page, let worker = unsafe worker else { _exit(1) }
      let isOdd = unsafe worker.pointee.guarded % 2 == 1
      Order.marks.max(isOdd ? Marks.odd : Marks.even, ordering: .releasing)
      _ = unsafe mprotect(page, Order.byteCount, PROT_READ | PROT_WRITE)
    }
    action.sa_flags = SA_SIGINFO
    unsafe sigaction(SIGSEGV, &action, nil)
  }

  /// The candidate's module: remembers where the packets are.
  static let classify: ReferenceModules.Classify = { tables, batch in
    guard let batch = unsafe batch else { return }
    let place = unsafe UInt(bitPattern: batch.pointee.packets)
    Order.page.store(place & ~UInt(Order.byteCount - 1), ordering: .releasing)
    unsafe ReferenceModules.classify(tables, batch)
  }

  /// Stands for the agent: the batch is under guard, and the packets get another order next.
  static let find: hitless_state_settle = { worker, _, _, _, _ in
    guard let worker = unsafe worker else { return UInt32(HITLESS_RECORD_NOWHERE) }
    unsafe worker.pointee.guarded |= 1
    Order.worker.store(UInt(bitPattern: worker), ordering: .relaxed)
    let page = unsafe UnsafeMutableRawPointer(
      bitPattern: Order.page.load(ordering: .acquiring))
    if let page = unsafe page { _ = unsafe mprotect(page, Order.byteCount, PROT_READ) }
    return UInt32(HITLESS_RECORD_OLD)
  }
}
