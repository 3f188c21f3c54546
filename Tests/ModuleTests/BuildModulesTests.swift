import ElfImage
import Foundation
import TestSupport
import Testing

@Suite("tools/build-modules")
struct BuildModulesTests {
  private let tool = "\(TestModule.root)/tools/build-modules"

  @Test func `a second run has nothing to do`() throws {
    _ = try BuiltModules.path("qer", "1.0.0")
    let again = try run(tool, [])
    #expect(again.status == 0)
    #expect(again.output == "")
  }

  @Test func `another directory and another place of the tree give the same bytes`() throws {
    let directory = try TemporaryDirectory()
    let tree = directory.path("tree with a longer name")
    try FileManager.default.createDirectory(atPath: tree, withIntermediateDirectories: true)
    for part in ["Sources", "patches", "tools"] {
      try #require(try run("/bin/cp", ["-R", "\(TestModule.root)/\(part)", tree]).status == 0)
    }
    let built = try run("\(tree)/tools/build-modules", ["--out", directory.path("out")])
    try #require(built.status == 0, "\(built.errors)")
    for (name, version) in BuiltModules.all {
      let copy = try directory.bytes("out/\(name)-\(version).so")
      #expect(copy == (try BuiltModules.bytes(name, version)), "\(name) \(version)")
    }
    #expect(try directory.names == ["out", "tree with a longer name"])
    let left = try FileManager.default.contentsOfDirectory(atPath: directory.path("out/.cache"))
    #expect(!left.contains { $0.hasPrefix("work.") })
  }

  @Test func `one module can be built alone`() throws {
    let directory = try TemporaryDirectory()
    let built = try run(tool, ["--out", directory.path("out"), "qer"])
    try #require(built.status == 0, "\(built.errors)")
    let files = try FileManager.default.contentsOfDirectory(atPath: directory.path("out")).sorted()
    #expect(files == [".cache", "qer-1.0.0.so", "qer-1.0.1.so", "qer-1.0.2.so", "qer-1.1.0.so"])
  }

  @Test func `a patch that fits no version is an error and not silence`() throws {
    let directory = try TemporaryDirectory()
    for part in ["Sources", "patches", "tools"] {
      let copied = try run("/bin/cp", ["-R", "\(TestModule.root)/\(part)", directory.url.path])
      try #require(copied.status == 0)
    }
    let text = """
      Subject: [PATCH] x

      Module: qer
      Base-Version: 7.0.0
      New-Version: 7.0.1

      diff --git a/x b/x
      """
    try directory.write("patches/9999-x.patch", Array(text.utf8))
    let built = try run(directory.path("tools/build-modules"), ["qer"])
    #expect(built.status == 1)
    #expect(built.errors.contains("'patches/9999-x.patch' applies to 7.0.0"))
  }

  @Test(arguments: [["-h"], ["--help"]])
  func `it says how it is used`(arguments: [String]) throws {
    let help = try run(tool, arguments)
    #expect(help.status == 0)
    #expect(help.output.contains("tools/build-modules [--out DIR] [NAME...]"))
  }

  @Test(arguments: [["-x"], ["--out"]])
  func `arguments that make no sense are a usage error`(arguments: [String]) throws {
    #expect(try run(tool, arguments).status == 2)
  }

  @Test func `a module that is not there is named`() throws {
    let directory = try TemporaryDirectory()
    let built = try run(tool, ["--out", directory.path("out"), "nothing"])
    #expect(built.status == 2)
    #expect(built.errors.contains("there is no module 'nothing'"))
  }

  @Test func `a missing tool is named`() throws {
    let directory = try TemporaryDirectory()
    for name in ["dirname", "basename", "sed"] {
      try FileManager.default.createSymbolicLink(
        atPath: directory.path(name), withDestinationPath: "/usr/bin/\(name)")
    }
    let built = try run(
      "/usr/bin/env",
      ["PATH=\(directory.url.path)", "/bin/bash", tool, "--out", directory.path("out")])
    #expect(built.status == 1)
    #expect(built.errors.contains("'gcc' is not on the PATH"))
    #expect(built.errors.contains("hint: tools/setup installs what is missing"))
  }

  @Test(arguments: BuiltModules.all)
  func `readelf finds one export, no imports and nothing that stays writable`(
    name: String, version: String
  ) throws {
    let path = try BuiltModules.path(name, version)
    let symbols = try run("/usr/bin/readelf", ["--dyn-syms", "-W", path])
    let named = symbols.output.split(separator: "\n").filter { line in
      let fields = line.split(separator: " ")
      return fields.count == 8 && Int(fields[0].dropLast()) != nil
    }
    #expect(named.count == 1)
    #expect(named.first?.hasSuffix("hitless_module") == true)
    let segments = try run("/usr/bin/readelf", ["-lW", path]).output.split(separator: "\n")
    let writable = segments.filter { $0.contains("LOAD") && $0.contains("RW") }
    #expect(writable.count == 1)
    let load = try #require(writable.first).split(separator: " ")
    let relro = try #require(segments.first { $0.contains("GNU_RELRO") }).split(separator: " ")
    let end = { (fields: [Substring]) in
      try #require(UInt64(fields[2].dropFirst(2), radix: 16))
        + #require(UInt64(fields[5].dropFirst(2), radix: 16))
    }
    #expect(relro[2] == load[2])
    #expect(try end(relro) >= end(load))
    #expect(try end(relro) % 4096 == 0)
    let sections = try run("/usr/bin/readelf", ["-SW", path])
    #expect(sections.output.contains(" hitless_patchable "))
    #expect(!sections.output.contains(" .data "))
  }
}
