import CHitless
import CUPF
import Glibc
import Synchronization

/// Copies of batches that have nothing of the batches: each is a batch of the qer alone, made by hand, at which a
/// module of Fixtures fails when it is told to.
///
/// So stable can fail on a copy that its batches are no trouble to, as if a host had made the copy badly.
///
/// Threading: the atomics are anybody's; all else belongs to the thread that runs copies.
@safe
final class HandCopies: @unchecked Sendable {
  static let packetCount = 32

  /// Whether modules fail at what is run next.
  let areBad: Atomic<Bool>
  /// How many runs were prepared, two for each copy.
  let begun = Atomic<UInt64>(0)
  /// After so many runs were prepared, the next one is held up.
  let limit = Atomic<UInt64>(.max)

  @unsafe
  private struct Work {
    var batch = unsafe upf_batch()
    let slot: UInt32
    let copies: Unmanaged<HandCopies>
  }

  private let work = UnsafeMutablePointer<Work>.allocate(capacity: 1)
  private let packets = UnsafeMutablePointer<upf_packet>.allocate(capacity: packetCount)
  private let verdicts = UnsafeMutablePointer<upf_verdict>.allocate(capacity: packetCount)
  private let updates = UnsafeMutablePointer<upf_bucket_update>.allocate(capacity: packetCount)

  /// `slot` is where the qer is.
  init(areBad: Bool, slot: UInt32 = 1) {
    self.areBad = Atomic(areBad)
    unsafe packets.initialize(repeating: upf_packet(), count: Self.packetCount)
    unsafe verdicts.initialize(repeating: upf_verdict(), count: Self.packetCount)
    unsafe updates.initialize(repeating: upf_bucket_update(), count: Self.packetCount)
    unsafe work.initialize(to: Work(slot: slot, copies: Unmanaged.passUnretained(self)))
    unsafe work.pointee.batch.packets = UnsafePointer(packets)
    unsafe work.pointee.batch.verdicts = verdicts
    unsafe work.pointee.batch.updates = updates
    unsafe work.pointee.batch.count = UInt32(Self.packetCount)
  }

  deinit {
    unsafe work.deallocate()
    unsafe packets.deallocate()
    unsafe verdicts.deallocate()
    unsafe updates.deallocate()
  }

  /// What an agent is told, or a bench; the value must outlive both.
  var options: hitless_shadow_options {
    var options = unsafe hitless_shadow_options()
    unsafe options.size = UInt32(MemoryLayout<hitless_shadow_options>.size)
    unsafe options.output_limit = 1
    unsafe options.context = UnsafeMutableRawPointer(work)
    unsafe options.copy_size = 1
    unsafe options.copy = { _, _, _ in 1 }
    unsafe options.begin = { context, _ in
      guard let context = unsafe context else { return 1 }
      let work = unsafe context.assumingMemoryBound(to: Work.self)
      unsafe work.pointee.copies.takeUnretainedValue().begin()
      return 0
    }
    unsafe options.run = { context, view, _ in
      guard let view = unsafe view, let context = unsafe context else { return 1 }
      let work = unsafe context.assumingMemoryBound(to: Work.self)
      guard
        let process = unsafe hitless_table(view, work.pointee.slot)?
          .assumingMemoryBound(to: upf_qer_table.self).pointee.process
      else { return 2 }
      unsafe process(nil, &work.pointee.batch)
      return 0
    }
    unsafe options.outputs = { _, _, _ in 0 }
    return unsafe options
  }

  private func begin() {
    while begun.load(ordering: .acquiring) >= limit.load(ordering: .acquiring) { usleep(1000) }
    for index in 0..<Self.packetCount { unsafe verdicts[index] = upf_verdict() }
    let isBad = areBad.load(ordering: .acquiring)
    unsafe packets[Self.packetCount / 2].destination_port = isBad ? 6666 : 0
    begun.add(1, ordering: .releasing)
  }
}
