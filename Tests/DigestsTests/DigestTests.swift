import Digests
import Testing

@Suite("Digests")
struct DigestTests {
  /// From FIPS 180-4 and the XXH3 reference.
  @Test func `the published digests come out`() {
    #expect(
      SHA256Digest(of: Array("abc".utf8)).hex
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      SHA256Digest(of: [UInt8]()).hex
        == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(ContentHash.xxh3([UInt8]()) == 0x2d06_8005_38d3_94c2)
  }

  @Test func `a slice hashes like the array of its bytes`() {
    let bytes = Array("xabcx".utf8)
    #expect(SHA256Digest(of: bytes[1..<4]) == SHA256Digest(of: Array("abc".utf8)))
    #expect(ContentHash.xxh3(bytes[1..<4]) == ContentHash.xxh3(Array("abc".utf8)))
  }

  @Test(arguments: [0, 31, 33])
  func `bytes of another size are no digest`(count: Int) {
    #expect(SHA256Digest(bytes: [UInt8](repeating: 1, count: count)) == nil)
  }

  @Test func `a digest made elsewhere comes back`() {
    let digest = SHA256Digest(of: [1, 2, 3])
    #expect(SHA256Digest(bytes: digest.bytes) == digest)
    #expect("\(digest)" == digest.hex)
  }
}
