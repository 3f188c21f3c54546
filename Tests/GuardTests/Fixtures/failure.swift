/// The same in Embedded Swift: what Swift can do wrong by itself it does, and the rest is inlined from C.
@c(fail_in_swift) public func failInSwift(_ failure: UInt32, _ number: UInt64) {
  switch failure {
  case failure_segv.rawValue:
    UnsafeMutablePointer<UInt64>(bitPattern: UInt(number & 8 | 16)).unsafelyUnwrapped.pointee =
      number
  case failure_bus.rawValue: fail_bus(number)
  case failure_fpe.rawValue: fail_fpe(number)
  case failure_ill.rawValue:
    // An overflow, at which Swift stops.
    var sum = Int8(truncatingIfNeeded: number | 127) & 127
    sum += Int8(truncatingIfNeeded: number & 1)
    keep(&sum)
  case failure_trap.rawValue: fail_trap(number)
  case failure_abort.rawValue: abort()
  case failure_loop.rawValue:
    var turns = number
    while turns != 0 { turns = turns &+ 2; keep(&turns) }
  case failure_overflow.rawValue:
    var sum = descend(number)
    keep(&sum)
  default: break
  }
}

@inline(never)
private func descend(_ number: UInt64) -> UInt64 {
  var own = number
  keep(&own)
  return descend(number &+ 1) &+ own
}
