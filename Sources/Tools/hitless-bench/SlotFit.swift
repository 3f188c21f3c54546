internal import DeltaModel
internal import Glibc

/// What an adaptive bit has seen in one pair.
struct Sighting {
  let ones: Double
  let zeros: Double
  /// What each bit of the pair counts.
  let weight: Double

  init(ones: Double, zeros: Double, weight: Double) {
    self.ones = ones
    self.zeros = zeros
    self.weight = weight
  }

  /// Reads what was seen by an adaptive bit that began with nothing, or nil if it was nothing.
  ///
  /// Its probability is then (ones + 1/4) / (ones + zeros + 1/2), but for rounding.
  init?(_ slot: UInt32, weight: Double) {
    let count = Double(slot & 1023)
    guard count > 0 else { return nil }
    let share = Double(slot >> 10) / Double(1 << 22)
    let ones = min(count, max(0, (share * (count + 0.5) - 0.25).rounded()))
    self.init(ones: ones, zeros: count - ones, weight: weight)
  }
}

/// Finds the start under which an adaptive bit would have cost least.
///
/// One that starts with probability p and count n foretells like the mean of a beta distribution behind which
/// there are n + 1/2 observations; so what the bits of a pair cost together is known in closed form.
enum SlotFit {
  /// In fewer pairs a slot is not believed.
  private static let leastPairs = 3
  /// What a slot has to save, in weighted bits.
  private static let leastGain = 0.1
  /// How much two pairs count that are made up and contradict each other.
  private static let doubt = 0.3
  /// Counts that are tried.
  private static let counts = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]
  /// Largest stretched probability that is tried, in units of the prior.
  private static let largestStep = CodingTables.stretchLimit / DeltaPrior.units.stretch

  /// Returns the best start and what it saves, or nil if it is not worth having.
  static func best(_ seen: [Sighting]) -> (gain: Double, state: UInt32)? {
    guard seen.count >= leastPairs else { return nil }
    let all =
      seen + [
        Sighting(ones: 1, zeros: 0, weight: doubt), Sighting(ones: 0, zeros: 1, weight: doubt),
      ]
    let without = cost(all, step: 0, count: 0)
    var best = (cost: without - leastGain, step: 0, count: 0)
    var step = 0
    for count in counts {
      let found = descend(all, from: &step, count: count)
      if found < best.cost { best = (found, step, count) }
    }
    guard best.count > 0 else { return nil }
    let share = min(max(probability(best.step), 1.0 / 65536), 65535.0 / 65536)
    return (without - best.cost, UInt32(share * 65536) << 16 | UInt32(best.count))
  }

  /// Moves `step` to where the cost is least; it has one minimum, which moves little with the count.
  private static func descend(_ seen: [Sighting], from step: inout Int, count: Int) -> Double {
    var least = cost(seen, step: step, count: count)
    for stride in [16, 4, 1] {
      for move in [-stride, stride] {
        while abs(step + move) <= largestStep {
          let next = cost(seen, step: step + move, count: count)
          if next >= least { break }
          least = next
          step += move
        }
      }
    }
    return least
  }

  private static func probability(_ step: Int) -> Double {
    1 / (1 + exp(-Double(step * DeltaPrior.units.stretch) / 256))
  }

  /// What all sightings cost in bits if each began with this probability and count.
  private static func cost(_ seen: [Sighting], step: Int, count: Int) -> Double {
    let total = Double(count) + 0.5
    let (alpha, beta) = (probability(step) * total, (1 - probability(step)) * total)
    let start = lgamma(alpha) + lgamma(beta) - lgamma(total)
    var cost = 0.0
    for one in seen {
      let end = lgamma(alpha + one.ones) + lgamma(beta + one.zeros)
      cost += one.weight * (start - end + lgamma(total + one.ones + one.zeros))
    }
    return cost / log(2)
  }
}
