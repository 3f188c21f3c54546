internal import CUPF

/// The open-addressed table that finds a key's PDRs, as upf/slots.h lays it out.
struct KeyTable {
  private(set) var entries: [upf_pdr_key]
  let mask: UInt32

  /// An empty table that is at most half full with `count` keys.
  init(count: Int) {
    var size = 2
    while size < 2 * count { size *= 2 }
    entries = Array(repeating: upf_pdr_key(), count: size)
    mask = UInt32(size - 1)
  }

  /// Enters a key; returns the first PDR of the one that already has it, if there is one.
  mutating func insert(_ key: UInt64, firstPDR: Int, count: Int) -> Int? {
    var index = upf_key_hash(key) & mask
    while entries[Int(index)].pdr_count > 0 {
      if entries[Int(index)].key == key { return Int(entries[Int(index)].first_pdr) }
      index = (index &+ 1) & mask
    }
    entries[Int(index)] = upf_pdr_key(
      key: key, first_pdr: UInt32(firstPDR), pdr_count: UInt32(count))
    return nil
  }
}
