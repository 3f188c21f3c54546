internal import Refusal
internal import Yams

/// One value of a YAML document that knows where it stands, so that whatever is wrong with it can be
/// said with file, line and field.
struct YAMLValue {
  private let node: Node
  /// How the value is reached: `sessions[0].pdrs[1].far`.
  let path: String
  private let file: String

  /// The root of the document in `text`.
  static func root(of text: String, file: String) throws(Refusal) -> YAMLValue {
    let node: Node?
    do {
      node = try compose(yaml: text)
    } catch {
      throw Refusal(.format, "'\(file)' is not YAML: \(firstLine("\(error)"))", at: file)
    }
    guard let node else { throw Refusal(.format, "'\(file)' is empty", at: file) }
    return YAMLValue(node: node, path: "", file: file)
  }

  private static func firstLine(_ text: String) -> String {
    text.split(separator: "\n").map { $0.trimmingPrefix { $0 == " " } }.joined(separator: " ")
  }

  /// `FILE:LINE:COLUMN`.
  var location: String { node.mark.map { "\(file):\($0)" } ?? file }

  /// An error of this value.
  func refusal(_ message: String, kind: RefusalClass = .format) -> Refusal {
    let subject = path.isEmpty ? "" : "\(path): "
    return Refusal(kind, "\(location): \(subject)\(message)", at: location)
  }

  /// The entries of a mapping, which may have the keys of `known` and no others.
  func entries(_ known: [String]) throws(Refusal) -> YAMLEntries {
    guard case .mapping(let mapping) = node else { throw refusal("a mapping is expected") }
    var values: [String: YAMLValue] = [:]
    for (key, value) in mapping {
      let name = key.scalar?.string ?? "?"
      let place = path.isEmpty ? name : "\(path).\(name)"
      let entry = YAMLValue(node: value, path: place, file: file)
      guard known.contains(name) else {
        let place = YAMLValue(node: key, path: path, file: file)
        throw place.refusal(
          "'\(name)' is not known here; there are \(known.joined(separator: ", "))")
      }
      guard values.updateValue(entry, forKey: name) == nil else {
        throw entry.refusal("'\(name)' is there twice")
      }
    }
    return YAMLEntries(values: values, owner: self)
  }

  /// The items of a sequence.
  func items() throws(Refusal) -> [YAMLValue] {
    guard case .sequence(let sequence) = node else { throw refusal("a list is expected") }
    return sequence.enumerated().map { index, item in
      YAMLValue(node: item, path: "\(path)[\(index)]", file: file)
    }
  }

  /// The items of a sequence, or this value alone.
  func itemsOrSelf() throws(Refusal) -> [YAMLValue] {
    if case .sequence = node { return try items() }
    return [self]
  }

  /// A scalar's text.
  func text() throws(Refusal) -> String {
    guard case .scalar(let scalar) = node else { throw refusal("a single value is expected") }
    return scalar.string
  }

  /// One of a few words.
  func word<T>(_ words: [(String, T)]) throws(Refusal) -> T {
    let text = try text()
    guard let match = words.first(where: { $0.0 == text }) else {
      throw refusal("'\(text)' is not one of \(words.map(\.0).joined(separator: ", "))")
    }
    return match.1
  }

  /// A whole number from 0 to `limit`, decimal or hexadecimal, with `_` between digits if one likes.
  func number<T: FixedWidthInteger & UnsignedInteger>(
    upTo limit: T = .max
  ) throws(Refusal) -> T {
    let text = try text()
    let digits = text.filter { $0 != "_" }
    let isHexadecimal = digits.hasPrefix("0x")
    let body = isHexadecimal ? digits.dropFirst(2) : digits[...]
    let allowed: (Character) -> Bool = { isHexadecimal ? $0.isHexDigit : "0"..."9" ~= $0 }
    guard !body.isEmpty, body.allSatisfy(allowed),
      let value = T(body, radix: isHexadecimal ? 16 : 10), value <= limit
    else { throw refusal("'\(text)' is no number from 0 to \(limit)") }
    return value
  }

  /// A bit rate: a number with `k`, `M` or `G` behind it if one likes.
  func rate() throws(Refusal) -> UInt64 {
    let text = try text()
    let units: [Character: UInt64] = ["k": 1000, "M": 1_000_000, "G": 1_000_000_000]
    let unit = text.last.flatMap { units[$0] }
    let digits = unit == nil ? text[...] : text.dropLast()
    guard !digits.isEmpty, digits.allSatisfy({ "0"..."9" ~= $0 }), let value = UInt64(digits)
    else { throw refusal("'\(text)' is no bit rate such as 8000, 500k, 100M or 1G") }
    let (rate, overflow) = value.multipliedReportingOverflow(by: unit ?? 1)
    guard !overflow else { throw refusal("'\(text)' is beyond 64 bits") }
    return rate
  }
}

/// The entries of one mapping.
struct YAMLEntries {
  let values: [String: YAMLValue]
  let owner: YAMLValue

  /// An entry that must be there.
  func required(_ key: String) throws(Refusal) -> YAMLValue {
    guard let value = values[key] else { throw owner.refusal("'\(key)' is missing") }
    return value
  }

  /// An entry that may be there.
  func optional(_ key: String) -> YAMLValue? { values[key] }

  /// The items of a list that may be there.
  func list(_ key: String) throws(Refusal) -> [YAMLValue] {
    guard let value = values[key] else { return [] }
    return try value.items()
  }
}
