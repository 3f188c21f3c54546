internal import Bytes

/// How long workers took to be on stable again, by the way in which the candidate failed.
struct FaultFigures: Sendable {
  /// A way to fail.
  struct Way: Hashable, Sendable {
    let kind: FaultKind
    let language: FaultKind.Language
    let stage: FaultStage
    /// How many fail at the same moment.
    let workers: Int

    /// Those of the named figures.
    static let first = Way(kind: .segv, language: .c, stage: .probation, workers: 1)
    static let loop = Way(kind: .loop, language: .c, stage: .probation, workers: 1)

    /// All of them, in the order in which they are reported.
    static var all: [Way] {
      FaultStage.allCases.flatMap { stage in
        stage.workers.flatMap { workers in
          FaultKind.Language.allCases.flatMap { language in
            FaultKind.allCases.map { kind in
              Way(kind: kind, language: language, stage: stage, workers: workers)
            }
          }
        }
      }
    }
  }

  /// Up to the first instruction on stable.
  ///
  /// Of faults from the moment before the failing stage is called, of loops from the watchdog's decision.
  var nanoseconds: [Way: [Double]] = [:]

  /// Adds all figures.
  func add(to report: inout Report) {
    let (faults, loops) = (sample(.first), sample(.loop))
    report.add(
      "fault_to_stable_us_p50", faults.median / 1000,
      "from a faulting instruction in C to the same batch on stable, one worker")
    report.add("fault_to_stable_us_p99", faults.quantile(0.99) / 1000)
    report.add(
      "late_to_stable_us_p50", loops.median / 1000,
      "from the watchdog's decision to the same batch on stable, one worker")
    report.add("late_to_stable_us_p99", loops.quantile(0.99) / 1000)
    let worst = Way.all.map { sample($0).median }.max() ?? .nan
    report.add(
      "fault_to_stable_us_p50_worst", worst / 1000, "the largest of the medians that follow")
    report.add("fault_to_stable_us_p50_by_kind", Way.all.map(entry))
  }

  private func sample(_ way: Way) -> Sample { Sample(nanoseconds[way] ?? []) }

  private func entry(_ way: Way) -> Report.Entry {
    let sample = sample(way)
    let workers = way.workers == 1 ? "one worker" : "\(way.workers) workers at once"
    return Report.Entry(
      values: [
        ("kind", .string(way.kind.rawValue)), ("module", .string(way.language.name)),
        ("stage", .string(way.stage.rawValue)), ("workers", .integer(Int64(way.workers))),
        ("p50", .number((sample.median / 1000).rounded(places: 3))),
        ("p99", .number((sample.quantile(0.99) / 1000).rounded(places: 3))),
        ("samples", .integer(Int64(sample.count))),
      ], text: (sample.median / 1000).text(3),
      note: "\(way.kind.rawValue), \(way.language.name), \(way.stage), \(workers)")
  }
}
