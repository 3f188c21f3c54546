import Foundation
import TestSupport
import Testing

@Suite("hitless keygen")
struct KeygenTests {
  let bench: Workbench

  init() throws { bench = try Workbench() }

  @Test func `it writes a secret key that only its owner reads, and a public one`() throws {
    try bench.succeed("keygen", "--out", "vendor")
    #expect(try bench.directory.names == ["vendor.key", "vendor.pub"])
    #expect(try mode("vendor.key") == 0o600)
    #expect(try mode("vendor.pub") == 0o644)
    let derived = try run(
      "/usr/bin/openssl", ["pkey", "-in", bench.directory.path("vendor.key"), "-pubout"])
    #expect(Array(derived.output.utf8) == (try bench.directory.bytes("vendor.pub")))
  }

  @Test func `the JSON names both files and the key id`() throws {
    let outcome = try bench.succeed("keygen", "--out", "vendor", "--json")
    let object = try bench.object(outcome)
    #expect(object["secret"] as? String == "vendor.key")
    #expect(object["public"] as? String == "vendor.pub")
    #expect((object["keyID"] as? String)?.count == 16)
  }

  @Test(arguments: ["vendor.key", "vendor.pub"])
  func `neither file is ever overwritten`(existing: String) throws {
    try bench.directory.write(existing, Array("precious".utf8))
    try bench.refuse(52, "keygen", "--out", "vendor")
  }

  @Test func `a name that is a pipe or a dangling link is refused`() throws {
    try bench.makePipe("a.key")
    try bench.refuse(52, "keygen", "--out", "a")
    try FileManager.default.createSymbolicLink(
      atPath: bench.directory.path("b.pub"), withDestinationPath: "nowhere")
    let outcome = try bench.hitless("keygen", "--out", "b")
    #expect(outcome.status == 52)
    #expect(try bench.directory.names == ["a.key", "b.pub"])
  }

  @Test func `a directory that is not there is refused with its name`() throws {
    let outcome = try bench.refuse(61, "keygen", "--out", "no/such/vendor")
    #expect(outcome.errors.contains("'no/such/vendor.key'"))
  }

  private func mode(_ name: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: bench.directory.path(name))[.posixPermissions]
      as? Int
  }
}
