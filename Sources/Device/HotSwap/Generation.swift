package import CHitless
internal import Glibc
internal import Refusal

/// An immutable set of modules, one per slot: what a worker uses for one whole batch.
///
/// Made by `SwapDomain.makeGeneration`. The domain holds a reference as long as a worker may read the
/// record, so the record's memory can go with the last reference.
///
/// Threading: immutable.
@safe
package final class Generation: @unchecked Sendable {
  /// Rises with every generation of the domain; never reused.
  package let number: UInt64
  /// The module of each slot.
  package let modules: [MappedModule]
  /// The record that views point to.
  package let record: UnsafePointer<hitless_generation>
  /// What holds this generation back while it is a candidate.
  package let breaker: BreakerWord

  /// Size of the record with its two lists.
  let byteCount: Int

  private let memory: UnsafeMutableRawPointer
  private let isPoisonedAtEnd: Bool

  init?(number: UInt64, modules: [MappedModule], poisonsRetiredMemory: Bool) {
    let word = MemoryLayout<UInt>.stride
    // The breaker's line first: its neighbours are never written to.
    let head = MemoryLayout<hitless_breaker>.stride
    let tables = unsafe head + MemoryLayout<hitless_generation>.stride
    let infos = tables + modules.count * word
    byteCount = infos + modules.count * word
    guard let memory = unsafe lineAlignedMemory(byteCount) else { return nil }
    unsafe self.memory = memory
    breaker = unsafe BreakerWord(at: memory)
    let tableList = unsafe (memory + tables).bindMemory(
      to: UnsafeRawPointer?.self, capacity: modules.count)
    let infoList = unsafe (memory + infos).bindMemory(
      to: UnsafePointer<hitless_module_info>?.self, capacity: modules.count)
    for (index, module) in modules.enumerated() {
      unsafe tableList[index] = module.table
      unsafe infoList[index] = module.info
    }
    let record = unsafe (memory + head).bindMemory(to: hitless_generation.self, capacity: 1)
    unsafe record.initialize(
      to: hitless_generation(
        size: UInt32(MemoryLayout<hitless_generation>.size), slot_count: UInt32(modules.count),
        number: number, tables: tableList, modules: infoList))
    unsafe self.record = UnsafePointer(record)
    self.number = number
    self.modules = modules
    isPoisonedAtEnd = poisonsRetiredMemory
  }

  deinit {
    if isPoisonedAtEnd { unsafe poison(memory, byteCount) }
    unsafe free(memory)
  }
}

/// Zeroed memory on cache lines of its own; nil when there is none.
///
/// Not the standard library's allocation, which ends the process when memory is short.
func lineAlignedMemory(_ byteCount: Int) -> UnsafeMutableRawPointer? {
  var memory: UnsafeMutableRawPointer?
  let size = (byteCount + cacheLinePair - 1) / cacheLinePair * cacheLinePair
  // SAFETY: on success the call has stored memory of that size.
  guard unsafe posix_memalign(&memory, cacheLinePair, size) == 0 else { return nil }
  unsafe memory?.initializeMemory(as: UInt8.self, repeating: 0, count: size)
  return unsafe memory
}

/// Two cache lines: processors that fetch lines in pairs make neighbours share what should be apart.
let cacheLinePair = 128

/// What retired memory is filled with when a domain is asked to.
package let poisonByte: UInt8 = 0xa5

/// Fills retired memory with what no live record holds.
func poison(_ memory: UnsafeMutableRawPointer, _ byteCount: Int) {
  unsafe memory.initializeMemory(as: UInt8.self, repeating: poisonByte, count: byteCount)
}
