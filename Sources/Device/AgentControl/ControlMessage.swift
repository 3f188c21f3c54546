package import Bytes
package import Refusal

/// What a client asks of an agent: a verb and its arguments.
package struct ControlRequest: Equatable, Sendable {
  /// The verb, as on the command line.
  package let verb: String
  /// The arguments by name.
  package let arguments: [String: CBOR]

  /// Creates a request.
  package init(_ verb: String, _ arguments: [String: CBOR] = [:]) {
    self.verb = verb
    self.arguments = arguments
  }
}

/// What an agent answers.
package enum ControlResponse: Equatable, Sendable {
  /// What was done, by name.
  case done([String: CBOR])
  /// Why it was not.
  case refused(Refusal)
}

extension ControlRequest {
  /// The request as one deterministic CBOR item: `[verb, {name: value}]`.
  package var encoded: [UInt8] { CBOR.array([.text(verb), .named(arguments)]).encoded }

  /// Reads what `encoded` wrote.
  package init(parsing bytes: [UInt8]) throws(FormatError) {
    guard let items = try CBOR(parsing: bytes).arrayValue, items.count == 2,
      let verb = items[0].textValue, let arguments = items[1].namedValue
    else { throw FormatError(.illegal("a request that is not [verb, arguments]"), at: 0) }
    self.init(verb, arguments)
  }
}

extension ControlResponse {
  /// The response as one deterministic CBOR item: `[true, {…}]` or `[false, refusal]`.
  package var encoded: [UInt8] {
    switch self {
    case .done(let values): CBOR.array([.bool(true), .named(values)]).encoded
    case .refused(let refusal): CBOR.array([.bool(false), refusal.cbor]).encoded
    }
  }

  /// Reads what `encoded` wrote.
  package init(parsing bytes: [UInt8]) throws(FormatError) {
    guard let items = try CBOR(parsing: bytes).arrayValue, items.count == 2,
      let isDone = items[0].boolValue, let values = items[1].namedValue
    else { throw FormatError(.illegal("a response that is not [done, values]"), at: 0) }
    if isDone {
      self = .done(values)
    } else if let refusal = Refusal(named: values) {
      self = .refused(refusal)
    } else {
      throw FormatError(.illegal("a refusal without class or message"), at: 0)
    }
  }
}

extension CBOR {
  /// A map with text keys.
  package static func named(_ entries: [String: CBOR]) -> CBOR {
    .map(Dictionary(uniqueKeysWithValues: entries.map { (CBOR.text($0.key), $0.value) }))
  }

  /// The entries of a map that has only text keys.
  package var namedValue: [String: CBOR]? {
    guard let entries = mapValue else { return nil }
    var named: [String: CBOR] = [:]
    for (key, value) in entries {
      guard let key = key.textValue else { return nil }
      named[key] = value
    }
    return named
  }
}

extension CBOR {
  /// A JSON value; a number that is not whole becomes text.
  fileprivate init(_ value: JSON) {
    switch value {
    case .object(let entries):
      let pairs = entries.map { ($0.0, CBOR($0.1)) }
      self = .named(Dictionary(pairs, uniquingKeysWith: { first, _ in first }))
    case .array(let items): self = .array(items.map { CBOR($0) })
    case .string(let text): self = .text(text)
    case .integer(let number): self = .integer(number)
    case .unsigned(let number): self = .unsigned(number)
    case .number: self = .text(value.text)
    case .bool(let flag): self = .bool(flag)
    case .null: self = .null
    }
  }
}

extension Refusal {
  fileprivate var cbor: CBOR {
    var entries: [String: CBOR] = [
      "code": .unsigned(UInt64(kind.rawValue)), "message": .text(message),
    ]
    for (key, value) in [
      ("expected", expected), ("found", found), ("where", location), ("hint", hint),
    ] {
      if let value { entries[key] = .text(value) }
    }
    if !violations.isEmpty { entries["violations"] = .array(violations.map { CBOR($0) }) }
    return .named(entries)
  }

  fileprivate init?(named entries: [String: CBOR]) {
    guard let code = entries["code"]?.unsignedValue, let number = Int32(exactly: code),
      let kind = RefusalClass(rawValue: number), let message = entries["message"]?.textValue
    else { return nil }
    self.init(
      kind, message, expected: entries["expected"]?.textValue, found: entries["found"]?.textValue,
      at: entries["where"]?.textValue, hint: entries["hint"]?.textValue)
    violations = entries["violations"]?.arrayValue?.map(\.json) ?? []
  }
}
