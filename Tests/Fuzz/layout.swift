import CodeReferences

/// Makes the layout of what the fuzzer makes and asks it all there is to ask, derived tables included.
@c(LLVMFuzzerTestOneInput)
public func fuzzLayout(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
  guard let layout = ElfLayout(input.span) else { return 0 }
  for section in layout.sections.indices {
    let address = layout.address(of: section)
    _ = layout.section(atAddress: address)
    _ = layout.offset(ofAddress: address &- 1)
    _ = DerivedTables.gnuHash(section, layout: layout, bytes: input.span)
    _ = DerivedTables.frameHeader(section, layout: layout, frames: 1, bytes: input.span)
  }
  return 0
}
