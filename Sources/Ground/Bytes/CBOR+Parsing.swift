extension CBOR {
  /// How deep items may nest; the manifest needs six levels.
  package static let depthLimit = 16
  /// How many items one document may hold in all.
  package static let itemLimit = 65_536

  /// Parses `bytes` as exactly one item in its deterministic encoding.
  ///
  /// Refused: any other spelling of the same item, duplicate or unsorted map keys, text that is not
  /// UTF-8, floating point, indefinite lengths, trailing bytes, nesting beyond `depthLimit`.
  /// Complexity: O(n); memory is bounded by a small multiple of what is there, never by what is declared.
  package init(parsing bytes: [UInt8]) throws(FormatError) {
    var parser = CBORParser(bytes)
    self = try parser.item(depth: 0)
    try parser.reader.finish()
  }
}

private struct CBORParser {
  var reader: ByteReader
  private let input: [UInt8]
  private var items = 0

  init(_ input: [UInt8]) {
    self.input = input
    reader = ByteReader(input)
  }

  mutating func item(depth: Int) throws(FormatError) -> CBOR {
    let start = reader.position
    guard depth < CBOR.depthLimit else {
      throw FormatError(
        .overLimit("nesting", found: UInt64(depth + 1), limit: UInt64(CBOR.depthLimit)), at: start)
    }
    items += 1
    guard items <= CBOR.itemLimit else {
      throw FormatError(
        .overLimit("number of items", found: UInt64(items), limit: UInt64(CBOR.itemLimit)),
        at: start)
    }
    let first = try reader.byte()
    guard first >> 5 != 7 else { return try simple(first, at: start) }
    let value = try argument(first & 31, at: start)
    switch first >> 5 {
    case 0: return .unsigned(value)
    case 1: return .negative(offset: value)
    case 2: return .bytes(try reader.bytes(value))
    case 3: return .text(try text(value))
    case 4: return .array(try array(value, depth: depth))
    case 5: return .map(try map(value, depth: depth))
    default: return .tagged(value, try item(depth: depth + 1))
    }
  }

  private func simple(_ first: UInt8, at start: Int) throws(FormatError) -> CBOR {
    switch first {
    case 0xf4: return .bool(false)
    case 0xf5: return .bool(true)
    case 0xf6: return .null
    default: throw FormatError(.illegal("a simple or floating-point value"), at: start)
    }
  }

  private mutating func argument(_ info: UInt8, at start: Int) throws(FormatError) -> UInt64 {
    let value: UInt64
    let least: UInt64
    switch info {
    case 0..<24: return UInt64(info)
    case 24: (value, least) = (UInt64(try reader.byte()), 24)
    case 25: (value, least) = (UInt64(try reader.big(UInt16.self)), 0x100)
    case 26: (value, least) = (UInt64(try reader.big(UInt32.self)), 0x1_0000)
    case 27: (value, least) = (try reader.big(UInt64.self), 0x1_0000_0000)
    default: throw FormatError(.illegal("a reserved or indefinite length"), at: start)
    }
    guard value >= least else { throw FormatError(.notCanonical("a number"), at: start) }
    return value
  }

  private mutating func text(_ count: UInt64) throws(FormatError) -> String {
    let start = reader.position
    let bytes = try reader.bytes(count)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw FormatError(.illegal("text that is not UTF-8"), at: start)
    }
    return text
  }

  private mutating func array(_ count: UInt64, depth: Int) throws(FormatError) -> [CBOR] {
    try require(count)
    var items: [CBOR] = []
    for _ in 0..<count { items.append(try item(depth: depth + 1)) }
    return items
  }

  private mutating func map(_ count: UInt64, depth: Int) throws(FormatError) -> [CBOR: CBOR] {
    try require(count)
    var entries: [CBOR: CBOR] = [:]
    var previous: ArraySlice<UInt8> = []
    for index in 0..<count {
      let start = reader.position
      let key = try item(depth: depth + 1)
      let spelled = input[start..<reader.position]
      guard index == 0 || previous.lexicographicallyPrecedes(spelled) else {
        throw FormatError(.notCanonical("a duplicate map key, or the order of map keys"), at: start)
      }
      previous = spelled
      entries[key] = try item(depth: depth + 1)
    }
    return entries
  }

  /// Every item takes at least one byte, so a count beyond what is left is a lie.
  private func require(_ count: UInt64) throws(FormatError) {
    guard count <= UInt64(reader.remaining) else {
      throw FormatError(
        .truncated(missing: count - UInt64(reader.remaining)), at: reader.position)
    }
  }
}
