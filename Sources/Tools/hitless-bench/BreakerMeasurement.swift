internal import CGuard
internal import CHitless
internal import CPathBench
internal import Refusal

/// What a worker's question costs whether the candidate's breaker lets the next batch through.
///
/// The question is the guard's own (`hitless_guard_admits`), called through a pointer, which it is not on the packet
/// path: so the figures are upper bounds.
struct BreakerMeasurement {
  private static let samples = 100_000
  private static let warmUp = 1000

  /// Nanoseconds per decision of every sample, the cost of looking at the clock taken off.
  private let closed: Sample
  private let open: Sample
  private let halfOpen: Sample
  private let spent: Sample

  /// Measures on the calling thread.
  init() throws(Refusal) {
    closed = try Self.measure(0, answer: 1)
    open = try Self.measure(UInt64(HITLESS_BREAKER_OPEN), answer: 0)
    let isHalfOpen = UInt64(HITLESS_BREAKER_HALF_OPEN)
    halfOpen = try Self.measure(isHalfOpen, tokens: .max, answer: 1)
    spent = try Self.measure(isHalfOpen, answer: 0)
  }

  private static func measure(
    _ word: UInt64, tokens: Int64 = 0, answer: Int32
  ) throws(Refusal) -> Sample {
    var breaker = hitless_breaker()
    breaker.word = word
    breaker.tokens = tokens
    var times = [UInt64](repeating: 0, count: samples)
    var empty = [UInt64](repeating: 0, count: samples)
    for count in [warmUp, samples] {
      // SAFETY: both arrays have `count` elements or more, and the breaker is ours for the call.
      let wrong = unsafe path_decisions(
        hitless_guard_admits, &breaker, answer, &times, &empty, UInt64(count))
      guard wrong == 0 else {
        throw Refusal(.integrity, "\(wrong) decisions of a breaker were wrong")
      }
    }
    let clock = Sample(empty.map(Double.init)).median
    return Sample(times.map { max(0, Double($0) - clock) / Double(PATH_DECISIONS) })
  }

  /// Adds all figures.
  func add(to report: inout Report) {
    report.add(
      "breaker_ns_p999", closed.quantile(0.999), places: 2,
      "a decision of a closed breaker: \(PATH_DECISIONS) per sample, the clock taken off")
    report.add("breaker_ns_p50", closed.median, places: 2)
    report.add("breaker_open_ns_p999", open.quantile(0.999), places: 2)
    report.add(
      "breaker_half_open_ns_p999", halfOpen.quantile(0.999), places: 2,
      "the same of a breaker that is half-open: each decision takes a token")
    report.add("breaker_spent_ns_p999", spent.quantile(0.999), places: 2)
  }
}
