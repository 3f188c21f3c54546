import Foundation
import TestSupport
import Testing

/// Where a fault can be: at the n-th system call of an order.
struct FaultPoint: CustomStringConvertible {
  let order: Int
  let call: Int
  let name: String
  let words: String

  var description: String { "'\(words)', call \(call) (\(name))" }
}

/// Every system call of one life, as one run without faults makes them.
struct FaultPlan {
  let points: [FaultPoint]
  /// How many descriptors are open after each order.
  let descriptors: [String]

  init(_ site: FaultSite) throws {
    let host = try FaultedHost(site, state: try site.copy("plan"))
    var points: [FaultPoint] = []
    var descriptors: [String] = []
    for (number, words) in Life.orders(site).enumerated() {
      var count = 0
      let answer = try host.order(words) { call in
        points.append(
          FaultPoint(
            order: number, call: count, name: call.name,
            words: String(words.prefix { $0 != " " })))
        count += 1
        return .made
      }
      try #require(answer == "ok ", "\(words): \(answer ?? "ended")")
      descriptors.append(try host.order("descriptors") ?? "ended")
    }
    self.points = points
    self.descriptors = descriptors
  }

  /// About `count` of `choices` for each order of the life: evenly spread over its calls, from a first one that
  /// the seed chooses.
  ///
  /// The environment may ask for more: HITLESS_FAULTS=all for all of them, HITLESS_FAULTS=confirm for all of
  /// that order's.
  static func sample<Choice>(
    _ choices: [Choice], _ count: Int, seed: UInt64, point: (Choice) -> FaultPoint
  ) -> [Choice] {
    if let wanted = ProcessInfo.processInfo.environment["HITLESS_FAULTS"] {
      return choices.filter { wanted == "all" || wanted == point($0).words }
    }
    var generator = SeededGenerator(seed: seed)
    return Dictionary(grouping: choices) { point($0).order }.sorted { $0.key < $1.key }
      .flatMap { _, some -> [Choice] in
        guard count < some.count else { return some }
        let step = Double(some.count) / Double(count)
        let first = Double.random(in: 0..<step, using: &generator)
        return (0..<count).map { some[min(some.count - 1, Int(first + Double($0) * step))] }
      }
  }
}
