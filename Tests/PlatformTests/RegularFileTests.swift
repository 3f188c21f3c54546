import Foundation
import Platform
import Refusal
import TestSupport
import Testing

@Suite("Regular files")
struct RegularFileTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test func `a file is read up to the limit and refused beyond it`() throws {
    let path = try directory.write("file", [1, 2, 3])
    #expect(try RegularFile.read(path, limit: 3) == [1, 2, 3])
    #expect(refusal { () throws(Refusal) in try RegularFile.read(path, limit: 2) } == .limit)
    #expect(
      refusal { () throws(Refusal) in try RegularFile.read(directory.path("none"), limit: 2) }
        == .io)
  }

  @Test func `what is no regular file is not read`() throws {
    for path in [directory.url.path, "/dev/zero", "/dev/null"] {
      #expect(refusal { () throws(Refusal) in try RegularFile.read(path, limit: 9) } == .format)
    }
  }

  @Test func `replacing puts the whole new content under the name, with its mode`() throws {
    let path = try directory.write("file", [1, 2, 3])
    try RegularFile.replace(path, with: [4], mode: 0o640)
    #expect(try directory.bytes("file") == [4])
    #expect(try mode("file") == 0o640)
    #expect(try directory.names == ["file"])
  }

  @Test func `a link to what is no regular file is left as it is`() throws {
    try FileManager.default.createSymbolicLink(
      atPath: directory.path("null"), withDestinationPath: "/dev/null")
    for path in [directory.path("null"), "/dev/null", "/dev/stdout", "/proc/self/fd/0"] {
      #expect(refusal { () throws(Refusal) in try RegularFile.replace(path, with: [2]) } == .path)
      #expect(
        refusal { () throws(Refusal) in try RegularFile.requireOutput(path, besides: []) } == .path)
    }
    #expect(
      try FileManager.default.destinationOfSymbolicLink(atPath: directory.path("null"))
        == "/dev/null")
  }

  @Test func `an output that is an input by another name is refused, and one that cannot be is`()
    throws
  {
    let input = try directory.write("input", [1])
    try FileManager.default.createSymbolicLink(
      atPath: directory.path("link"), withDestinationPath: "input")
    try FileManager.default.linkItem(atPath: input, toPath: directory.path("hard"))
    let folder = directory.url.path
    for name in ["input", "./input", "link", "hard"] {
      #expect(
        refusal { () throws(Refusal) in
          try RegularFile.requireOutput(folder + "/" + name, besides: ["/none", input])
        } == .path, "\(name)")
    }
    #expect(
      refusal { () throws(Refusal) in
        try RegularFile.requireOutput(folder + "/none/output", besides: [input])
      } == .io)
    try RegularFile.requireOutput(folder + "/output", besides: [input])
    #expect(try directory.bytes("input") == [1])
  }

  @Test func `a link is replaced, not followed`() throws {
    try directory.write("precious", [1])
    try FileManager.default.createSymbolicLink(
      atPath: directory.path("link"), withDestinationPath: "precious")
    try RegularFile.replace(directory.path("link"), with: [2])
    #expect(try directory.bytes("precious") == [1])
    #expect(try directory.bytes("link") == [2])
  }

  @Test func `a device, a pipe or a directory is never replaced`() throws {
    #expect(try run("/usr/bin/mkfifo", [directory.path("pipe")]).status == 0)
    for path in [directory.path("pipe"), directory.url.path, "/dev/null"] {
      #expect(refusal { () throws(Refusal) in try RegularFile.replace(path, with: [1]) } == .path)
    }
    #expect(try directory.names == ["pipe"])
  }

  @Test func `creating never touches what is there`() throws {
    let path = directory.path("new")
    try RegularFile.create(path, with: [7], mode: 0o600)
    #expect(try mode("new") == 0o600)
    #expect(refusal { () throws(Refusal) in try RegularFile.create(path, with: [8]) } == .state)
    #expect(try directory.bytes("new") == [7])
    try RegularFile.remove(path)
    #expect(try directory.names == [])
    #expect(refusal { () throws(Refusal) in try RegularFile.remove(path) } == .io)
  }

  private func mode(_ name: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: directory.path(name))[.posixPermissions]
      as? Int
  }

  private func refusal<Value>(_ body: () throws(Refusal) -> Value) -> RefusalClass? {
    do throws(Refusal) {
      _ = try body()
      return nil
    } catch {
      return error.kind
    }
  }
}
