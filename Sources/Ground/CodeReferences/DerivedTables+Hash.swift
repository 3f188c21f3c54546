extension DerivedTables {
  /// The bytes of `.gnu.hash`, section `section`: its first 16 bytes as they are, and a bloom filter,
  /// buckets and chains made from the symbol table it links to and that one's strings; nil when these
  /// do not make a table of its size.
  ///
  /// The 16 bytes are the number of buckets, the index of the first symbol in the table, the number of
  /// words of the bloom filter, and its shift. With h the hash of a symbol's name (h = 5381, then
  /// h = 33 h + byte, in 32 bits): bits h mod 64 and (h >> shift) mod 64 are set in word
  /// (h / 64) mod words; bucket h mod buckets has the index of the first symbol that belongs to it, or
  /// 0; the chain has for each symbol h with the lowest bit set when the next symbol belongs to
  /// another bucket, or there is none, and clear otherwise.
  package static func gnuHash(
    _ section: Int, layout: ElfLayout, bytes: Span<UInt8>
  ) -> [UInt8]? {
    let place = layout.range(of: section)
    guard layout.isWhole(section), place.count >= 16, place.upperBound <= bytes.count,
      let table = HashedSymbols(section, layout: layout, byteCount: bytes.count)
    else { return nil }
    let bucketCount = Int(bytes.littleEndian32(at: place.lowerBound))
    let first = Int(bytes.littleEndian32(at: place.lowerBound &+ 4))
    let wordCount = Int(bytes.littleEndian32(at: place.lowerBound &+ 8))
    let shift = bytes.littleEndian32(at: place.lowerBound &+ 12)
    let symbolCount = max(table.count &- first, 0)
    guard bucketCount > 0, wordCount > 0,
      16 &+ 8 &* wordCount &+ 4 &* bucketCount &+ 4 &* symbolCount == place.count,
      let hashes = table.hashes(bytes, from: first)
    else { return nil }
    var filter = [UInt64](repeating: 0, count: wordCount)
    var buckets = [UInt32](repeating: 0, count: bucketCount)
    var chain: [UInt32] = []
    chain.reserveCapacity(symbolCount)
    for (index, hash) in hashes.enumerated() {
      let second = shift < 32 ? hash >> shift : 0
      filter[Int(hash / 64) % wordCount] |= 1 << UInt64(hash & 63) | 1 << UInt64(second & 63)
      let bucket = Int(hash) % bucketCount
      if buckets[bucket] == 0 { buckets[bucket] = UInt32(truncatingIfNeeded: first &+ index) }
      let isLast =
        index &+ 1 == hashes.count || Int(hashes[index &+ 1]) % bucketCount != bucket
      chain.append(isLast ? hash | 1 : hash & ~1)
    }
    var made = copy(bytes, place.lowerBound..<place.lowerBound &+ 16)
    made.reserveCapacity(place.count)
    for word in filter { made.append(littleEndian: word, count: 8) }
    for word in buckets { made.append(littleEndian: UInt64(word), count: 4) }
    for word in chain { made.append(littleEndian: UInt64(word), count: 4) }
    return made
  }
}

/// The symbols a hash table is made for.
private struct HashedSymbols {
  private let symbols: Range<Int>
  private let strings: Range<Int>
  /// How many there are, with the null symbol.
  let count: Int

  /// The symbol table that the section links to and its strings, or nil when it does not.
  init?(_ section: Int, layout: ElfLayout, byteCount: Int) {
    guard let table = Self.link(section, layout, .symbols),
      let names = Self.link(table, layout, .strings)
    else { return nil }
    symbols = layout.range(of: table)
    strings = layout.range(of: names)
    count = symbols.count / SymbolRecord.byteCount
    guard symbols.upperBound <= byteCount, strings.upperBound <= byteCount else { return nil }
  }

  private static func link(_ section: Int, _ layout: ElfLayout, _ role: SectionRole) -> Int? {
    guard layout.sections.indices.contains(section) else { return nil }
    let index = Int(layout.sections[section].link)
    return layout.role(index) == role && layout.isWhole(index) ? index : nil
  }

  /// The hashes of the names from symbol `first` on; nil when that is too much work, or a name has no
  /// end.
  func hashes(_ bytes: Span<UInt8>, from first: Int) -> [UInt32]? {
    var hashes: [UInt32] = []
    hashes.reserveCapacity(max(count &- first, 0))
    var left = DerivedTables.maximumHashedBytes
    var symbol = first
    while symbol < count {
      let name = bytes.littleEndian32(
        at: symbols.lowerBound &+ symbol &* SymbolRecord.byteCount)
      var cursor = strings.lowerBound &+ Int(name)
      var hash: UInt32 = 5381
      while true {
        guard cursor < strings.upperBound, left > 0 else { return nil }
        let byte = bytes[cursor]
        if byte == 0 { break }
        hash = hash &* 33 &+ UInt32(byte)
        cursor &+= 1
        left &-= 1
      }
      hashes.append(hash)
      symbol &+= 1
    }
    return hashes
  }
}
