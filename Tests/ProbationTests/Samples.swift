import Probation

/// Figures of a side, made up.
struct Side {
  var packets: UInt64? = 100_000
  var drops: UInt64 = 1000
  var errors: UInt64 = 100
  /// Batch times in nanoseconds; the cycle counter ticks once per nanosecond.
  var median: UInt64 = 2000
  var samples = 1000
  var kind = SignalKind.drops

  var figures: HealthFigures {
    var figures = HealthFigures()
    figures.packets = packets
    if packets != nil {
      figures.counts = [
        SignalCount("dropped", kind, drops), SignalCount("failed", .errors, errors),
      ]
    }
    figures.samples = [SampledValues("batch", .batch, times)]
    return figures
  }

  /// Times around the median: a few percent either way, and a tail.
  private var times: LogHistogram {
    var histogram = LogHistogram()
    for index in 0..<samples {
      let spread = UInt64(index % 21) + 90
      let tail: UInt64 = index % 50 == 0 ? 2 : 1
      histogram.add(1, toBucket: LogHistogram.bucket(of: median * spread * tail * 256 / 100))
    }
    return histogram
  }
}

/// An input at the end of a step.
func input(_ stable: Side = Side(), _ candidate: Side = Side()) -> HealthInput {
  var input = HealthInput()
  input.elapsed = 10
  input.dwell = 10
  input.ticks = 1_000_000
  input.tickNanoseconds = 1_000_000
  input.stable = stable.figures
  input.candidate = candidate.figures
  return input
}

func isUnhealthy(_ verdict: HealthVerdict, _ subject: String) -> Bool {
  guard case .unhealthy(let finding) = verdict else { return false }
  return finding.subject == subject
}

func isInconclusive(_ verdict: HealthVerdict) -> Bool {
  guard case .inconclusive = verdict else { return false }
  return true
}
