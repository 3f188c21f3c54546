import CSwapTestSupport
import Foundation
import HotSwap
import Testing
import TestSupport

/// A compiled variant of Fixtures/module.c.
struct ModuleFixture {
  /// The file.
  let bytes: [UInt8]
  /// What its notes say, as an independent reader finds it.
  let expectation: ModuleExpectation

  /// Compiles the variant that `macros` make, by the recipe for modules.
  init(_ macros: [String] = []) throws {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let root = tests.deletingLastPathComponent().deletingLastPathComponent()
    let directory = try TemporaryDirectory()
    let map = "{ global: hitless_module; something_else; local: *; };"
    let versions = try directory.write("module.map", Array(map.utf8))
    let target = directory.path("module.so")
    let compiler = try TestSupport.run(
      "/usr/bin/gcc",
      [
        "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused", "-fPIC",
        "-fvisibility=hidden",
        "-I\(root.path)/Sources/Ground/CHitless/include", "-shared", "-nostartfiles",
        "-Wl,-z,now,-z,relro,-z,noexecstack", "-Wl,--build-id=sha1",
        "-Wl,--version-script=\(versions)", tests.path + "/Fixtures/module.c", "-o", target,
      ] + macros.map { "-D\($0)" })
    try #require(compiler.status == 0, "\(compiler.status) \(compiler.errors)")
    bytes = try directory.bytes("module.so")
    expectation = ModuleExpectation(
      buildID: try Self.note(".note.gnu.build-id", of: target, skipping: 16, in: directory),
      facts: try Self.note(".note.hitless", of: target, skipping: 20, in: directory))
  }

  /// The description of the one note in `section`, as objcopy finds it.
  private static func note(
    _ section: String, of path: String, skipping header: Int, in directory: TemporaryDirectory
  ) throws -> [UInt8] {
    let objcopy = try TestSupport.run(
      "/usr/bin/objcopy",
      ["-O", "binary", "--only-section=\(section)", path, directory.path("note")])
    try #require(objcopy.status == 0, "\(objcopy.errors)")
    return Array(try directory.bytes("note").dropFirst(header))
  }

  /// Maps the fixture from a sealed file of its own.
  func map(ordinal: UInt32 = 0) throws -> MappedModule {
    try map(expecting: expectation, ordinal: ordinal)
  }

  /// The same, compared with what another file's notes say.
  func map(expecting expected: ModuleExpectation, ordinal: UInt32 = 0) throws -> MappedModule {
    let descriptor = try sealedFile(bytes)
    // The module has to live from a descriptor of its own.
    defer { close(descriptor) }
    return try MappedModule.map(descriptor: descriptor, expecting: expected, ordinal: ordinal)
  }
}

/// A sealed memory file; the caller closes it.
func sealedFile(_ bytes: [UInt8]) throws -> Int32 {
  // SAFETY: the bytes are read during the call only.
  let descriptor = unsafe swap_sealed_file(bytes, bytes.count)
  try #require(descriptor >= 0)
  return descriptor
}
