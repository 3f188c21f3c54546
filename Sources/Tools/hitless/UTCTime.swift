internal import ArgumentParser
internal import Glibc

/// A moment in whole seconds since 1970, as people write it: `2027-01-31`, `2027-01-31T12:00:00Z`, or
/// the number of seconds.
struct UTCTime: Equatable, Sendable {
  /// Seconds since 1970, UTC, without leap seconds.
  let seconds: UInt64

  /// This moment, by the clock of the system.
  static var now: UTCTime { UTCTime(seconds: UInt64(max(0, time(nil)))) }

  /// Takes seconds since 1970.
  init(seconds: UInt64) { self.seconds = seconds }

  /// Reads one of the three forms; a date alone is its first second.
  init?(_ text: String) {
    if let seconds = UInt64(text) {
      self.init(seconds: seconds)
      return
    }
    let parts = text.split(separator: "T", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), let day = Self.day(parts[0]) else { return nil }
    var second: UInt64 = 0
    if parts.count == 2 {
      guard parts[1].hasSuffix("Z"), let found = Self.second(parts[1].dropLast()) else {
        return nil
      }
      second = found
    }
    self.init(seconds: day * 86_400 + second)
  }

  /// Days since 1970 of `YYYY-MM-DD`.
  private static func day(_ text: Substring) -> UInt64? {
    let fields = text.split(separator: "-", omittingEmptySubsequences: false)
    guard fields.map(\.count) == [4, 2, 2], let year = number(fields[0]),
      let month = number(fields[1]), let day = number(fields[2]), year >= 1970,
      (1...12).contains(month), (1...length(of: month, in: year)).contains(day)
    else { return nil }
    let monthDays = (1..<month).reduce(0) { $0 + length(of: $1, in: year) }
    let before = year - 1
    let leapDays = before / 4 - before / 100 + before / 400 - 477
    return (year - 1970) * 365 + leapDays + monthDays + day - 1
  }

  /// Seconds since midnight of `HH:MM:SS`.
  private static func second(_ text: Substring) -> UInt64? {
    let fields = text.split(separator: ":", omittingEmptySubsequences: false)
    guard fields.map(\.count) == [2, 2, 2], let hour = number(fields[0]),
      let minute = number(fields[1]), let second = number(fields[2]), hour < 24, minute < 60,
      second < 60
    else { return nil }
    return (hour * 60 + minute) * 60 + second
  }

  private static func number(_ digits: Substring) -> UInt64? {
    digits.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt64(digits) : nil
  }

  private static func length(of month: UInt64, in year: UInt64) -> UInt64 {
    switch month {
    case 4, 6, 9, 11: 30
    case 2:
      year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400)) ? 29 : 28
    default: 31
    }
  }
}

extension UTCTime: ExpressibleByArgument {
  init?(argument: String) { self.init(argument) }
}

extension UTCTime: CustomStringConvertible {
  /// The moment as `2027-01-31T12:00:00Z`; seconds where a year has more than four digits.
  var description: String {
    // 9999-12-31T23:59:59Z
    guard seconds <= 253_402_300_799 else { return "\(seconds) seconds after 1970" }
    var year: UInt64 = 1970
    var day = seconds / 86_400
    while true {
      let length: UInt64 = Self.length(of: 2, in: year) == 29 ? 366 : 365
      if day < length { break }
      day -= length
      year += 1
    }
    var month: UInt64 = 1
    while day >= Self.length(of: month, in: year) {
      day -= Self.length(of: month, in: year)
      month += 1
    }
    let second = seconds % 86_400
    let clock = [second / 3600, second / 60 % 60, second % 60].map(Self.two).joined(separator: ":")
    return "\(year)-\(Self.two(month))-\(Self.two(day + 1))T\(clock)Z"
  }

  private static func two(_ number: UInt64) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
