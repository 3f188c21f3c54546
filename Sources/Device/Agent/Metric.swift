internal import AgentControl
internal import Bytes

/// Figures of one name, as monitoring systems collect them.
///
/// The text is Prometheus' text format 0.0.4. Names end in the unit, counters in `_total`.
struct MetricFamily: Sendable {
  enum Kind: String, Sendable {
    case counter, gauge, histogram
  }

  /// A whole number, or a time.
  enum Value: Equatable, Sendable {
    case number(UInt64)
    case nanoseconds(UInt64)
  }

  /// One figure.
  struct Sample: Sendable {
    /// What is appended to the family's name.
    var suffix = ""
    var labels: [(name: String, value: String)] = []
    let value: Value
  }

  let name: String
  let kind: Kind
  let help: String
  var samples: [Sample] = []

  init(_ name: String, _ kind: Kind, _ help: String) {
    self.name = name
    self.kind = kind
    self.help = help
  }

  /// A family of one figure without labels.
  init(_ name: String, _ kind: Kind, _ help: String, _ value: Value) {
    self.init(name, kind, help)
    samples = [Sample(value: value)]
  }

  mutating func add(_ labels: [(name: String, value: String)], _ value: Value) {
    samples.append(Sample(labels: labels, value: value))
  }

  /// Adds the buckets, the sum and the count of a histogram.
  mutating func add(_ histogram: Histogram) {
    var count: UInt64 = 0
    for (bound, number) in zip(histogram.bounds, histogram.counts) {
      count &+= number
      samples.append(
        Sample(
          suffix: "_bucket", labels: [("le", Value.nanoseconds(bound).text)],
          value: .number(count)))
    }
    samples.append(
      Sample(suffix: "_bucket", labels: [("le", "+Inf")], value: .number(histogram.count)))
    samples.append(Sample(suffix: "_sum", value: .nanoseconds(histogram.sum)))
    samples.append(Sample(suffix: "_count", value: .number(histogram.count)))
  }
}

/// Durations in nanoseconds, counted by how long they were.
struct Histogram: Equatable, Sendable {
  /// Upper bounds, ascending; what is longer than the last is in the sum and the count only.
  let bounds: [UInt64]
  private(set) var counts: [UInt64]
  private(set) var sum: UInt64 = 0
  private(set) var count: UInt64 = 0

  /// One, two and five times each power of ten from `first` to `last` nanoseconds.
  init(from first: UInt64, to last: UInt64) {
    var bounds: [UInt64] = []
    var power = first
    while power <= last {
      bounds += [power, power &* 2, power &* 5].filter { $0 <= last }
      let (next, overflow) = power.multipliedReportingOverflow(by: 10)
      if overflow { break }
      power = next
    }
    self.bounds = bounds
    counts = Array(repeating: 0, count: bounds.count)
  }

  mutating func add(_ nanoseconds: UInt64) {
    if let index = bounds.firstIndex(where: { nanoseconds <= $0 }) { counts[index] &+= 1 }
    sum &+= nanoseconds
    count &+= 1
  }
}

extension MetricFamily.Value {
  /// The number as it is written: a time in seconds, to the nanosecond.
  var text: String {
    switch self {
    case .number(let value): return String(value)
    case .nanoseconds(let value):
      let (whole, part) = value.quotientAndRemainder(dividingBy: 1_000_000_000)
      guard part > 0 else { return String(whole) }
      var digits = String(part)
      digits = String(repeating: "0", count: 9 - digits.count) + digits
      while digits.last == "0" { digits.removeLast() }
      return "\(whole).\(digits)"
    }
  }
}

extension MetricFamily {
  /// The family in the text format, with its newlines.
  var text: String {
    var text = "# HELP \(name) \(Self.escaped(help, quotes: false))\n"
    text += "# TYPE \(name) \(kind.rawValue)\n"
    for sample in samples {
      let labels = sample.labels.map { "\($0.name)=\"\(Self.escaped($0.value, quotes: true))\"" }
      text += name + sample.suffix
      if !labels.isEmpty { text += "{\(labels.joined(separator: ","))}" }
      text += " \(sample.value.text)\n"
    }
    return text
  }

  private static func escaped(_ text: String, quotes: Bool) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\"" where quotes: result += "\\\""
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// The family as the control socket carries it; times are texts in seconds.
  var cbor: CBOR {
    .named([
      "name": .text(name), "type": .text(kind.rawValue), "help": .text(help),
      "samples": .array(samples.map { sample(cbor: $0) }),
    ])
  }

  private func sample(cbor sample: Sample) -> CBOR {
    let labels = sample.labels.map { ($0.name, CBOR.text($0.value)) }
    let value: CBOR =
      switch sample.value {
      case .number(let value): .unsigned(value)
      case .nanoseconds: .text(sample.value.text)
      }
    return .named([
      "name": .text(name + sample.suffix), "value": value,
      "labels": .named(Dictionary(labels, uniquingKeysWith: { first, _ in first })),
    ])
  }
}
