internal import DeltaModel
internal import Dispatch
internal import Platform

/// Moves the ends of covers to where the delta is smallest, and drops covers that do not pay, by trying it out.
///
/// What a cover is worth is guessed while covers are found; what it costs only the coder knows, for a cover changes
/// what is foretold around it. One pass of the coder tries changes at many places far enough from each other, and what
/// the bits around each place were spent on tells which of them pay. Those are made together, as far as the delta as a
/// whole is smaller for it; then all places are tried again beside which anything would have paid.
///
/// The same inputs give the same covers, whatever the number of threads.
///
/// Complexity: a bounded number of passes, the fewer the more a pass has to do, of which at most `atOnce` run at a time.
struct CoverTuning {
  /// What all passes together may cost, some seconds: one costs a sixteenth of the bytes of both files, eight times the
  /// bits of the delta, and what making the models does.
  private static let budget = 40 << 20
  private static let (bytesPerUnit, unitsPerBit, unitsOfModels) = (16, 8, 4096)
  /// Small files need no more passes; with fewer there is not one round, which takes some three dozen.
  private static let (mostPasses, fewestPasses) = (400, 35)
  /// What is saved has to be more than this, in 1/65536 bits: models change a little wherever anything does.
  private static let leastGain: Int64 = 1 << 15
  /// Changes closer to each other than so many boundaries are not tried at once.
  private static let distance = 3
  /// So many passes are made at once at most: each has models and a target of its own.
  private static let atOnce = 8

  private typealias Move = CoverMoves.Move

  /// What a delta costs, by what is coded between the starts of covers; number 0 is what is before the first.
  private struct Costs {
    var total: UInt64 = 0
    var contents: [UInt64]
    var controls: [UInt64]

    /// What the two covers at a boundary cost, and where the one behind them lies.
    func around(_ boundary: Int) -> UInt64 {
      contents[boundary] + controls[boundary]
        + (boundary + 1 < contents.count ? contents[boundary + 1] + controls[boundary + 1] : 0)
        + (boundary + 2 < controls.count ? controls[boundary + 2] : 0)
    }
  }

  /// What can be tried.
  let moves: CoverMoves
  /// Codes the target by way of covers, and returns what the bits were spent on.
  let book: @Sendable ([Cover]) -> CostBook?
  /// Told how much of the budget is spent, from 0 to 1.
  let progress: @Sendable (Double) -> Void

  /// How many passes of the coder are worth it, of files of these `sizes` and a delta of `bits`.
  private static func passes(_ sizes: (base: Int, target: Int), bits: Int) -> Int {
    let files = (sizes.base + sizes.target) / bytesPerUnit
    return min(mostPasses, budget / (files + bits * unitsPerBit + unitsOfModels))
  }

  /// Whether files of these `sizes` and a delta of `bytes` are small enough to try anything.
  static func isWorthwhile(sizes: (base: Int, target: Int), bytes: Int) -> Bool {
    passes(sizes, bits: 8 * bytes) >= fewestPasses
  }

  /// Returns `covers`, or better ones, of which there is one at least if there was.
  func tuned(_ covers: [Cover]) -> [Cover] {
    guard !covers.isEmpty, var costs = costs(of: covers, between: covers) else { return covers }
    let limit = Self.passes(moves.sizes, bits: Int(costs.total >> 16))
    var passes = 1
    var covers = covers
    var open = [0..<moves.sizes.target + 1]
    while true {
      let trials = packed(moves.all(covers, within: open))
      guard !trials.isEmpty, passes + trials.count < limit else { break }
      let before = passes
      let gains = gains(trials, covers, costs) { progress(Double(before + $0) / Double(limit)) }
      passes += trials.count
      let kept = paying(compatible(gains), covers, &costs, &passes, limit)
      guard !kept.isEmpty else { break }
      open = gains.map { surroundings($0.move.boundary, covers) }
      covers = CoverMoves.made(kept, of: covers)
    }
    progress(1)
    return covers
  }

