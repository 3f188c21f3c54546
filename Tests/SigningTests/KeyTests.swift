import Bytes
import Refusal
import Signing
import TestSupport
import Testing

@Suite("Keys")
struct KeyTests {
  static let openssl = "/usr/bin/openssl"

  @Test func `a key pair comes back from its files`() throws {
    let key = try SigningKey.generate()
    let again = try SigningKey(pem: try key.pem)
    #expect(again.publicKey == key.publicKey)
    #expect(try PublicKey(pem: try key.publicKey.pem) == key.publicKey)
    #expect(try PublicKey(raw: key.publicKey.raw) == key.publicKey)
    #expect(key.publicKey.keyID.count == PublicKey.keyIDSize)
  }

  @Test func `two generated keys differ`() throws {
    #expect(try SigningKey.generate().publicKey != (try SigningKey.generate().publicKey))
  }

  /// From RFC 8032, section 7.1, test 2.
  @Test func `a published signature comes out`() throws {
    let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
    let header = "302e020100300506032b657004220420"
    let der = try #require([UInt8](hex: header + seed))
    let key = try SigningKey(pem: pem("PRIVATE KEY", der))
    #expect(
      key.publicKey.raw.hex == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
  }

  @Test func `openssl reads our keys and finds the same public half`() throws {
    let directory = try TemporaryDirectory()
    let key = try SigningKey.generate()
    let path = try directory.write("a.key", try key.pem)
    let derived = try run(Self.openssl, ["pkey", "-in", path, "-pubout"])
    #expect(derived.status == 0, "\(derived.errors)")
    #expect(Array(derived.output.utf8) == (try key.publicKey.pem))
    let text = try run(Self.openssl, ["pkey", "-in", path, "-text", "-noout"])
    #expect(text.output.hasPrefix("ED25519 Private-Key:"))
  }

  @Test func `we read the keys that openssl makes`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("b.key")
    #expect(try run(Self.openssl, ["genpkey", "-algorithm", "ed25519", "-out", path]).status == 0)
    let key = try SigningKey(pem: try directory.bytes("b.key"))
    let derived = try run(Self.openssl, ["pkey", "-in", path, "-pubout"])
    #expect(try PublicKey(pem: Array(derived.output.utf8)) == key.publicKey)
  }

  @Test(arguments: [["-algorithm", "x25519"], ["-algorithm", "EC", "-pkeyopt", "group:P-256"]])
  func `keys of another algorithm are refused by name`(options: [String]) throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("c.key")
    #expect(try run(Self.openssl, ["genpkey"] + options + ["-out", path]).status == 0)
    let secret = try #require(throws: Refusal.self) {
      try SigningKey(pem: try directory.bytes("c.key"))
    }
    #expect(secret.kind == .unsupported)
    #expect(secret.found == (options[1].uppercased()))
    let derived = try run(Self.openssl, ["pkey", "-in", path, "-pubout"])
    let open = try #require(throws: Refusal.self) { try PublicKey(pem: Array(derived.output.utf8)) }
    #expect(open.kind == .untrustedKey)
  }

  @Test func `an encrypted private key is refused without asking for a passphrase`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("d.key")
    let made = try run(
      Self.openssl,
      ["genpkey", "-algorithm", "ed25519", "-aes128", "-pass", "pass:x", "-out", path])
    #expect(made.status == 0, "\(made.errors)")
    let error = try #require(throws: Refusal.self) {
      try SigningKey(pem: try directory.bytes("d.key"))
    }
    #expect(error.kind == .format)
  }

  @Test func `one half given for the other is said so`() throws {
    let key = try SigningKey.generate()
    let secret = try key.pem
    let open = try key.publicKey.pem
    let asSecret = try #require(throws: Refusal.self) { try SigningKey(pem: open) }
    #expect(asSecret.hint?.contains("public key") == true)
    let asOpen = try #require(throws: Refusal.self) { try PublicKey(pem: secret) }
    #expect(asOpen.hint?.contains("private key") == true)
  }

  @Test func `every proper prefix of a key file is refused or is the same key`() throws {
    let key = try SigningKey.generate()
    let secret = try key.pem
    let open = try key.publicKey.pem
    // The last byte is a line end that nobody needs.
    for count in 0..<secret.count - 1 {
      #expect(throws: Refusal.self) { try SigningKey(pem: Array(secret.prefix(count))) }
    }
    for count in 0..<open.count - 1 {
      #expect(throws: Refusal.self) { try PublicKey(pem: Array(open.prefix(count))) }
    }
  }

  @Test(arguments: [0, 31, 33, 64])
  func `a public key of the wrong length is refused`(count: Int) throws {
    let error = try #require(throws: Refusal.self) {
      try PublicKey(raw: [UInt8](repeating: 7, count: count))
    }
    #expect(error.kind == .untrustedKey)
    #expect(error.message.contains("\(count) bytes"))
  }

  /// The points of small order, with both signs, and the ways to spell them and others a second time.
  @Test(arguments: [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  ])
  func `a key of small order or of a second spelling is refused`(hex: String) throws {
    let raw = try #require([UInt8](hex: hex))
    let error = try #require(throws: Refusal.self) { try PublicKey(raw: raw) }
    #expect(error.kind == .untrustedKey)
    let der = try #require([UInt8](hex: "302a300506032b6570032100")) + raw
    #expect(throws: error) { try PublicKey(pem: pem("PUBLIC KEY", der)) }
  }

  /// About half of all y have no x; 2 is the smallest of them.
  @Test func `a key that is no point of the curve is refused`() throws {
    let error = try #require(throws: Refusal.self) {
      try PublicKey(raw: [2] + [UInt8](repeating: 0, count: 31))
    }
    #expect(error.message.contains("no point of the curve"))
    // 3 has one: the check does not refuse everything small.
    _ = try PublicKey(raw: [3] + [UInt8](repeating: 0, count: 31))
  }

  private func pem(_ label: String, _ der: [UInt8]) -> [UInt8] {
    Array(
      "-----BEGIN \(label)-----\n\(base64(der))\n-----END \(label)-----\n".utf8)
  }
}

@Suite("Trusted keys")
struct TrustedKeysTests {
  @Test func `no key at all is refused`() throws {
    let error = try #require(throws: Refusal.self) { try TrustedKeys(keys: []) }
    #expect(error.kind == .untrustedKey)
  }

  @Test(arguments: [0, -1, Int.min])
  func `a threshold below one is refused`(threshold: Int) throws {
    let key = try SigningKey.generate().publicKey
    let error = try #require(throws: Refusal.self) {
      try TrustedKeys(keys: [key], threshold: threshold)
    }
    #expect(error.kind == .format)
  }

  @Test func `the same key bytes count once towards the threshold`() throws {
    let key = try SigningKey.generate().publicKey
    let again = try PublicKey(pem: try key.pem)
    #expect(try TrustedKeys(keys: [key, again]).keys.count == 1)
    let error = try #require(throws: Refusal.self) {
      try TrustedKeys(keys: [key, again], threshold: 2)
    }
    #expect(error.kind == .untrustedKey)
  }
}
