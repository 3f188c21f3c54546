internal import Bytes

/// The file as the loader maps it: addresses that have bytes behind them.
struct MappedFile: Sendable {
  let bytes: [UInt8]
  private let loads: [(memory: Range<UInt64>, offset: UInt64)]

  init(bytes: [UInt8], segments: [ProgramHeader]) {
    self.bytes = bytes
    loads = segments.compactMap { segment in
      let (end, overflow) = segment.address.rawValue.addingReportingOverflow(segment.fileSize)
      guard segment.kind == .load, !overflow else { return nil }
      return (segment.address.rawValue..<end, segment.offset)
    }
  }

  /// Returns the file offsets of the `count` bytes at `address`, or nil when one segment does not map
  /// them all from the file.
  func file(_ address: VirtualAddress, _ count: UInt64) -> Range<UInt64>? {
    let start = address.rawValue
    for (memory, offset) in loads where memory.contains(start) || memory.lowerBound == start {
      let (position, early) = offset.addingReportingOverflow(start - memory.lowerBound)
      let (end, late) = position.addingReportingOverflow(count)
      guard count <= memory.upperBound - start, !early, !late, end <= UInt64(bytes.count) else {
        continue
      }
      return position..<end
    }
    return nil
  }

  /// Returns a reader from `address` to the end of the bytes that are mapped there.
  func reader(from address: VirtualAddress, _ what: String) throws(FormatError) -> ByteReader {
    for (memory, offset) in loads where memory.contains(address.rawValue) {
      guard let start = file(address, 1)?.lowerBound else { continue }
      let end = offset.addingReportingOverflow(memory.upperBound - memory.lowerBound)
      guard !end.overflow else { continue }
      return try ByteReader(bytes, in: start..<min(end.partialValue, UInt64(bytes.count)))
    }
    throw FormatError(.illegal("\(what) (\(address)) outside of the mapped file"), at: bytes.count)
  }

  /// Returns a reader over the `count` bytes at `address`; `what` names them in the error.
  func reader(
    _ address: VirtualAddress, _ count: UInt64, _ what: String
  ) throws(FormatError) -> ByteReader {
    guard let range = file(address, count) else {
      throw FormatError(
        .illegal("\(what) (\(address)) outside of the mapped file"), at: bytes.count)
    }
    return try ByteReader(bytes, in: range)
  }
}

extension ElfImage {
  /// Returns the bytes at `address` as they are in the file, or nil when they are not all mapped from it.
  package func fileBytes(at address: VirtualAddress, count: UInt64) -> ArraySlice<UInt8>? {
    let memory = MappedFile(bytes: bytes, segments: programHeaders)
    guard let range = memory.file(address, count) else { return nil }
    return bytes[Int(range.lowerBound)..<Int(range.upperBound)]
  }

  /// Returns the bytes of `section`, nil when they are not all in the file, none when it holds no bits.
  package func contents(of section: ElfSection) -> ArraySlice<UInt8>? {
    guard section.kind != .noBits else { return [] }
    let (end, overflow) = section.offset.addingReportingOverflow(section.size)
    guard !overflow, end <= UInt64(bytes.count) else { return nil }
    return bytes[Int(section.offset)..<Int(end)]
  }
}