  /// Of `moves`, the likeliest to pay first, those that pay together; `costs` become those with them.
  private func paying(
    _ moves: [Move], _ covers: [Cover], _ costs: inout Costs, _ passes: inout Int, _ limit: Int
  ) -> [Move] {
    var kept: [Move] = []
    var open = moves.isEmpty ? [] : [moves]
    while let some = open.popLast(), passes < limit {
      passes += 1
      progress(Double(passes) / Double(limit))
      let next = CoverMoves.made(kept + some, of: covers)
      // A delta without covers is none.
      guard !next.isEmpty, let found = self.costs(of: next, between: next) else { continue }
      if found.total < costs.total {
        costs = found
        kept += some
      } else if some.count > 1 {
        open.append(Array(some.suffix(some.count / 2)))
        open.append(Array(some.prefix(some.count - some.count / 2)))
      }
    }
    return kept
  }

  /// The two covers on each side of a boundary, from the start of the first to the end of the last.
  private func surroundings(_ boundary: Int, _ covers: [Cover]) -> Range<Int> {
    let start = boundary > 1 ? covers[boundary - 2].target : 0
    let end = boundary + 1 < covers.count ? covers[boundary + 1].targetEnd : moves.sizes.target
    return start..<max(start, end) + 1
  }
}

// MARK: - Trying

extension CoverTuning {
  private typealias Gain = (move: Move, gain: Int64)

  /// What `trial` costs, by the starts of `covers`.
  private func costs(of trial: [Cover], between covers: [Cover]) -> Costs? {
    guard let book = book(trial) else { return nil }
    let empty = Array(repeating: UInt64(0), count: covers.count + 1)
    var costs = Costs(contents: empty, controls: empty)
    let order = CoverOrder(covers)
    for entry in book.entries {
      costs.total += entry.cost
      let number = order.count(startingBefore: entry.place + 1)
      if entry.cause == .covers {
        costs.controls[number] += entry.cost
      } else {
        costs.contents[number] += entry.cost
      }
    }
    return costs
  }

  /// What the best move at each boundary saves, as far as it saves anything.
  private func gains(
    _ trials: [[Move]], _ covers: [Cover], _ costs: Costs, _ progress: @Sendable (Int) -> Void
  ) -> [Gain] {
    let results = Guarded<(done: Int, found: [Int: Costs])>((0, [:]))
    for first in stride(from: 0, to: trials.count, by: Self.atOnce) {
      DispatchQueue.concurrentPerform(iterations: min(Self.atOnce, trials.count - first)) {
        let index = first + $0
        let found = self.costs(of: CoverMoves.made(trials[index], of: covers), between: covers)
        results.withLock { state in
          state.done += 1
          state.found[index] = found
          progress(state.done)
        }
      }
    }
    let found = results.withLock { $0.found }
    var best: [Int: Gain] = [:]
    for (index, moves) in trials.enumerated() {
      guard let trial = found[index] else { continue }
      for move in moves {
        let gain = Int64(costs.around(move.boundary)) - Int64(trial.around(move.boundary))
        if gain >= Self.leastGain && gain > best[move.boundary]?.gain ?? 0 {
          best[move.boundary] = (move, gain)
        }
      }
    }
    return best.values.sorted { ($1.gain, $0.move.boundary) < ($0.gain, $1.move.boundary) }
  }

  /// The moves of `gains`, the largest first, that have no cover in common.
  private func compatible(_ gains: [Gain]) -> [Move] {
    var taken: Set<Int> = []
    return gains.map(\.move).filter { move in
      let neighbours = move.boundary - 1...move.boundary + 1
      guard !neighbours.contains(where: taken.contains) else { return false }
      taken.insert(move.boundary)
      return true
    }
  }

  /// Puts as many moves into each trial as are far enough from each other.
  private func packed(_ moves: [Move]) -> [[Move]] {
    var trials: [[Move]] = []
    var left = moves
    while !left.isEmpty {
      var trial: [Move] = []
      var rest: [Move] = []
      for move in left {
        if let last = trial.last, move.boundary < last.boundary + Self.distance {
          rest.append(move)
        } else {
          trial.append(move)
        }
      }
      trials.append(trial)
      left = rest
    }
    return trials
  }
}
