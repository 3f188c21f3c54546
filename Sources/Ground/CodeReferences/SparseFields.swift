/// Fields that stand somewhere because a table says so: slots that the loader relocates, names of
/// needed versions.
struct SparseFields: Sendable {
  /// The most fields that are kept; those that tables name after these are forgotten.
  static let maximumCount = 1 << 20

  /// The most slots that are looked at; those that tables name after these are not.
  static let maximumSlots = 1 << 22

  /// The most records of needed and defined versions that are read.
  static let maximumVersions = 1 << 16

  /// Where each field begins, ascending; no two overlap.
  private(set) var offsets: [UInt32] = []
  /// What each is; fields of addresses have eight bytes, others four.
  private(set) var kinds: [ByteKind] = []

  /// Without fields.
  init() {}

  /// Puts the candidates in order; of those that overlap the one at the lower offset stays, and of two
  /// at the same the one of the lower kind.
  init(_ candidates: consuming Candidates) {
    var keys = candidates.keys
    if !zip(keys, keys.dropFirst()).allSatisfy({ $0 <= $1 }) { keys.sort() }
    offsets.reserveCapacity(keys.count)
    kinds.reserveCapacity(keys.count)
    var end = 0
    for key in keys {
      let offset = Int(key >> 8)
      let kind = ByteKind(rawValue: UInt8(truncatingIfNeeded: key))
      guard offset >= end else { continue }
      offsets.append(UInt32(truncatingIfNeeded: offset))
      kinds.append(kind)
      end = offset &+ Self.size(kind)
    }
  }

  /// How many bytes a field of this kind has here.
  @inline(__always)
  static func size(_ kind: ByteKind) -> Int { kind == .address64 ? 8 : 4 }

  /// The number of the first field that ends after `offset`; the number of fields when none does.
  func first(endingAfter offset: Int) -> Int {
    guard offset >= 0 else { return 0 }
    let key = UInt32(truncatingIfNeeded: min(offset, Int(UInt32.max)))
    let last = lastIndex(offsets, atOrBelow: key)
    guard last >= 0 else { return 0 }
    return Int(offsets[last]) &+ Self.size(kinds[last]) > offset ? last : last &+ 1
  }

  /// Whether a field has one of the bytes of `range`.
  func overlaps(_ range: Range<Int>) -> Bool {
    let index = first(endingAfter: range.lowerBound)
    return index < offsets.count && Int(offsets[index]) < range.upperBound
  }

  /// Writes the fields that lie in the page from `base` on, or partly.
  func paint(_ kinds: inout MutableSpan<UInt8>, base: Int) {
    var index = first(endingAfter: base)
    while index < offsets.count, Int(offsets[index]) < base &+ kinds.count {
      let kind = self.kinds[index]
      kinds.paint(kind, at: Int(offsets[index]) &- base, count: Self.size(kind))
      index &+= 1
    }
  }

  /// Fields in the order in which tables name them.
  struct Candidates {
    /// Offset and kind as one number, in the order that fields are put in.
    fileprivate var keys: [UInt64] = []

    /// How many more records of needed or defined versions may be read, in all tables together: their
    /// chains may cross, so that a table has more of them than its size tells.
    var versionsLeft = SparseFields.maximumVersions
    /// How many more slots may be looked at.
    var slotsLeft = SparseFields.maximumSlots
    /// Whether no more are taken.
    var isFull: Bool { keys.count >= SparseFields.maximumCount || slotsLeft <= 0 }

    /// Adds a field, unless there are too many; `offset` is below `FieldMap.byteLimit`.
    mutating func append(_ kind: ByteKind, at offset: Int) {
      guard !isFull else { return }
      keys.append(UInt64(truncatingIfNeeded: offset) << 8 | UInt64(kind.rawValue))
    }
  }
}
