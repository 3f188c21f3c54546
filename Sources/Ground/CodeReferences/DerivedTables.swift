/// Tables of a file that follow from other bytes of it.
///
/// They are made from the target's bytes when everything else is decoded: none of their own bytes, or
/// 16 of `.gnu.hash`, need to be in a delta. What is made is a proposal: an encoder compares it with
/// the file.
package enum DerivedTables {
  /// The most FDEs that are sorted.
  package static let maximumFrames = 1 << 22
  /// The most bytes of names that are hashed.
  package static let maximumHashedBytes = 1 << 26

  /// The bytes of `.eh_frame_hdr`, section `section`, made from those of `.eh_frame`, section `frames`;
  /// nil when there are none of its size, or the FDEs are not such as to allow it.
  ///
  /// The table is the one that LSB Core, "Exception Frame Header", describes, with version 1,
  /// `eh_frame_ptr` relative to itself in four bytes (1b), the count in four bytes (03), and entries of
  /// two times four bytes relative to the section (3b): the address of an FDE's code, and that of
  /// the FDE. Entries ascend by the first; of equal ones, the order of the FDEs stays. FDEs of which
  /// the CIE is not understood, or has another encoding than 1b, allow no table. Bytes behind the last
  /// entry are 0, as linkers leave them that give room before they drop FDEs.
  package static func frameHeader(
    _ section: Int, layout: ElfLayout, frames: Int, bytes: Span<UInt8>
  ) -> [UInt8]? {
    let place = layout.range(of: section)
    let source = layout.range(of: frames)
    guard layout.isWhole(section), layout.isWhole(frames), place.count >= 12,
      place.upperBound <= bytes.count, source.upperBound <= bytes.count
    else { return nil }
    let address = layout.address(of: section)
    let framesAddress = layout.address(of: frames)
    let maximum = min((place.count &- 12) / 8, maximumFrames)
    guard
      var entries = frameEntries(
        bytes, source, address: framesAddress, relativeTo: address, maximum: maximum)
    else { return nil }
    sort(&entries)
    var table: [UInt8] = [1, 0x1b, 0x03, 0x3b]
    table.reserveCapacity(place.count)
    table.append(littleEndian: framesAddress &- address &- 4, count: 4)
    table.append(littleEndian: UInt64(entries.count), count: 4)
    for entry in entries {
      table.append(littleEndian: UInt64(entry.code), count: 4)
      table.append(littleEndian: UInt64(entry.frame), count: 4)
    }
    table.append(contentsOf: repeatElement(0, count: place.count &- table.count))
    return table
  }

  private struct FrameEntry {
    let code: UInt32
    let frame: UInt32
    let number: Int

    /// What entries are sorted by: `code` as a signed number, then their order.
    var key: (Int32, Int) { (Int32(bitPattern: code), number) }
  }

  private static func frameEntries(
    _ bytes: Span<UInt8>, _ source: Range<Int>, address: UInt64, relativeTo header: UInt64,
    maximum: Int
  ) -> [FrameEntry]? {
    var entries: [FrameEntry] = []
    entries.reserveCapacity(maximum)
    var cache = CommonEntryCache(section: source)
    var start = source.lowerBound
    while let record = FrameRecord(bytes, at: start, limit: source.upperBound) {
      start = record.end
      guard record.end &- record.identifier >= 4,
        bytes.littleEndian32(at: record.identifier) != 0
      else { continue }
      guard let common = record.commonEntry(bytes, section: source),
        let entry = cache.entry(bytes, at: common), entry.hasRelativeCode,
        record.end &- record.identifier >= 12, entries.count < maximum
      else { return nil }
      let field = record.identifier &+ 4
      let place = address &+ UInt64(field &- source.lowerBound)
      let code = place &+ bytes.signed32(at: field) &- header
      let frame = address &+ UInt64(record.start &- source.lowerBound) &- header
      entries.append(
        FrameEntry(
          code: UInt32(truncatingIfNeeded: code), frame: UInt32(truncatingIfNeeded: frame),
          number: entries.count))
    }
    return entries
  }

  private static func sort(_ entries: inout [FrameEntry]) {
    if zip(entries, entries.dropFirst()).allSatisfy({ $0.key < $1.key }) { return }
    entries.sort { $0.key < $1.key }
  }
}
