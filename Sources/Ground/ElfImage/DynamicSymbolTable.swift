internal import Bytes

/// Reads the dynamic symbols through the dynamic tags, as the loader does.
struct DynamicSymbolTable {
  let dynamic: [DynamicEntry]
  let memory: MappedFile

  /// Returns all symbols that the loader could reach; none when there is no table.
  func symbols() throws(FormatError) -> [ElfSymbol] {
    guard let table = dynamic.address(of: .symbolTable) else { return [] }
    if let size = dynamic.value(of: .symbolEntry), size != RawSymbol.byteCount {
      throw FormatError(.illegal("the size of a dynamic symbol, \(size)"), at: memory.bytes.count)
    }
    let count = try self.count()
    guard count <= ElfLimits.symbols else {
      throw FormatError(
        .overLimit("number of dynamic symbols", found: count, limit: ElfLimits.symbols),
        at: memory.bytes.count)
    }
    var names = try strings()
    let versions = try SymbolVersions(dynamic: dynamic, memory: memory, count: count)
    var reader = try memory.reader(table, count * RawSymbol.byteCount, "the dynamic symbol table")
    var symbols: [ElfSymbol] = []
    for index in 0..<count {
      let symbol = try RawSymbol(parsing: &reader)
      let version = versions.version(of: Int(index), isDefined: symbol.sectionIndex != 0)
      symbols.append(symbol.named(try names.string(at: symbol.nameOffset), version: version))
    }
    return symbols
  }

  /// Returns the dynamic string table.
  func strings() throws(FormatError) -> StringTable {
    let what = "the dynamic string table"
    guard let address = dynamic.address(of: .stringTable),
      let size = dynamic.value(of: .stringTableSize),
      let range = memory.file(address, size)
    else {
      throw FormatError(.illegal("\(what) outside of the mapped file"), at: memory.bytes.count)
    }
    return try StringTable(memory.bytes, in: range)
  }

  /// Returns how many symbols there are: no tag says it, so it follows from whoever refers to them.
  ///
  /// The hash tables know the symbols that can be found by name, the relocations the others.
  private func count() throws(FormatError) -> UInt64 {
    var count: UInt64 = 1
    if let address = dynamic.address(of: .hash) {
      var reader = try memory.reader(address, 8, "the hash table")
      try reader.skip(4)
      count = max(count, UInt64(try reader.little(UInt32.self)))
    }
    if let address = dynamic.address(of: .gnuHash) {
      count = max(count, try gnuHashCount(address))
    }
    try RelocationTables(dynamic: dynamic, memory: memory).visit { relocation in
      count = max(count, UInt64(relocation.symbol) + 1)
    }
    return count
  }

  /// Returns one more than the highest symbol in the GNU hash table: the end of its last chain.
  private func gnuHashCount(_ address: VirtualAddress) throws(FormatError) -> UInt64 {
    let what = "the GNU hash table"
    var reader = try memory.reader(address, 16, what)
    let start = reader.position
    let buckets = UInt64(try reader.little(UInt32.self))
    let first = UInt64(try reader.little(UInt32.self))
    let filter = UInt64(try reader.little(UInt32.self))
    guard buckets > 0, filter.nonzeroBitCount == 1 else {
      throw FormatError(.illegal("the size of \(what)"), at: start)
    }
    // Counts are of 32 bits, so that none of these sums and products can overflow.
    let bucketsAt = try address.rawValue.adding(16 + 8 * filter, at: start)
    let chainsAt = try bucketsAt.adding(4 * buckets, at: start)
    reader = try memory.reader(VirtualAddress(bucketsAt), 4 * buckets, what)
    var last: UInt64 = 0
    for _ in 0..<buckets {
      let symbol = UInt64(try reader.little(UInt32.self))
      guard symbol == 0 || symbol >= first else {
        throw FormatError(.illegal("a bucket of \(what)"), at: start)
      }
      last = max(last, symbol)
    }
    guard last != 0 else { return first }
    let chain = VirtualAddress(try chainsAt.adding(4 * (last - first), at: start))
    reader = try memory.reader(from: chain, what)
    repeat { last += 1 } while try reader.little(UInt32.self) & 1 == 0
    return last
  }
}
