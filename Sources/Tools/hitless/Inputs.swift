internal import Bytes
internal import PatchFormat
internal import Platform
internal import Refusal
internal import Signing

/// The files that commands are given, each read once into private memory.
enum Inputs {
  /// Largest key file; real ones have some 120 bytes.
  static let keyFileLimit = 1 << 16

  /// Reads a patch file and splits it; nothing in it is believed yet.
  static func patch(_ path: String) throws(Refusal) -> UnverifiedPatch {
    let bytes = try RegularFile.read(path, limit: PatchLimits.fileSize)
    do throws(FormatError) {
      return try UnverifiedPatch(parsing: bytes)
    } catch {
      throw Refusal(error, in: "'\(path)'")
    }
  }

  /// Reads a module image.
  static func image(_ path: String) throws(Refusal) -> [UInt8] {
    try RegularFile.read(path, limit: Int(PatchLimits.imageSize))
  }

  /// Reads the trusted keys; one that cannot be read leaves nothing to trust.
  static func trust(_ paths: [String], threshold: Int) throws(Refusal) -> TrustedKeys {
    var keys: [PublicKey] = []
    for path in paths {
      let pem: [UInt8]
      do throws(Refusal) {
        pem = try RegularFile.read(path, limit: keyFileLimit)
      } catch {
        throw Refusal(
          .untrustedKey, "cannot read a trusted key: \(error.message)",
          hint: error.hint ?? "nothing is trusted unless every key that was named can be read")
      }
      keys.append(try naming(path) { () throws(Refusal) in try PublicKey(pem: pem) })
    }
    return try TrustedKeys(keys: keys, threshold: threshold)
  }

  /// Reads a private key.
  static func signingKey(_ path: String) throws(Refusal) -> SigningKey {
    let pem = try RegularFile.read(path, limit: keyFileLimit)
    return try naming(path) { () throws(Refusal) in try SigningKey(pem: pem) }
  }

  private static func naming<Value>(
    _ path: String, _ body: () throws(Refusal) -> Value
  ) throws(Refusal) -> Value {
    do throws(Refusal) {
      return try body()
    } catch {
      throw Refusal(
        error.kind, "'\(path)': \(error.message)", expected: error.expected, found: error.found,
        at: error.location, hint: error.hint)
    }
  }
}
