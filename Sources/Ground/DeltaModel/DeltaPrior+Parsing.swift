package import Bytes

extension DeltaPrior {
  /// A start of an adaptive bit or of a weight is stored as a byte in these units.
  package static let units = (stretch: 24, weight: 1024)

  /// Reads a prior (docs/format.md, "Delta codec 1: prior").
  package init(parsing bytes: [UInt8]) throws(FormatError) {
    var reader = ByteReader(bytes)
    starts = TrainedModel.allCases.map { _ in Start() }
    for model in starts.indices { starts[model].slots = try Self.slots(&reader) }
    for model in starts.indices { starts[model].weights = try Self.weights(&reader) }
    try reader.finish()
  }

  private static func slots(
    _ reader: inout ByteReader
  ) throws(FormatError) -> [(key: UInt32, state: UInt32)] {
    var slots: [(key: UInt32, state: UInt32)] = []
    var key: UInt64 = 0
    for _ in 0..<(try count(&reader)) {
      key += try count(&reader)
      guard key < 1 << keyBits else { throw FormatError(.illegal("a key"), at: reader.position) }
      let step = Int(Int8(bitPattern: try reader.byte())) * units.stretch
      let limit = CodingTables.stretchLimit
      let probability = CodingTables.shared.squash[max(0, min(2 * limit, step + limit))]
      slots.append((UInt32(key), UInt32(probability) << 16 | UInt32(try reader.byte())))
    }
    return slots
  }

  private static func weights(
    _ reader: inout ByteReader
  ) throws(FormatError) -> [(place: Int, value: Int32)] {
    var weights: [(place: Int, value: Int32)] = []
    var place = 0
    for _ in 0..<(try count(&reader)) {
      place += Int(try count(&reader))
      for _ in 0..<(try count(&reader)) {
        weights.append((place, Int32(Int8(bitPattern: try reader.byte())) * Int32(units.weight)))
        place += 1
      }
    }
    return weights
  }

  /// Numbers of a prior are below this, so that no sum of them overflows.
  private static let numberLimit: UInt64 = 1 << 20

  private static func count(_ reader: inout ByteReader) throws(FormatError) -> UInt64 {
    let number = try LEB128.read(&reader)
    guard number < numberLimit else { throw FormatError(.illegal("a number"), at: reader.position) }
    return number
  }
}

extension DeltaPrior {
  /// The prior of codecs 1 and 2.
  ///
  /// What cannot be read is none; that it can be, and is the one of the format, is tested.
  package static let first = (try? DeltaPrior(parsing: firstBytes)) ?? none

  /// The bytes of the prior, which are written in base64 without padding.
  package static let firstBytes = bytes(ofBase64: firstSlots) + bytes(ofBase64: firstWeights)

  private static func bytes(ofBase64 text: String) -> [UInt8] {
    var result: [UInt8] = []
    var bits: UInt32 = 0
    var count = 0
    for character in text.utf8 {
      guard let value = value(ofBase64: character) else { continue }
      bits = bits << 6 | value
      count += 6
      guard count >= 8 else { continue }
      count -= 8
      result.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
    }
    return result
  }

  private static func value(ofBase64 character: UInt8) -> UInt32? {
    switch character {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character) - 65
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character) - 97 + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character) - 48 + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
