package import Bytes

extension COSESign {
  /// The message in its one encoding.
  package var encoded: [UInt8] {
    let entries = signatures.map { signature in
      CBOR.array([.bytes(signature.protectedHeader), .map([:]), .bytes(signature.bytes)])
    }
    return CBOR.tagged(
      Self.tag, .array([.bytes([]), .map([:]), .bytes(payload), .array(entries)])
    ).encoded
  }

  /// Parses `bytes`, which must be exactly one message in its one encoding.
  ///
  /// A list without signatures parses; it is `check(against:context:)` that refuses it.
  package init(parsing bytes: [UInt8]) throws(FormatError) {
    guard case .tagged(Self.tag, let message) = try CBOR(parsing: bytes) else {
      throw FormatError(.illegal("an envelope that is not a COSE_Sign message (tag 98)"), at: 0)
    }
    guard let fields = message.arrayValue, fields.count == 4, fields[0] == .bytes([]),
      fields[1] == .map([:]), let payload = fields[2].bytesValue,
      let entries = fields[3].arrayValue
    else { throw FormatError(.illegal("a COSE_Sign message of the wrong structure"), at: 0) }
    guard entries.count <= Self.signatureLimit else {
      throw FormatError(
        .overLimit(
          "the number of signatures", found: UInt64(entries.count),
          limit: UInt64(Self.signatureLimit)), at: 0)
    }
    self.payload = payload
    var signatures: [Signature] = []
    for entry in entries { signatures.append(try Signature(entry, number: signatures.count)) }
    self.signatures = signatures
  }
}

extension COSESign.Signature {
  fileprivate init(_ entry: CBOR, number: Int) throws(FormatError) {
    let name = "signature \(number)"
    guard let fields = entry.arrayValue, fields.count == 3, let header = fields[0].bytesValue,
      fields[1] == .map([:]), let bytes = fields[2].bytesValue
    else { throw FormatError(.illegal("\(name) of the wrong structure"), at: 0) }
    guard header.count + bytes.count <= COSESign.signatureSizeLimit else {
      throw FormatError(
        .overLimit(
          "the size of \(name)", found: UInt64(header.count + bytes.count),
          limit: UInt64(COSESign.signatureSizeLimit)), at: 0)
    }
    guard let labels = try CBOR(parsing: header).mapValue, labels.count == 2,
      let algorithm = labels[.unsigned(1)]?.signedValue,
      let keyID = labels[.unsigned(4)]?.bytesValue, keyID.count == PublicKey.keyIDSize
    else { throw FormatError(.illegal("the protected header of \(name)"), at: 0) }
    self.init(protectedHeader: header, algorithm: algorithm, keyID: keyID, bytes: bytes)
  }
}

extension CBOR {
  /// The number of an integer item that fits 64 bits with sign.
  fileprivate var signedValue: Int64? {
    switch self {
    case .unsigned(let value): Int64(exactly: value)
    case .negative(let offset): Int64(exactly: offset).map { -1 - $0 }
    default: nil
    }
  }
}
