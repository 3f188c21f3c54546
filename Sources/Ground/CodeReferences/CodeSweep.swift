/// A linear sweep over the x86-64 instructions of a section.
struct CodeSweep {
  let range: Range<Int>
  let address: UInt64
  let layout: ElfLayout

  /// A section of fewer bytes is not worth two threads, and neither is one of less than this part of the
  /// file: what a half needs to take notes is as large as what the whole file needs.
  private static let sharedFrom = (bytes: 1 << 17, part: 8)
  /// Sweeps that begin at different bytes meet within a few instructions, hardly ever later than this.
  private static let meetingDistance = 4096

  /// Marks where instructions start, and gathers the addresses of read-only data that they take.
  ///
  /// `assistant` does the second half, from where a sweep gets to that begins some way before the middle.
  /// A sweep knows nothing but where it is: if ours comes by there, all that follows is as the assistant
  /// has it; if not, what the assistant has counts for nothing.
  func mark(
    _ bytes: [UInt8], _ bitmap: inout StartBitmap, _ taken: inout TakenAddresses,
    assistant: Assistant?
  ) {
    let isShared =
      range.count >= Self.sharedFrom.bytes && range.count >= bytes.count / Self.sharedFrom.part
    let middle = range.lowerBound &+ range.count / 2
    let errand = isShared ? Errand.begin(assistant) { half(bytes, middle) } : nil
    let end = errand == nil ? range.upperBound : middle
    let start = mark(bytes.span, range.lowerBound..<end, &bitmap, &taken)
    guard let errand else { return }
    let rest = errand.finish()
    if rest.start == start {
      bitmap.formUnion(rest.bitmap)
      taken.formUnion(rest.taken)
    } else {
      mark(bytes.span, start..<range.upperBound, &bitmap, &taken)
    }
  }

  /// What a sweep from `start` to the end of the section finds.
  private struct Half: Sendable {
    let start: Int
    let bitmap: StartBitmap
    let taken: TakenAddresses
  }

  private func half(_ bytes: [UInt8], _ middle: Int) -> Half {
    // These keep nothing.
    var (bitmap, taken) = (StartBitmap(byteCount: 0), TakenAddresses(byteCount: 0))
    let start = mark(
      bytes.span, max(range.lowerBound, middle &- Self.meetingDistance)..<middle, &bitmap, &taken)
    let size = min(bytes.count, FieldMap.byteLimit)
    (bitmap, taken) = (StartBitmap(byteCount: size), TakenAddresses(byteCount: size))
    mark(bytes.span, start..<range.upperBound, &bitmap, &taken)
    return Half(start: start, bitmap: bitmap, taken: taken)
  }

  /// Marks the instructions that start in `part`, in which the first byte starts one; returns where the
  /// next one starts.
  ///
  /// An address is taken by `lea disp32(%rip), %r64`, that is by seven bytes: REX.W with any of R, X
  /// and B (48 … 4F), 8D, a ModRM of which mod is 0 and rm 5, and the displacement.
  @discardableResult
  private func mark(
    _ bytes: Span<UInt8>, _ part: Range<Int>, _ bitmap: inout StartBitmap,
    _ taken: inout TakenAddresses
  ) -> Int {
    var constants = ConstantFinder(layout: layout)
    let shapes = X86Shapes.shared
    var start = part.lowerBound
    while start < part.upperBound {
      bitmap.insert(start)
      let isInside = start <= range.upperBound &- X86Instruction.mostBytes
      let head =
        isInside ? bytes.littleEndian64(at: start) : UInt64(bytes.littleEndian32(at: start))
      if start <= range.upperBound &- 7, head & 0xc7_fff8 == 0x05_8d48 {
        let place = address &+ UInt64(start &- range.lowerBound)
        let target = place &+ 7 &+ bytes.signed32(at: start &+ 3)
        start &+= 7
        if let offset = constants.offset(of: target) { taken.insert(offset) }
      } else if isInside, let shape = shapes.number(head) {
        start &+= shapes.count(shape)
      } else {
        start &+= X86Instruction(bytes, at: start, end: range.upperBound).count
      }
    }
    return start
  }
}
