internal import Glibc

/// Time that only goes forward, for intervals and deadlines.
package enum MonotonicClock {
  /// Nanoseconds of CLOCK_MONOTONIC.
  package static var now: UInt64 { nanoseconds(of: CLOCK_MONOTONIC) }
}

/// The time of day, which an operator or a time server may set.
package enum WallClock {
  /// Nanoseconds since 1970-01-01 UTC.
  package static var now: UInt64 { nanoseconds(of: CLOCK_REALTIME) }
}

/// A moment that a later process can compare with its own, whatever was done to the clock meanwhile.
package struct Moment: Equatable, Sendable {
  /// Names the run of the kernel; empty when it cannot be told.
  package let boot: String
  /// Nanoseconds of CLOCK_BOOTTIME, which nobody sets and which goes on while the machine sleeps.
  package let uptime: UInt64
  /// Nanoseconds since 1970 (UTC).
  package let wall: UInt64

  /// Names a moment.
  package init(boot: String, uptime: UInt64, wall: UInt64) {
    self.boot = boot
    self.uptime = uptime
    self.wall = wall
  }

  /// This moment.
  package static var now: Moment {
    let boot = (try? RegularFile.read("/proc/sys/kernel/random/boot_id", limit: 64)) ?? []
    let name = String(decoding: boot.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    return Moment(boot: name, uptime: nanoseconds(of: CLOCK_BOOTTIME), wall: WallClock.now)
  }

  /// Nanoseconds from `earlier` to here; nil when the clock was set back and the machine restarted.
  package func since(_ earlier: Moment) -> UInt64? {
    if !boot.isEmpty && boot == earlier.boot && uptime >= earlier.uptime {
      return uptime - earlier.uptime
    }
    return wall >= earlier.wall ? wall - earlier.wall : nil
  }
}

/// A point in monotonic time by which something must be done.
package struct Deadline: Equatable, Sendable {
  /// Nanoseconds of CLOCK_MONOTONIC.
  package let time: UInt64

  /// The point `time`, in nanoseconds of CLOCK_MONOTONIC.
  package static func at(_ time: UInt64) -> Deadline { Deadline(time: time) }

  /// The point `nanoseconds` from now; a sum beyond 64 bits is the last point there is.
  package static func after(_ nanoseconds: UInt64) -> Deadline {
    let (time, overflow) = MonotonicClock.now.addingReportingOverflow(nanoseconds)
    return Deadline(time: overflow ? .max : time)
  }

  /// Nanoseconds that are left; 0 when it has passed.
  package var remaining: UInt64 {
    let now = MonotonicClock.now
    return now < time ? time - now : 0
  }

  /// Whether it is too late.
  package var hasPassed: Bool { remaining == 0 }

  /// What is left in the terms of `poll`: milliseconds, rounded up, at most a day.
  package var pollTimeout: Int32 {
    Int32(min(remaining / 1_000_000 + (remaining % 1_000_000 == 0 ? 0 : 1), 86_400_000))
  }
}

private func nanoseconds(of clock: clockid_t) -> UInt64 {
  var time = timespec()
  // SAFETY: `time` is ours; both clocks exist on every Linux, so the call cannot fail.
  _ = unsafe clock_gettime(clock, &time)
  return UInt64(max(0, time.tv_sec)) &* 1_000_000_000 &+ UInt64(max(0, time.tv_nsec))
}
