internal import CPlatform
internal import Glibc

/// One loadable segment of an image, at its address in this process.
struct ImageSegment: Equatable, Sendable {
  /// Where its bytes lie.
  let addresses: Range<UInt>
  /// How many of them come from the file.
  let fileSize: Int
  /// Where they come from.
  let fileOffset: Int
  let isReadable: Bool
  let isWritable: Bool
  let isExecutable: Bool

  /// The part that comes from the file.
  var fileAddresses: Range<UInt> {
    addresses.lowerBound..<addresses.lowerBound + UInt(fileSize)
  }
}

/// Where an image lies, as its program headers in memory say.
///
/// The headers were checked in the file before the file was mapped; sums are checked all the same, so
/// that a loader that answers with another image cannot make this process read outside of it.
struct ImageLayout: Sendable {
  let segments: [ImageSegment]
  /// Ranges that hold notes, with the alignment of their entries.
  let notes: [(addresses: Range<UInt>, alignment: Int)]
  /// The program headers themselves.
  let headers: Range<UInt>
  /// What is added to the file's virtual addresses.
  let bias: UInt

  /// Most program headers that an image may have.
  static let headerLimit: UInt32 = 64

  init?(_ image: hitless_shim_image) {
    guard let base = unsafe image.headers, unsafe image.header_count <= Self.headerLimit else {
      return nil
    }
    var segments: [ImageSegment] = []
    var notes: [(addresses: Range<UInt>, alignment: Int)] = []
    for index in 0..<Int(unsafe image.header_count) {
      // SAFETY: the loader vouches for `header_count` headers at this address.
      let header = unsafe base.load(
        fromByteOffset: index * MemoryLayout<Elf64_Phdr>.stride, as: Elf64_Phdr.self)
      let isLoad = header.p_type == UInt32(PT_LOAD)
      guard isLoad || header.p_type == UInt32(PT_NOTE) else { continue }
      guard let start = sum(UInt(unsafe image.bias), UInt(header.p_vaddr)),
        let end = sum(start, UInt(header.p_memsz)), header.p_filesz <= header.p_memsz,
        let offset = Int(exactly: header.p_offset)
      else { return nil }
      guard isLoad else {
        notes.append((start..<end, header.p_align == 8 ? 8 : 4))
        continue
      }
      segments.append(
        ImageSegment(
          addresses: start..<end, fileSize: Int(header.p_filesz), fileOffset: offset,
          isReadable: header.p_flags & UInt32(PF_R) != 0,
          isWritable: header.p_flags & UInt32(PF_W) != 0,
          isExecutable: header.p_flags & UInt32(PF_X) != 0))
    }
    let start = UInt(bitPattern: base)
    let size = UInt(unsafe image.header_count) * UInt(MemoryLayout<Elf64_Phdr>.stride)
    guard let end = sum(start, size) else { return nil }
    self.segments = segments
    self.notes = notes
    headers = start..<end
    bias = UInt(unsafe image.bias)
  }

  /// The segment that holds all of `addresses`.
  func segment(holding addresses: Range<UInt>) -> ImageSegment? {
    segments.first {
      $0.addresses.lowerBound <= addresses.lowerBound
        && addresses.upperBound <= $0.addresses.upperBound
    }
  }

  /// Whether `addresses` can be read.
  func isReadable(_ addresses: Range<UInt>) -> Bool {
    segment(holding: addresses)?.isReadable == true
  }

  /// Where the code lies: the largest executable segment; empty when there is none.
  var code: Range<UInt> {
    segments.filter(\.isExecutable).map(\.addresses).max { $0.count < $1.count } ?? 0..<0
  }

  /// Whether `address` is code of this image.
  func isCode(_ address: UInt) -> Bool {
    guard let end = sum(address, 1) else { return false }
    return segment(holding: address..<end)?.isExecutable == true
  }

  /// Copies bytes of the image; nil when they are not all inside one readable segment.
  func bytes(at addresses: Range<UInt>) -> [UInt8]? {
    guard isReadable(addresses) else { return nil }
    // SAFETY: the range lies in a segment that is mapped readable as long as the image is.
    let start = unsafe UnsafeRawPointer(bitPattern: addresses.lowerBound)
    return unsafe Array(UnsafeRawBufferPointer(start: start, count: addresses.count))
  }
}

private func sum(_ left: UInt, _ right: UInt) -> UInt? {
  let (sum, overflow) = left.addingReportingOverflow(right)
  return overflow ? nil : sum
}
