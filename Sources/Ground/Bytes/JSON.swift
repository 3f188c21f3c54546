/// A JSON value to be printed; keys keep the order in which they are given.
package indirect enum JSON: Equatable, Sendable {
  /// An object.
  case object([(String, JSON)])
  /// An array.
  case array([JSON])
  /// A string.
  case string(String)
  /// A whole number.
  case integer(Int64)
  /// A whole number beyond `Int64`.
  case unsigned(UInt64)
  /// A number; printed with `decimals` digits, null when not finite.
  case number(Double)
  /// False or true.
  case bool(Bool)
  /// Null.
  case null

  /// Compares by what would be printed.
  package static func == (left: JSON, right: JSON) -> Bool { left.text == right.text }
}

extension JSON {
  /// The value on one line, without spaces that carry no meaning.
  package var text: String {
    switch self {
    case .object(let entries):
      "{" + entries.map { "\(Self.quoted($0.0)):\($0.1.text)" }.joined(separator: ",") + "}"
    case .array(let items): "[" + items.map(\.text).joined(separator: ",") + "]"
    case .string(let string): Self.quoted(string)
    case .integer(let value): String(value)
    case .unsigned(let value): String(value)
    case .number(let value): value.isFinite ? String(value) : "null"
    case .bool(let value): value ? "true" : "false"
    case .null: "null"
    }
  }

  private static func quoted(_ string: String) -> String {
    var output = "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": output += "\\\""
      case "\\": output += "\\\\"
      case "\n": output += "\\n"
      case "\r": output += "\\r"
      case "\t": output += "\\t"
      case "\0"..<" ", "\u{7f}": output += "\\u00" + [UInt8(scalar.value)].hex
      default: output.unicodeScalars.append(scalar)
      }
    }
    return output + "\""
  }
}

extension CBOR {
  /// The item as JSON for people and scripts: byte strings in hexadecimal, map keys as text, sorted.
  package var json: JSON {
    switch self {
    case .unsigned(let value): .unsigned(value)
    case .negative(let offset):
      offset <= UInt64(Int64.max) ? .integer(-1 - Int64(offset)) : .string("-1-\(offset)")
    case .bytes(let bytes): .string(bytes.hex)
    case .text(let text): .string(text)
    case .array(let items): .array(items.map(\.json))
    case .map(let entries):
      .object(entries.map { ($0.key.keyText, $0.value.json) }.sorted { $0.0 < $1.0 })
    case .tagged(_, let item): item.json
    case .bool(let value): .bool(value)
    case .null: .null
    }
  }

  private var keyText: String {
    guard case .text(let text) = self else { return json.text }
    return text
  }
}
