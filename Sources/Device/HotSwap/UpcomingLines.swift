internal import CHitless
internal import Glibc

/// Addresses of the cache lines that a worker meets first when one generation takes another's place.
///
/// The lines of modules that both have are not among them. They are hints: what a worker does with them
/// cannot fault, so they may outlive the modules they lie in, though the domain sees to it that they do
/// not.
///
/// Threading: immutable.
@safe
final class UpcomingLines: @unchecked Sendable {
  /// Most lines of all modules together, 64 KiB: what is announced must leave the worker's own data in
  /// its second-level cache, and is fetched in a quarter of that many batches.
  static let limit = 1024

  /// The generation that is announced.
  let generation: Generation
  let addresses: UnsafePointer<UnsafeRawPointer?>
  let count: Int

  /// Collects the lines of `next` that a worker has not met in `current`; nil without memory.
  ///
  /// Each new module has an equal share of the limit. Complexity: O(limit + size of the tables).
  init?(of next: Generation, after current: Generation) {
    let known = Set(current.modules.map { ObjectIdentifier($0) })
    let modules = next.modules.filter { !known.contains(ObjectIdentifier($0)) }
    let record = unsafe UInt(bitPattern: next.record)
    var lines = Self.lines(at: record, byteCount: next.byteCount)
    for module in modules {
      lines += module.firstLines(limit: Self.limit / modules.count)
    }
    let word = MemoryLayout<UInt>.stride
    guard let memory = unsafe lineAlignedMemory(lines.count * word) else { return nil }
    let list = unsafe memory.bindMemory(to: UnsafeRawPointer?.self, capacity: lines.count)
    for (index, line) in lines.enumerated() {
      unsafe list[index] = unsafe UnsafeRawPointer(bitPattern: line)
    }
    generation = next
    unsafe addresses = UnsafePointer(list)
    count = lines.count
  }

  deinit {
    unsafe free(UnsafeMutableRawPointer(mutating: addresses))
  }

  /// The lines that hold `byteCount` bytes at `address`.
  static func lines(at address: UInt, byteCount: Int) -> [UInt] {
    let start = address / line * line
    return Array(stride(from: start, to: address + UInt(byteCount), by: Int(line)))
  }

  /// Bytes of a cache line.
  static let line: UInt = 64
}

extension MappedModule {
  /// How much of a function is fetched from its entry on, when the module is too large to fetch all.
  private static let entryBytes = 1024

  /// The lines of the function table, then of code, at most `limit` of them.
  ///
  /// All code, when there is room for it; otherwise what follows the entries that the table names, in
  /// the table's order.
  func firstLines(limit: Int) -> [UInt] {
    let address = unsafe UInt(bitPattern: table)
    var lines = UpcomingLines.lines(at: address, byteCount: Int(facts.table_size))
    let code = image.layout.segments.filter(\.isExecutable)
    // Each segment may begin and end within a line.
    let room = (limit - lines.count - 2 * code.count) * Int(UpcomingLines.line)
    if code.reduce(0, { $0 + $1.fileSize }) <= room {
      return lines
        + code.flatMap {
          UpcomingLines.lines(at: $0.addresses.lowerBound, byteCount: $0.fileSize)
        }
    }
    var known = Set(lines)
    for entry in entries {
      for line in UpcomingLines.lines(at: entry, byteCount: Self.entryBytes)
      where image.layout.isCode(line) && known.insert(line).inserted {
        lines.append(line)
      }
    }
    return Array(lines.prefix(limit))
  }

  /// Words of the function table that are addresses of this module's code.
  private var entries: [UInt] {
    let address = unsafe UInt(bitPattern: table)
    guard let bytes = image.layout.bytes(at: address..<address + UInt(facts.table_size)) else {
      return []
    }
    return stride(from: 0, to: bytes.count - 7, by: 8).compactMap { offset in
      let word = bytes[offset..<offset + 8].reversed().reduce(UInt(0)) { $0 << 8 | UInt($1) }
      return image.layout.isCode(word) ? word : nil
    }
  }
}
