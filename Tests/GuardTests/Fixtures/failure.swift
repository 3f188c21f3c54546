/// The same in Embedded Swift: what Swift can do wrong by itself it does, and the rest is inlined from C.
@c(fail_in_swift) public func failInSwift(_ number: UInt64) {
  #if FAIL_segv
  UnsafeMutablePointer<UInt64>(bitPattern: UInt(number & 8 | 16)).unsafelyUnwrapped.pointee = number
  #elseif FAIL_bus
  fail_bus(number)
  #elseif FAIL_fpe
  fail_fpe(number)
  #elseif FAIL_ill
  // An overflow, at which Swift stops.
  var sum = Int8(truncatingIfNeeded: number | 127) & 127
  sum += Int8(truncatingIfNeeded: number & 1)
  keep(&sum)
  #elseif FAIL_trap
  fail_trap(number)
  #elseif FAIL_abort
  abort()
  #elseif FAIL_loop
  var turns = number
  while turns != 0 { turns = turns &+ 2; keep(&turns) }
  #elseif FAIL_overflow
  var sum = descend(number)
  keep(&sum)
  #endif
}

@inline(never)
private func descend(_ number: UInt64) -> UInt64 {
  var own = number
  keep(&own)
  return descend(number &+ 1) &+ own
}
