internal import Glibc

/// Waits until `condition` holds, looking every millisecond; false when `seconds` went by without it.
package func eventually(within seconds: Double = 60, _ condition: () -> Bool) -> Bool {
  var begin = timespec()
  // SAFETY: `begin` and `now` below are ours and of the right type.
  _ = unsafe clock_gettime(CLOCK_MONOTONIC, &begin)
  while !condition() {
    var now = timespec()
    _ = unsafe clock_gettime(CLOCK_MONOTONIC, &now)
    let elapsed = Double(now.tv_sec - begin.tv_sec) + Double(now.tv_nsec - begin.tv_nsec) / 1e9
    if elapsed > seconds { return false }
    usleep(1000)
  }
  return true
}
