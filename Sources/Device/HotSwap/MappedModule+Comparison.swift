internal import Bytes
internal import Glibc
package import Refusal

extension MappedModule {
  /// Compares every read-only segment of the mapped image with the bytes of the sealed file.
  ///
  /// The program headers that say what to compare must lie in a segment that is compared. What the
  /// loader relocates (the data that is read-only afterwards) is not the file's by nature; the
  /// descriptor, the table and the hooks in it are checked by `map`.
  /// - Complexity: O(size of the image); touches every page of it.
  package func compare(with file: [UInt8]) throws(Refusal) {
    let segments = image.layout.segments
    let headers = image.layout.headers
    guard segments.contains(where: { !$0.isWritable && contains($0.fileAddresses, headers) }) else {
      throw Refusal(.badELF, "the program headers lie outside of the read-only segments")
    }
    for (index, segment) in segments.enumerated() where !segment.isWritable {
      let (end, overflow) = segment.fileOffset.addingReportingOverflow(segment.fileSize)
      guard segment.isReadable, !overflow, end <= file.count,
        let mapped = image.layout.bytes(at: segment.fileAddresses)
      else {
        throw Refusal(
          .badELF, "a segment of the mapped image is not the file's", at: "segment \(index)")
      }
      let expected = file[segment.fileOffset..<end]
      guard let offset = zip(mapped, expected).enumerated().first(where: { $1.0 != $1.1 })?.offset
      else { continue }
      throw Refusal(
        .race, "the mapped bytes are not the ones that were verified",
        expected: [expected[segment.fileOffset + offset]].hex, found: [mapped[offset]].hex,
        at: "segment \(index), byte \(offset)")
    }
  }

  /// Brings every page of the image into memory, so that no worker meets a page fault in it.
  ///
  /// A kernel without `MADV_POPULATE_READ` (before 5.14) gets the same by touching each page.
  package func prefault() throws(Refusal) {
    let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
    for segment in image.layout.segments {
      let start = segment.addresses.lowerBound / page * page
      let length = (segment.addresses.upperBound - start + page - 1) / page * page
      // SAFETY: the pages are those of a mapped segment; populating changes no byte of them.
      let pointer = unsafe UnsafeMutableRawPointer(bitPattern: start)
      if unsafe madvise(pointer, Int(length), Int32(MADV_POPULATE_READ)) == 0 { continue }
      guard errno == EINVAL else {
        throw Refusal(.noSpace, "cannot bring the module into memory, error \(errno)")
      }
      for address in stride(from: segment.addresses.lowerBound, to: start + length, by: Int(page)) {
        _ = image.layout.bytes(at: address..<min(address + 1, segment.addresses.upperBound))
      }
    }
  }
}

private func contains(_ outer: Range<UInt>, _ inner: Range<UInt>) -> Bool {
  outer.lowerBound <= inner.lowerBound && inner.upperBound <= outer.upperBound
}
