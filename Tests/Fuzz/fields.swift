import CodeReferences

/// Reads the fields of what the fuzzer makes, each byte's kind and the address it names.
@c(LLVMFuzzerTestOneInput)
public func fuzzFields(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
  var reader = FieldReader(FieldMap(input))
  for offset in input.indices {
    let kind = reader.kind(at: offset)
    _ = reader.target(at: offset, kind: kind)
    _ = reader.end(at: offset, kind: kind)
  }
  return 0
}
