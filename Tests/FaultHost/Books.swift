import CHitless
import CMigrationLoad
import Glibc
import HotSwap
import Refusal

/// Records that the module keeps, and the books of who makes it keep them.
///
/// The load is the same in every run, whichever version serves it, and so is what the records say after it.
@safe
final class Books {
  static let recordCount = 100
  private static let recordSize = 64

  private let load: UnsafeMutablePointer<load>
  /// Where the records lie at first; nil: memory of the agent.
  private let records: UnsafeMutableRawPointer?

  /// Opens books on records in the file at `path`, which is there and large enough.
  init(at path: String?) throws(Refusal) {
    let count = Self.recordCount
    unsafe load = .allocate(capacity: 1)
    unsafe load.initialize(to: CMigrationLoad.load())
    unsafe load.pointee.records = UInt64(count)
    unsafe load.pointee.stride = 1
    unsafe load.pointee.seed = 0x9e37
    unsafe load.pointee.bytes = .allocate(capacity: count)
    unsafe load.pointee.packets = .allocate(capacity: count)
    unsafe load.pointee.bytes.initialize(repeating: 0, count: count)
    unsafe load.pointee.packets.initialize(repeating: 0, count: count)
    unsafe records = unsafe try path.map { (path) throws(Refusal) in unsafe try Self.map(path) }
  }

  private static func map(_ path: String) throws(Refusal) -> UnsafeMutableRawPointer {
    let file = unsafe open(path, O_RDWR | O_CLOEXEC)
    defer { close(file) }
    // SAFETY: a new mapping; the result is checked before use.
    let address = unsafe mmap(
      nil, recordCount * recordSize, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
    guard let address = unsafe address, unsafe address != MAP_FAILED else {
      throw Refusal(.io, "cannot map the records")
    }
    return unsafe address
  }

  func definition() throws(Refusal) -> StateDefinition {
    let schemas = [
      StateDefinition.Schema(
        id: LOAD_SCHEMA_1, size: UInt32(MemoryLayout<load_record_1>.size)),
      StateDefinition.Schema(
        id: LOAD_SCHEMA_2, size: UInt32(MemoryLayout<load_record_2>.size)),
    ]
    return try unsafe StateDefinition(
      name: "ledger", schemas: schemas, count: UInt64(Self.recordCount), records: records)
  }

  /// Runs some batches.
  func run(_ worker: UnsafeMutablePointer<hitless_worker>) {
    unsafe load.pointee.worker = unsafe worker
    for _ in 0..<50 { unsafe load_run_once(load) }
  }

  /// Records that do not say what the books say, packets that found none, and batches of two versions at once.
  func flaws(_ worker: UnsafeMutablePointer<hitless_worker>) -> UInt64 {
    unsafe load.pointee.worker = unsafe worker
    return unsafe load_wrong(load) + load.pointee.refused + load.pointee.torn
  }
}
