internal import ArgumentParser
internal import Bytes
internal import Platform
internal import Refusal
internal import Signing

/// Makes a key pair.
struct KeygenCommand: ReportsJSON {
  static let configuration = CommandConfiguration(
    commandName: "keygen",
    abstract: "Make a key pair for signing patches.",
    discussion: """
      Writes NAME.key, which signs and must stay secret (mode 0600), and NAME.pub, which hosts \
      trust. Both are PEM files that openssl reads. A file that exists is never overwritten.

      Example:
        hitless keygen --out vendor
        openssl pkey -pubin -in vendor.pub -text -noout
      """)

  @Option(help: ArgumentHelp("Path of the two files, without .key and .pub.", valueName: "name"))
  var out: String

  @Flag(help: "Print the result as one JSON object.")
  var json = false

  func run() throws {
    let key = try SigningKey.generate()
    try RegularFile.create("\(out).key", with: try key.pem, mode: 0o600)
    do throws(Refusal) {
      try RegularFile.create("\(out).pub", with: try key.publicKey.pem)
    } catch {
      // A secret without its public half is of no use, and would be in the way of the next try.
      try RegularFile.remove("\(out).key")
      throw error
    }
    let id = key.publicKey.keyID.hex
    if json {
      try Console.print(
        .object([
          ("secret", .string("\(out).key")), ("public", .string("\(out).pub")),
          ("keyID", .string(id)),
        ]))
    } else {
      try Console.print("key id \(id): sign with '\(out).key', trust '\(out).pub'")
    }
  }
}
