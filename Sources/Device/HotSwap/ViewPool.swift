internal import CHitless
internal import Glibc
internal import Guard

/// The memory of a domain's views: which ones workers may still read, and which ones are free.
///
/// Views never move and are not given back to the allocator while the domain lives. `refill` makes room
/// *after* a publication, so that taking a view never allocates: a rollback needs no memory that is not
/// there already.
///
/// Threading: guarded by the domain's lock. Issued views are read by workers without it; they are not
/// written again before `retire`.
@safe
struct ViewPool: ~Copyable {
  /// How many views one refill adds.
  static let chunk = 64
  /// How many free views every publication leaves for the next ones.
  static let reserve = 16

  /// One view that workers may read, and what keeps the records behind it alive.
  @safe
  private struct Issued {
    let view: UnsafeMutablePointer<hitless_view>
    /// For workers that have nothing of the candidate, while others have.
    let other: UnsafeMutablePointer<hitless_view>?
    let seats: Seats
    let sequence: UInt64
    let stable: Generation
    let candidate: Generation?
    let announced: UpcomingLines?
    let shadow: ShadowArea?
    let states: ViewStates?
  }

  /// What the next views have of the host's state tables.
  var states: ViewStates?
  /// In the order of their sequences; the last one is in force.
  private var issued: [Issued] = []
  /// In the order of their retirement, so that retired memory keeps its poison as long as it can.
  private var free: [UnsafeMutablePointer<hitless_view>] = unsafe []
  private var chunks: [UnsafeMutableRawPointer] = unsafe []
  private let poisonsRetired: Bool

  init(poisonsRetired: Bool) {
    self.poisonsRetired = poisonsRetired
    refill()
  }

  /// The view in force for the worker of an index; nil before the first.
  func view(forWorker index: UInt32) -> UnsafePointer<hitless_view>? {
    guard let last = issued.last else { return nil }
    guard index >= last.seats.limit, let other = unsafe last.other else {
      return unsafe UnsafePointer(last.view)
    }
    return unsafe UnsafePointer(other)
  }

  /// Sequence of the view in force; 0 before the first.
  var currentSequence: UInt64 { issued.last?.sequence ?? 0 }

  /// What a batch uses that is not split by flow; nil before the first view.
  var serving: Generation? {
    issued.last.map { Self.serving($0.stable, $0.candidate, share: unsafe $0.view.pointee.share) }
  }

  /// A batch that is not split by flow follows the candidate only when every flow does.
  private static func serving(
    _ stable: Generation, _ candidate: Generation?, share: UInt32
  ) -> Generation {
    share == HITLESS_SHARE_ALL ? candidate ?? stable : stable
  }

  /// How many generations are named only by views that are not in force.
  var overdueGenerationCount: Int {
    guard let last = issued.last else { return 0 }
    var numbers = Set<UInt64>()
    for view in issued {
      numbers.insert(view.stable.number)
      if let candidate = view.candidate { numbers.insert(candidate.number) }
    }
    numbers.remove(last.stable.number)
    if let candidate = last.candidate { numbers.remove(candidate.number) }
    return numbers.count
  }

  /// Whether a view that workers may read names `generation`.
  func names(_ generation: Generation) -> Bool {
    issued.contains {
      $0.stable === generation || $0.candidate === generation
        || $0.announced?.generation === generation || $0.states?.generation === generation
    }
  }

  /// Fills free views with what those in force have, and the lines of a later one.
  ///
  /// Returns false when none is free or none is in force. Allocates nothing.
  mutating func issue(sequence: UInt64, announcing lines: UpcomingLines) -> Bool {
    guard let last = issued.last else { return false }
    return issue(
      sequence: sequence, stable: last.stable, candidate: last.candidate, seats: last.seats,
      deadline: unsafe last.view.pointee.deadline, announcing: lines, shadow: last.shadow)
  }

  /// Fills a free view, or two where workers differ; false when there are not as many.
  ///
  /// Allocates nothing.
  mutating func issue(
    sequence: UInt64, stable: Generation, candidate: Generation?, seats: Seats, deadline: UInt64,
    announcing lines: UpcomingLines? = nil, shadow: ShadowArea? = nil
  ) -> Bool {
    guard unsafe free.count >= (seats.areSplit ? 2 : 1) else { return false }
    func fill(_ split: ViewSplit) -> UnsafeMutablePointer<hitless_view> {
      let view = unsafe free.removeFirst()
      // Whoever enters a view without `hitless_run_batch` takes no turns: to such a worker nothing is the
      // candidate's before everything is.
      let share = split.batches < HITLESS_SHARE_ALL ? 0 : split.flows
      let serving = Self.serving(stable, candidate, share: share)
      unsafe view.initialize(
        to: hitless_view(
          size: UInt32(MemoryLayout<hitless_view>.size), share: share, sequence: sequence,
          serving: serving.record, stable: stable.record, candidate: candidate?.record,
          deadline: deadline, lines: lines?.addresses, line_count: UInt64(lines?.count ?? 0),
          turns: split.batches, reserved0: 0, breaker: candidate?.breaker.record,
          shadow: shadow?.record, states: states?.record, reserved1: (0, 0, 0, 0)))
      return unsafe view
    }
    let view = unsafe fill(seats.split)
    let other = unsafe seats.areSplit ? fill(.none) : nil
    unsafe issued.append(
      Issued(
        view: view, other: other, seats: seats, sequence: sequence, stable: stable,
        candidate: candidate, announced: lines, shadow: shadow, states: states))
    return true
  }

  /// Takes back every view before `sequence`; the caller has seen every worker pass it.
  mutating func retire(before sequence: UInt64) {
    while let oldest = issued.first, oldest.sequence < sequence {
      issued.removeFirst()
      unsafe takeBack(oldest.view)
      if let other = unsafe oldest.other { unsafe takeBack(other) }
    }
  }

  private mutating func takeBack(_ view: UnsafeMutablePointer<hitless_view>) {
    if poisonsRetired { unsafe poison(view, MemoryLayout<hitless_view>.stride) }
    unsafe free.append(view)
  }

  /// Makes room for the next publications; without memory the views that are left must do.
  mutating func refill() {
    guard unsafe free.count < Self.reserve,
      let memory = unsafe lineAlignedMemory(Self.chunk * viewStride)
    else { return }
    unsafe chunks.append(memory)
    let count = unsafe chunks.count * Self.chunk
    unsafe free.reserveCapacity(count)
    issued.reserveCapacity(count)
    for index in 0..<Self.chunk {
      let view = unsafe (memory + index * viewStride).bindMemory(to: hitless_view.self, capacity: 1)
      unsafe free.append(view)
    }
  }

  /// Leaves the shadows of views where they are, for ever: a worker may still write to them.
  func abandonShadows() {
    for shadow in issued.compactMap(\.shadow) { _ = unsafe Unmanaged.passRetained(shadow) }
  }

  /// Gives the memory back; no worker may be left.
  mutating func deallocate() {
    issued.removeAll()
    unsafe free.removeAll()
    while let chunk = unsafe chunks.popLast() { unsafe Glibc.free(chunk) }
  }
}

/// A view has two lines of its own.
private let viewStride = unsafe MemoryLayout<hitless_view>.stride
