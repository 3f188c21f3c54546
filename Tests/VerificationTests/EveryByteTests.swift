import PatchFormat
import Refusal
import Signing
import Testing
import Verification

/// Every byte of a patch counts: no other value of any of them is accepted.
@Suite("Every byte of a patch")
struct EveryByteTests {
  let key: SigningKey
  let trust: TrustedKeys

  init() throws {
    key = try SigningKey.generate()
    trust = try TrustedKeys(keys: [key.publicKey])
  }

  /// All 255 other values of every byte, split over the processors.
  @Test func `every single-byte change is refused`() async throws {
    let file = try SamplePatch().file(signedBy: [key])
    _ = try verify(file, trust: trust)
    let parts = 2
    let accepted = await withTaskGroup(of: [String].self) { group in
      for part in 0..<parts {
        group.addTask {
          var found: [String] = []
          for index in stride(from: part, to: file.count, by: parts) {
            found += acceptedChanges(of: file, at: index)
            // Other tests want to run meanwhile.
            await Task.yield()
          }
          return found
        }
      }
      return await group.reduce(into: []) { $0 += $1 }
    }
    #expect(accepted == [])
  }

  @Test func `every proper prefix and every longer file is refused`() throws {
    let file = try SamplePatch().file(signedBy: [key])
    for count in 0..<file.count {
      #expect(throws: Refusal.self) { try verify(Array(file.prefix(count)), trust: trust) }
    }
    #expect(throws: Refusal.self) { try verify(file + [0], trust: trust) }
    #expect(throws: Refusal.self) { try verify(file + file, trust: trust) }
  }

  @Test func `every byte that is left out or put in is noticed`() throws {
    let file = try SamplePatch().file(signedBy: [key])
    for index in file.indices {
      var shorter = file
      shorter.remove(at: index)
      #expect(throws: Refusal.self) { try verify(shorter, trust: trust) }
      var longer = file
      longer.insert(file[index], at: index)
      #expect(throws: Refusal.self) { try verify(longer, trust: trust) }
    }
  }

  /// The probe that this test can fail: with an untrusted surplus signature there are bytes that nobody
  /// here can check, and they are found.
  @Test func `the bytes of a surplus unknown signature are the only ones that are not covered`()
    throws
  {
    let stranger = try SigningKey.generate()
    let file = try SamplePatch().file(signedBy: [key, stranger])
    let patch = try verify(file, trust: trust)
    #expect(patch.unknownKeyIDs == [stranger.publicKey.keyID])
    let accepted = file.indices.filter { index in
      var changed = file
      changed[index] ^= 1
      return (try? verify(changed, trust: trust)) != nil
    }
    // Its signature and the key id it names; not its algorithm, nor anything of its structure.
    #expect(accepted.count == 64 + PublicKey.keyIDSize)
    let both = try TrustedKeys(keys: [key.publicKey, stranger.publicKey], threshold: 2)
    for index in accepted {
      var changed = file
      changed[index] ^= 1
      #expect(throws: Refusal.self) { try verify(changed, trust: both) }
    }
  }

  private func acceptedChanges(of file: [UInt8], at index: Int) -> [String] {
    var changed = file
    var accepted: [String] = []
    for difference in 1...255 as ClosedRange<UInt8> {
      changed[index] = file[index] ^ difference
      if (try? verify(changed, trust: trust)) != nil { accepted.append("\(index): \(difference)") }
    }
    return accepted
  }
}
