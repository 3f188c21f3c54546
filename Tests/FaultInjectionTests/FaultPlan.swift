import Foundation
import TestSupport
import Testing

/// Where a fault can be: at the n-th system call of an order.
struct FaultPoint: CustomStringConvertible {
  let order: Int
  let call: Int
  let name: String
  let isMemory: Bool
  let words: String

  var description: String { "'\(words)', call \(call) (\(name)\(isMemory ? " for memory" : ""))" }
}

/// Every system call of one life, as one run without faults makes them.
struct FaultPlan {
  let points: [FaultPoint]
  /// How many descriptors are open after each order.
  let descriptors: [String]
  /// What the records of the host say after each order, where its module keeps some.
  let records: [[UInt8]]

  init(_ life: Life) throws {
    let host = try LivingHost(life, "plan")
    var points: [FaultPoint] = []
    var descriptors: [String] = []
    var records: [[UInt8]] = []
    for (number, order) in life.orders.enumerated() {
      var count = 0
      let answer = try host.order(order.words) { call in
        defer { count += 1 }
        guard order.isTried else { return .made }
        points.append(
          FaultPoint(
            order: number, call: count, name: call.name, isMemory: call.isMemory,
            words: order.verb))
        return .made
      }
      try #require(answer == "ok ", "\(order.words): \(answer ?? "ended")")
      descriptors.append(try host.order("descriptors") ?? "ended")
      records.append(host.records)
    }
    self.points = points
    self.descriptors = descriptors
    self.records = records
  }

  /// About `count` of `choices` for each order of the life: evenly spread over its calls, from a first one that
  /// the seed chooses; and those that are `always` wanted.
  ///
  /// The environment may ask for more: HITLESS_FAULTS=all for all of them, HITLESS_FAULTS=confirm for all of
  /// that order's.
  static func sample<Choice>(
    _ choices: [Choice], _ count: Int, seed: UInt64, always: (Choice) -> Bool = { _ in false },
    point: (Choice) -> FaultPoint
  ) -> [Choice] {
    if let wanted = ProcessInfo.processInfo.environment["HITLESS_FAULTS"] {
      return choices.filter { wanted == "all" || wanted == point($0).words }
    }
    var generator = SeededGenerator(seed: seed)
    return Dictionary(grouping: choices) { point($0).order }.sorted { $0.key < $1.key }
      .flatMap { _, some -> [Choice] in
        let (wanted, others) = (some.filter(always), some.filter { !always($0) })
        guard count < others.count else { return some }
        let step = Double(others.count) / Double(count)
        let first = Double.random(in: 0..<step, using: &generator)
        return wanted
          + (0..<count).map { others[min(others.count - 1, Int(first + Double($0) * step))] }
      }
  }
}

/// A host that lives a life in a state directory of its own.
final class LivingHost {
  let state: String
  private let life: Life
  private let host: FaultedHost
  private let recordsPath: String?

  init(_ life: Life, _ name: String) throws {
    self.life = life
    state = try life.site.copy(name, of: life.base)
    recordsPath = life.site.kind == .ledger ? try life.site.records("\(name).records") : nil
    host = try FaultedHost(life.site, state: state, records: recordsPath)
  }

  /// What the records say that the host keeps; empty where its module keeps none.
  var records: [UInt8] { recordsPath.flatMap { contents(of: $0) } ?? [] }

  /// Whether it has started without the set before the confirmed one, and has said so.
  var isUnguarded: Bool {
    let log = contents(of: "\(state)/audit.jsonl") ?? []
    return String(decoding: log, as: UTF8.self).contains("\"event\":\"unguarded\"")
  }

  func order(_ words: String, deciding: ((Call) -> Fate)? = nil) throws -> String? {
    try host.order(words, deciding: deciding)
  }

  /// Does what comes before an order.
  func live(until number: Int, _ comment: String) throws {
    for order in life.orders[..<number] {
      let answer = try host.order(order.words)
      try #require(answer == "ok ", "\(comment): \(order.words): \(answer ?? "ended")")
    }
  }

  /// How many records do not say what they must, as the host finds them; nil where its module keeps none, or
  /// nobody can look.
  func flaws() throws -> String? {
    recordsPath == nil ? nil : try host.order("books")
  }

  var openFiles: [String] { host.openFiles }
  func kill() { host.kill() }
}
