internal import Bytes
internal import DeltaEncoder
internal import DeltaModel

/// What a delta is spent on, for people and scripts.
struct DeltaReport {
  /// How many functions are listed unless all are asked for.
  private static let listed = 20
  /// How wide a name may be in a table; names come from files and may be of any length.
  private static let nameWidth = 48

  let explanation: DeltaExplanation
  let mode: String
  let foresight: DeltaForesight
  let baseSize: Int

  /// The causes that cost something, most expensive first.
  var causes: [CostCause] {
    CostCause.allCases.filter { explanation.whole.bytes($0) > 0 }
      .sorted { explanation.whole.bytes($0) > explanation.whole.bytes($1) }
  }

  /// One line about the whole.
  var title: String {
    "\(explanation.size) bytes of delta (\(mode)) for \(explanation.whole.size) bytes"
  }

  /// The report for people.
  func lines(all: Bool) -> [String] {
    var lines = [title] + (foresight.line.map { [$0] } ?? []) + [""]
    lines += Self.aligned([["cause", "bytes", "share"]] + causeRows)
    lines += [""]
    lines += table(["section", "role"], explanation.sections, shown: all ? .max : visible)
    lines += [""]
    lines += table(["function", "section"], explanation.functions, shown: all ? .max : Self.listed)
    return lines
  }

  private func table(
    _ titles: [String], _ shares: [DeltaExplanation.Share], shown: Int
  ) -> [String] {
    let head = titles + ["size", "bytes", "share", "mostly"]
    let lines = Self.aligned([head] + shares.prefix(shown).map(row))
    let rest = shares.dropFirst(shown)
    guard !rest.isEmpty else { return lines }
    let bytes = Self.decimal(rest.reduce(0) { $0 + $1.bytes })
    return lines + ["and \(rest.count) more with \(bytes) bytes; '--all' lists them"]
  }

  /// How many sections cost a tenth of a byte or more.
  private var visible: Int { explanation.sections.count { $0.bytes >= 0.05 } }

  private var causeRows: [[String]] {
    let rows =
      causes.map { ("\($0)", explanation.whole.bytes($0)) } + [
        ("header", Double(explanation.headerSize)), ("rounding", explanation.rounding),
        ("total", Double(explanation.size)),
      ]
    return rows.map { [$0.0, Self.decimal($0.1), percent($0.1)] }
  }

  private func row(_ share: DeltaExplanation.Share) -> [String] {
    let causes = CostCause.allCases.filter { share.bytes($0) > 0 }
      .sorted { share.bytes($0) > share.bytes($1) }.prefix(3)
    return [
      Self.clipped(share.name), Self.clipped(share.role), "\(share.size)",
      Self.decimal(share.bytes), percent(share.bytes),
      causes.map { "\($0) \(Self.decimal(share.bytes($0)))" }.joined(separator: ", "),
    ]
  }

  private func percent(_ bytes: Double) -> String {
    explanation.size == 0 ? "-" : Self.decimal(100 * bytes / Double(explanation.size)) + " %"
  }

  /// `value` with one decimal, without a sign where that is all zero.
  static func decimal(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return "\(tenths < 0 ? "-" : "")\(tenths.magnitude / 10).\(tenths.magnitude % 10)"
  }

  /// A name that obeys nobody and fits into a column.
  static func clipped(_ name: String) -> String {
    let name = name.printable
    return name.count > nameWidth ? name.prefix(nameWidth - 1) + "…" : name
  }

  /// The rows with columns under each other: numbers to the right, words to the left.
  private static func aligned(_ rows: [[String]]) -> [String] {
    let columns = rows.first?.count ?? 0
    let widths = (0..<columns).map { column in rows.map { $0[column].count }.max() ?? 0 }
    let numbers: Set = ["size", "bytes", "share"]
    return rows.map { row in
      let cells = (0..<columns).map { column in
        let padding = String(repeating: " ", count: widths[column] - row[column].count)
        let isNumber = numbers.contains(rows[0][column])
        return isNumber ? padding + row[column] : row[column] + padding
      }
      let line = cells.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
  }
}

extension DeltaReport {
  /// The report for scripts.
  var json: JSON {
    .object(
      [
        ("delta", .integer(Int64(explanation.size))), ("mode", .string(mode)),
        ("base", .integer(Int64(baseSize))),
        ("target", .integer(Int64(explanation.whole.size))),
      ] + foresight.entries + [
        ("header", .integer(Int64(explanation.headerSize))),
        ("rounding", .number(explanation.rounding)),
        ("causes", Self.causes(explanation.whole)),
        ("sections", .array(explanation.sections.map { Self.json($0, second: "role") })),
        ("functions", .array(explanation.functions.map { Self.json($0, second: "section") })),
      ])
  }

  private static func json(_ share: DeltaExplanation.Share, second: String) -> JSON {
    .object([
      ("name", .string(share.name)), (second, .string(share.role)),
      ("size", .integer(Int64(share.size))), ("bytes", .number(share.bytes)),
      ("causes", causes(share)),
    ])
  }

  /// All causes, also those that cost nothing: names that scripts can rely on.
  private static func causes(_ share: DeltaExplanation.Share) -> JSON {
    .object(CostCause.allCases.map { ("\($0)", .number(share.bytes($0))) })
  }
}
