import Bytes
import Refusal
import Signing
import Testing

@Suite("COSE_Sign")
struct COSESignTests {
  static let context = Array("a test".utf8)
  static let payload: [UInt8] = Array("what is signed".utf8)
  let key: SigningKey
  let trust: TrustedKeys
  let message: COSESign

  init() throws {
    key = try SigningKey.generate()
    trust = try TrustedKeys(keys: [key.publicKey])
    message = try COSESign.sign(Self.payload, context: Self.context, keys: [key])
  }

  @Test func `a message comes back from its encoding and its signature counts`() throws {
    let again = try COSESign(parsing: message.encoded)
    #expect(again == message)
    #expect(again.payload == Self.payload)
    let verdict = try again.check(against: trust, context: Self.context)
    #expect(verdict.signers == [key.publicKey])
    #expect(verdict.unknownKeyIDs.isEmpty)
  }

  @Test func `the same payload and keys give the same bytes, in any order of the keys`() throws {
    let other = try SigningKey.generate()
    let one = try COSESign.sign(Self.payload, context: Self.context, keys: [key, other])
    let two = try COSESign.sign(Self.payload, context: Self.context, keys: [other, key, other])
    #expect(one == two)
    #expect(one.signatures.count == 2)
  }

  @Test func `a signature for another context is not valid`() {
    #expect(throws: Refusal.self) {
      try message.check(against: trust, context: Self.context + [0])
    }
    #expect(refusal(of: message, context: [])?.kind == .signature)
  }

  @Test func `a message without signatures is refused`() throws {
    let empty = try COSESign(parsing: envelope(signatures: []))
    #expect(refusal(of: empty)?.kind == .signature)
  }

  @Test func `a signature by an unknown key does not count`() throws {
    let stranger = try SigningKey.generate()
    let foreign = try COSESign.sign(Self.payload, context: Self.context, keys: [stranger])
    let error = try #require(refusal(of: foreign))
    #expect(error.kind == .untrustedKey)
    #expect(error.found?.contains(stranger.publicKey.keyID.hex) == true)
  }

  @Test func `a surplus signature by an unknown key is accepted and reported`() throws {
    let stranger = try SigningKey.generate()
    let both = try COSESign.sign(Self.payload, context: Self.context, keys: [stranger, key])
    let verdict = try both.check(against: trust, context: Self.context)
    #expect(verdict.unknownKeyIDs == [stranger.publicKey.keyID])
  }

  @Test func `a surplus signature by a trusted key must be valid all the same`() throws {
    let second = try SigningKey.generate()
    let both = try COSESign.sign(Self.payload, context: Self.context, keys: [key, second])
    let trust = try TrustedKeys(keys: [key.publicKey, second.publicKey])
    _ = try both.check(against: trust, context: Self.context)
    for number in 0..<2 {
      var entries = both.signatures.map { entry($0.protectedHeader, $0.bytes) }
      entries[number] = entry(
        both.signatures[number].protectedHeader, [UInt8](repeating: 0, count: 64))
      let broken = try COSESign(parsing: envelope(signatures: entries))
      #expect(throws: Refusal.self) { try broken.check(against: trust, context: Self.context) }
    }
  }

  @Test func `one key that signs twice does not meet a threshold of two`() throws {
    let second = try SigningKey.generate()
    let signature = message.signatures[0]
    let twice = try COSESign(
      parsing: envelope(signatures: [
        entry(signature.protectedHeader, signature.bytes),
        entry(signature.protectedHeader, signature.bytes),
      ]))
    let two = try TrustedKeys(keys: [key.publicKey, second.publicKey], threshold: 2)
    let error = try #require(throws: Refusal.self) {
      try twice.check(against: two, context: Self.context)
    }
    #expect(error.kind == .untrustedKey)
    #expect(error.found == "1")
    let both = try COSESign.sign(Self.payload, context: Self.context, keys: [key, second])
    #expect(try both.check(against: two, context: Self.context).signers.count == 2)
  }

  @Test(arguments: [-7, -257, -49, 0, 1, -9])
  func `the algorithm is the key's, whatever the message claims`(algorithm: Int64) throws {
    let header = protectedHeader(algorithm: algorithm, keyID: key.publicKey.keyID)
    let claimed = try COSESign(
      parsing: envelope(signatures: [entry(header, message.signatures[0].bytes)]))
    #expect(refusal(of: claimed)?.kind == .untrustedKey)
  }

  @Test(arguments: [0, 1, 63, 65, 128])
  func `a signature of the wrong size is not valid`(count: Int) throws {
    let bytes = Array((message.signatures[0].bytes + message.signatures[0].bytes).prefix(count))
    let broken = try COSESign(
      parsing: envelope(signatures: [entry(message.signatures[0].protectedHeader, bytes)]))
    #expect(refusal(of: broken)?.kind == .signature)
  }

  /// S + L satisfies the same equation; accepting it would give every signature a second spelling.
  @Test func `a signature with an S that is not reduced is not valid`() throws {
    let order = try #require(
      [UInt8](hex: "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"))
    var bytes = message.signatures[0].bytes
    var carry: UInt16 = 0
    for index in 0..<32 {
      carry += UInt16(bytes[32 + index]) + UInt16(order[index])
      bytes[32 + index] = UInt8(carry & 255)
      carry >>= 8
    }
    let malleable = try COSESign(
      parsing: envelope(signatures: [entry(message.signatures[0].protectedHeader, bytes)]))
    #expect(refusal(of: malleable)?.kind == .signature)
  }

  @Test func `signatures are allowed up to the limit and refused beyond it`() throws {
    let signature = message.signatures[0]
    let one = entry(signature.protectedHeader, signature.bytes)
    let limit = COSESign.signatureLimit
    let full = try COSESign(
      parsing: envelope(signatures: Array(repeating: one, count: limit)))
    #expect(try full.check(against: trust, context: Self.context).signers == [key.publicKey])
    let error = try #require(throws: FormatError.self) {
      try COSESign(parsing: envelope(signatures: Array(repeating: one, count: limit + 1)))
    }
    #expect(
      error.reason
        == .overLimit("the number of signatures", found: UInt64(limit + 1), limit: UInt64(limit)))
    let keys = try (0...limit).map { _ in try SigningKey.generate() }
    #expect(throws: Refusal.self) {
      try COSESign.sign(Self.payload, context: Self.context, keys: keys)
    }
    #expect(throws: Refusal.self) {
      try COSESign.sign(Self.payload, context: Self.context, keys: [])
    }
  }

  @Test func `the size of one signature is bounded`() throws {
    let header = message.signatures[0].protectedHeader
    let room = COSESign.signatureSizeLimit - header.count
    let largest = [UInt8](repeating: 1, count: room)
    _ = try COSESign(parsing: envelope(signatures: [entry(header, largest)]))
    let error = try #require(throws: FormatError.self) {
      try COSESign(parsing: envelope(signatures: [entry(header, largest + [1])]))
    }
    guard case .overLimit = error.reason else {
      Issue.record("expected a limit, got \(error)")
      return
    }
  }

  @Test func `every proper prefix and every longer message is refused`() {
    let bytes = message.encoded
    for count in 0..<bytes.count {
      #expect(throws: FormatError.self) { try COSESign(parsing: Array(bytes.prefix(count))) }
    }
    #expect(throws: FormatError.self) { try COSESign(parsing: bytes + [0]) }
  }

  @Test func `anything but the one structure is refused`() throws {
    let good = try #require(message.signatures.first)
    let entries: CBOR = .array([entry(good.protectedHeader, good.bytes)])
    let payload: CBOR = .bytes(Self.payload)
    let shapes: [CBOR] = [
      .array([.bytes([]), .map([:]), payload, entries]),
      .tagged(18, .array([.bytes([]), .map([:]), payload, entries])),
      .tagged(98, .array([.bytes([]), .map([:]), payload])),
      .tagged(98, .array([.bytes([0xa0]), .map([:]), payload, entries])),
      .tagged(98, .array([.bytes([]), .map([.unsigned(4): .bytes([1])]), payload, entries])),
      .tagged(98, .array([.bytes([]), .map([:]), .null, entries])),
      .tagged(98, .array([.bytes([]), .map([:]), payload, .null])),
      .tagged(98, .array([.bytes([]), .map([:]), payload, .array([.bytes(good.bytes)])])),
      .tagged(
        98,
        .array([
          .bytes([]), .map([:]), payload,
          .array([
            .array([
              .bytes(good.protectedHeader), .map([.unsigned(4): .bytes([1])]), .bytes(good.bytes),
            ])
          ]),
        ])),
    ]
    for shape in shapes {
      #expect(throws: FormatError.self) { try COSESign(parsing: shape.encoded) }
    }
    let headers: [CBOR] = [
      .null, .map([:]), .map([.unsigned(1): .integer(-8)]),
      .map([.unsigned(4): .bytes(good.keyID)]),
      .map([.unsigned(1): .text("none"), .unsigned(4): .bytes(good.keyID)]),
      .map([.unsigned(1): .integer(-8), .unsigned(4): .bytes(good.keyID + [0])]),
      .map([
        .unsigned(1): .integer(-8), .unsigned(4): .bytes(good.keyID), .unsigned(2): .array([]),
      ]),
    ]
    for header in headers {
      #expect(throws: FormatError.self) {
        try COSESign(parsing: envelope(signatures: [entry(header.encoded, good.bytes)]))
      }
    }
  }

  // MARK: - Making messages by hand

  private func envelope(signatures: [CBOR]) -> [UInt8] {
    CBOR.tagged(
      98, .array([.bytes([]), .map([:]), .bytes(Self.payload), .array(signatures)])
    ).encoded
  }

  private func entry(_ header: [UInt8], _ signature: [UInt8]) -> CBOR {
    .array([.bytes(header), .map([:]), .bytes(signature)])
  }

  private func protectedHeader(algorithm: Int64, keyID: [UInt8]) -> [UInt8] {
    CBOR.map([.unsigned(1): .integer(algorithm), .unsigned(4): .bytes(keyID)]).encoded
  }

  private func refusal(of message: COSESign, context: [UInt8] = Self.context) -> Refusal? {
    do throws(Refusal) {
      _ = try message.check(against: trust, context: context)
      return nil
    } catch {
      return error
    }
  }
}
