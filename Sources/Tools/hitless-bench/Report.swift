internal import Bytes

/// Named figures, printed as a table or as one JSON object.
struct Report {
  private let title: String
  private var rows: [(name: String, value: JSON?, text: String, note: String)] = []

  /// One of the figures of a list.
  struct Entry {
    let values: [(String, JSON)]
    let text: String
    let note: String
  }

  init(_ title: String) { self.title = title }

  /// Adds a figure with `places` digits after the point.
  mutating func add(_ name: String, _ value: Double, places: Int = 3, _ note: String = "") {
    rows.append((name, .number(value.rounded(places: places)), value.text(places), note))
  }

  /// Adds a whole number.
  mutating func add(_ name: String, _ value: Int64, _ note: String = "") {
    rows.append((name, .integer(value), String(value), note))
  }

  /// Adds an array of figures, each a line of the table.
  mutating func add(_ name: String, _ entries: [Entry]) {
    let value = JSON.array(entries.map { .object($0.values) })
    for (index, entry) in entries.enumerated() {
      // One name, one value: the table has the others as lines of their own.
      rows.append((name, index == 0 ? value : nil, entry.text, entry.note))
    }
  }

  /// What is printed.
  func text(asJSON: Bool) -> String {
    if asJSON {
      return JSON.object(rows.compactMap { row in row.value.map { (row.name, $0) } }).text
    }
    let nameWidth = rows.map(\.name.count).max() ?? 0
    let valueWidth = rows.map(\.text.count).max() ?? 0
    let lines = rows.map { row in
      row.name + String(repeating: " ", count: nameWidth - row.name.count + 2)
        + String(repeating: " ", count: valueWidth - row.text.count) + row.text
        + (row.note.isEmpty ? "" : "  " + row.note)
    }
    return ([title] + lines).joined(separator: "\n")
  }
}
