internal import CodeReferences
package import DeltaModel

/// Where the bytes of a delta went: by cause, by section and by function of the target.
///
/// What is counted is what each bit cost when it was coded, so that the sums agree with the size of the
/// delta but for what the coder rounds at its end, which has a number of its own.
package struct DeltaExplanation: Sendable {
  /// What a cause costs is kept in units of 1/65536 bits; so many are a byte.
  package static let unitsPerByte = 524_288.0

  /// What a piece of the target costs.
  package struct Share: Sendable {
    /// The name in the file, which anybody may have chosen; in parentheses where there is none.
    package let name: String
    /// What the piece is for, or the section that a function is in.
    package let role: String
    /// How many bytes of the target it has.
    package let size: Int
    /// What it costs, by cause, in 1/65536 bits.
    package fileprivate(set) var costs: [UInt64]

    fileprivate init(name: String, role: String, size: Int) {
      (self.name, self.role, self.size) = (name, role, size)
      costs = Array(repeating: 0, count: CostCause.allCases.count)
    }

    /// What it costs in bytes.
    package var bytes: Double { Double(costs.reduce(0, +)) / DeltaExplanation.unitsPerByte }

    /// What it costs in bytes because of `cause`.
    package func bytes(_ cause: CostCause) -> Double {
      Double(costs[cause.rawValue]) / DeltaExplanation.unitsPerByte
    }
  }

  /// How many bytes the delta has.
  package let size: Int
  /// How many of them say the mode, the size of the target and the number of covers.
  package let headerSize: Int
  /// The whole target.
  package private(set) var whole: Share
  /// Sections of the target that cost something, and what is in none; the most expensive first.
  package private(set) var sections: [Share] = []
  /// Functions of the target that cost something, and what is in none, by section; likewise.
  package private(set) var functions: [Share] = []

  /// What the coder rounds: bytes of the delta that belong to no bit.
  package var rounding: Double { Double(size - headerSize) - whole.bytes }

  /// Explains `delta`, which yields `target` and was encoded with `keepsBook`.
  ///
  /// - Complexity: O(n log n) in the number of pieces.
  package init(_ delta: EncodedDelta, target: [UInt8]) {
    size = delta.bytes.count
    headerSize = delta.header.count
    whole = Share(name: "", role: "", size: target.count)
    var tally = Tally(SectionNames(target), FunctionIndex(target))
    if let book = delta.book {
      for entry in book.entries where entry.cost > 0 {
        whole.costs[entry.cause.rawValue] += entry.cost
        tally.add(entry)
      }
    } else {
      whole.costs[CostCause.newData.rawValue] = UInt64(target.count) << 19
      tally.addAll()
    }
    sections = Self.sorted(tally.sections)
    functions = Self.sorted(tally.functions)
  }

  private static func sorted<Key: Comparable>(_ shares: [Key: Share]) -> [Share] {
    shares.filter { $0.value.bytes > 0 }
      .sorted { left, right in
        left.value.bytes != right.value.bytes
          ? left.value.bytes > right.value.bytes : left.key < right.key
      }
      .map(\.value)
  }
}

extension DeltaExplanation {
  /// Sums by section and by function while the pieces are gone through.
  private struct Tally {
    private let names: SectionNames
    private let index: FunctionIndex
    /// By number of the section.
    private(set) var sections: [Int: Share] = [:]
    /// By number of the function, or below 0 by number of the section that is in none.
    private(set) var functions: [Int: Share] = [:]

    init(_ names: SectionNames, _ index: FunctionIndex) {
      (self.names, self.index) = (names, index)
    }

    mutating func add(_ entry: CostBook.Entry) {
      let section = entry.cause == .frame ? SectionNames.frame : names.section(at: entry.place)
      add(entry.cost, entry.cause, section, entry.cause == .frame ? nil : index.find(entry.place))
    }

    /// The target is stored as it is: each byte costs one.
    mutating func addAll() {
      for (section, count) in names.owned { add(UInt64(count) << 19, .newData, section, nil) }
    }

    private mutating func add(_ cost: UInt64, _ cause: CostCause, _ section: Int, _ function: Int?)
    {
      if sections[section] == nil { sections[section] = share(section) }
      sections[section]?.costs[cause.rawValue] += cost
      let key = function ?? -3 - section
      if functions[key] == nil { functions[key] = share(function, section) }
      functions[key]?.costs[cause.rawValue] += cost
    }

    private func share(_ section: Int) -> Share {
      Share(name: names.name(section), role: names.role(section), size: names.size(section))
    }

    private func share(_ function: Int?, _ section: Int) -> Share {
      let name = names.name(section)
      guard let function else {
        return Share(name: "(\(name))", role: name, size: names.size(section))
      }
      return Share(name: index.name(function), role: name, size: index.size(function))
    }
  }
}

/// The sections of a file by number, with what lies in none.
struct SectionNames {
  /// The number of what lies in no section.
  static let gap = -1
  /// The number of the file header and the header tables.
  static let frame = -2
  /// Of longer names only the start is told.
  static let longestName = 1024

  private let bytes: [UInt8]
  private let layout: ElfLayout?

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    layout = ElfLayout(bytes.span)
  }

  /// How many bytes each section has that no other has: together, all of the file.
  var owned: [(section: Int, count: Int)] {
    guard let layout else { return [(Self.gap, bytes.count)] }
    var result = [(section: Self.frame, count: size(Self.frame))]
    for extent in layout.extents {
      let framed = layout.frames.reduce(0) { $0 + $1.clamped(to: extent.range).count }
      result.append((extent.section, extent.range.count - framed))
    }
    let rest = result.reduce(bytes.count) { $0 - $1.count }
    return result + [(Self.gap, rest)]
  }

  func section(at place: Int) -> Int {
    guard let layout else { return Self.gap }
    if layout.frames.contains(where: { $0.contains(place) }) { return Self.frame }
    return layout.section(atOffset: place) ?? Self.gap
  }

  func size(_ section: Int) -> Int {
    switch section {
    case Self.gap: owned.last?.count ?? 0
    case Self.frame: layout?.frames.reduce(0) { $0 + $1.count } ?? 0
    default: layout?.range(of: section).count ?? 0
    }
  }

  func role(_ section: Int) -> String {
    switch section {
    case Self.gap: layout == nil ? "bytes" : "gap"
    case Self.frame: "headers"
    default: layout.map { "\($0.role(section))" } ?? "gap"
    }
  }

  func name(_ section: Int) -> String {
    switch section {
    case Self.gap: return layout == nil ? "whole file" : "between sections"
    case Self.frame: return "headers"
    default: break
    }
    guard let layout, layout.sections.indices.contains(section) else { return "" }
    if layout.isSynthetic { return "segment \(section)" }
    let table = Int(layout.header[62]) | Int(layout.header[63]) << 8
    let name = text(layout.range(of: table), UInt64(layout.sections[section].nameOffset))
    return name.isEmpty ? "section \(section)" : name
  }

  /// The string at `offset` of the string table that is `range`.
  func text(_ range: Range<Int>, _ offset: UInt64) -> String {
    guard offset < UInt64(range.count) else { return "" }
    let start = range.lowerBound + Int(offset)
    let rest = bytes[start..<min(range.upperBound, bytes.count, start + Self.longestName)]
    return String(decoding: rest.prefix { $0 != 0 }, as: UTF8.self)
  }
}
