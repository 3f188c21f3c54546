internal import CGuard
internal import CHitless
internal import Glibc
internal import Synchronization

/// Where workers put copies of batches, and where one thread of the agent takes them out.
///
/// One ring per worker, each with one writer and one reader. A view names the area, so the area lives as long as a
/// worker may read that view; its rings are only ever added.
///
/// Threading: workers write by `hitless_shadow_offer`; one thread at a time calls `seat` and `take`; figures can be
/// read from any.
@safe
package final class ShadowArea: @unchecked Sendable {
  /// Workers of higher indices find no ring.
  package static let workerLimit = 1024
  /// Bytes of one ring, as far as as many places as `fewest` and `most` fit.
  private static let ringBytes = 4 << 20
  private static let fewest = 4
  private static let most = 64

  /// The record, as views name it.
  package let record: UnsafeMutableRawPointer
  private let shadow: UnsafeMutablePointer<hitless_shadow>
  private let copySize: Int
  private let stride: Int
  private let placeCount: Int
  /// Touched by the thread that calls `seat`, and at the end.
  private var mappings: [UnsafeMutableRawPointer] = unsafe []

  /// An area without rings for `share` of 65 536 batches; nil without memory.
  package init?(_ host: ShadowHost, share: UInt32) {
    let host = unsafe host.options
    guard let copy = unsafe host.copy else { return nil }
    copySize = Int(unsafe host.copy_size)
    stride = Int(HITLESS_SHADOW_HEAD) + (copySize + 63) / 64 * 64
    var places = Self.most
    while places > Self.fewest && places * stride > Self.ringBytes { places /= 2 }
    placeCount = places
    let head = unsafe MemoryLayout<hitless_shadow>.size
    let size = head + Self.workerLimit * MemoryLayout<UInt>.size
    var memory: UnsafeMutableRawPointer?
    // SAFETY: on success the call has stored memory of that size.
    guard unsafe posix_memalign(&memory, 128, size) == 0, let memory = unsafe memory else {
      return nil
    }
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: size)
    unsafe record = memory
    unsafe shadow = memory.bindMemory(to: hitless_shadow.self, capacity: 1)
    unsafe shadow.pointee.copy = copy
    unsafe shadow.pointee.context = host.context
    unsafe shadow.pointee.share = share
    unsafe shadow.pointee.ring_count = UInt32(Self.workerLimit)
    unsafe shadow.pointee.rings = (memory + head).bindMemory(
      to: Optional<UnsafeMutablePointer<hitless_shadow_ring>>.self, capacity: Self.workerLimit)
  }

  deinit {
    while let mapping = unsafe mappings.popLast() { unsafe munmap(mapping, ringSize) }
    unsafe free(record)
  }

  private var ringSize: Int { unsafe MemoryLayout<hitless_shadow_ring>.size + placeCount * stride }
}

/// The side of the thread that compares.
extension ShadowArea {
  /// Makes a ring for the worker of an index if it has none; its batches are skipped without one.
  ///
  /// Threading: blocks for the memory, all of which the kernel is asked for here, so that no worker waits for it.
  /// Ordering: release; pairs with the worker's acquire, which then finds the ring filled in.
  package func seat(_ index: UInt32) {
    guard Int(index) < Self.workerLimit, unsafe ring(Int(index)) == nil else { return }
    // SAFETY: an anonymous mapping touches no file; the result is checked before use.
    let address = unsafe mmap(
      nil, ringSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let address = unsafe address, unsafe address != MAP_FAILED else { return }
    // Older kernels do not know it: then the first batches wait for pages.
    _ = unsafe madvise(address, ringSize, Self.populateForWriting)
    unsafe mappings.append(address)
    let ring = unsafe address.bindMemory(to: hitless_shadow_ring.self, capacity: 1)
    let places = unsafe address + MemoryLayout<hitless_shadow_ring>.size
    unsafe ring.pointee.places = places.assumingMemoryBound(to: UInt8.self)
    unsafe ring.pointee.stride = UInt64(stride)
    unsafe ring.pointee.mask = UInt64(placeCount - 1)
    unsafe ring.pointee.copy_size = UInt64(copySize)
    unsafe entry(Int(index)).pointee.store(UInt(bitPattern: address), ordering: .releasing)
  }

  /// `MADV_POPULATE_WRITE` of Linux 5.14.
  private static let populateForWriting: Int32 = 23

  /// Takes the oldest copy of a worker out; false when there was none.
  ///
  /// `body` gets its bytes, which are valid while it runs.
  ///
  /// Ordering: acquire; pairs with the worker's release when the copy is complete. The release at the end pairs
  /// with its acquire: what is read here is read before the place is used again.
  package func take(from index: Int, _ body: (UnsafeRawBufferPointer) -> Void) -> Bool {
    guard let ring = unsafe ring(index) else { return false }
    let base = UnsafeMutableRawPointer(ring)
    let read = unsafe word(base, 128)
    let position = unsafe read.pointee.load(ordering: .relaxed)
    guard unsafe word(base, 64).pointee.load(ordering: .acquiring) != position else { return false }
    let place = unsafe ring.pointee.places + Int(position & ring.pointee.mask) * stride
    let size = unsafe UnsafeRawPointer(place).load(as: UInt64.self)
    // SAFETY: the worker has stored no size above that of a copy, and a place has room for one.
    unsafe body(
      UnsafeRawBufferPointer(
        start: place + Int(HITLESS_SHADOW_HEAD), count: min(Int(size), copySize)))
    unsafe read.pointee.store(position + 1, ordering: .releasing)
    return true
  }

  /// Drawn batches of which no copy was made: there was no place, or the host did not want it.
  ///
  /// Ordering: relaxed; numbers of one writer each.
  package var skips: (full: UInt64, declined: UInt64) {
    var (full, declined) = (unsafe word(record, 64).pointee.load(ordering: .relaxed), UInt64(0))
    for index in 0..<Self.workerLimit {
      guard let ring = unsafe ring(index) else { continue }
      let base = UnsafeMutableRawPointer(ring)
      full &+= unsafe word(base, 72).pointee.load(ordering: .relaxed)
      declined &+= unsafe word(base, 80).pointee.load(ordering: .relaxed)
    }
    return (full, declined)
  }

  /// Ordering: acquire, for readers other than the thread that has made it.
  private func ring(_ index: Int) -> UnsafeMutablePointer<hitless_shadow_ring>? {
    unsafe UnsafeMutablePointer(bitPattern: entry(index).pointee.load(ordering: .acquiring))
  }

  private func entry(_ index: Int) -> UnsafeMutablePointer<Atomic<UInt>> {
    // SAFETY: the list has `workerLimit` words, and an atomic word has the layout of a pointer.
    unsafe (UnsafeMutableRawPointer(shadow.pointee.rings) + index * MemoryLayout<UInt>.size)
      .assumingMemoryBound(to: Atomic<UInt>.self)
  }

  private func word(
    _ base: UnsafeMutableRawPointer, _ offset: Int
  ) -> UnsafeMutablePointer<Atomic<UInt64>> {
    // SAFETY: shadow.c asserts the offsets, and an atomic word has the layout of the word.
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
  }
}
