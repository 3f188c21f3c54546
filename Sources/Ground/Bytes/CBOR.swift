/// One data item of deterministic CBOR (RFC 8949, section 4.2).
///
/// Only what the patch manifest, COSE and the control socket use: no floating point, no indefinite
/// lengths, no simple values beyond false, true and null.
package indirect enum CBOR: Hashable, Sendable {
  /// Major type 0.
  case unsigned(UInt64)
  /// Major type 1: the number is -1 - `offset`.
  case negative(offset: UInt64)
  /// Major type 2.
  case bytes([UInt8])
  /// Major type 3.
  case text(String)
  /// Major type 4.
  case array([CBOR])
  /// Major type 5.
  case map([CBOR: CBOR])
  /// Major type 6.
  case tagged(UInt64, CBOR)
  /// False or true.
  case bool(Bool)
  /// Null.
  case null

  /// The item for a signed number.
  package static func integer(_ value: Int64) -> CBOR {
    value >= 0 ? .unsigned(UInt64(value)) : .negative(offset: UInt64(-1 - value))
  }
}

extension CBOR {
  /// The number of an unsigned item.
  package var unsignedValue: UInt64? {
    guard case .unsigned(let value) = self else { return nil }
    return value
  }

  /// The bytes of a byte string.
  package var bytesValue: [UInt8]? {
    guard case .bytes(let value) = self else { return nil }
    return value
  }

  /// The text of a text string.
  package var textValue: String? {
    guard case .text(let value) = self else { return nil }
    return value
  }

  /// The items of an array.
  package var arrayValue: [CBOR]? {
    guard case .array(let value) = self else { return nil }
    return value
  }

  /// The entries of a map.
  package var mapValue: [CBOR: CBOR]? {
    guard case .map(let value) = self else { return nil }
    return value
  }

  /// The value of a boolean.
  package var boolValue: Bool? {
    guard case .bool(let value) = self else { return nil }
    return value
  }
}
