import Digests
import Foundation
import Generator
import Glibc
import Signing
import TestSupport
import Testing

/// What all faulted hosts of a suite begin with: builds of a module, a key, patches from one to the next, and a
/// state directory.
final class FaultSite: Sendable {
  /// What the host is, as it is told.
  enum Kind: String, Sendable {
    /// Three builds, of which the last one traps at an argument; the first patch is confirmed.
    case plain
    /// The same with confirmed code under guard, too.
    case always
    /// Two builds that keep records in different layouts; nothing is confirmed.
    case ledger
  }

  let kind: Kind
  /// What `result` says before and after the patch that a life is about.
  let old: String
  let new: String

  let directory: TemporaryDirectory
  let module: String
  let key: String
  let patches: [String]
  /// The state directory to begin with.
  let base: String

  /// `macros` are those of the second build of a module that keeps records.
  init(_ kind: Kind = .plain, _ macros: [String] = []) throws {
    let directory = try TemporaryDirectory()
    self.kind = kind
    self.directory = directory
    (old, new) = kind == .ledger ? ("ok 1", "ok 2") : ("ok 32", "ok 33")
    base = directory.path("base")
    let secret = try SigningKey.generate()
    key = try directory.write("vendor.pub", try secret.publicKey.pem)
    let images =
      kind == .ledger
      ? try [[], ["SCHEMA=2"] + macros].enumerated().map { number, macros in
        try Self.ledger("\(number).so", macros, in: directory)
      }
      : try (0..<3).map { number in try Self.alpha("\(number).so", number, in: directory) }
    module = directory.path("0.so")
    patches = try (1..<images.count).map { number in
      let pair = PatchRequest.Pair(
        base: images[number - 1], target: images[number], names: ("base", "target"))
      var request = PatchRequest(pairs: [pair], keys: [secret])
      request.product = "upf"
      request.release = "r\(number)"
      request.sequence = UInt64(number)
      return try directory.write("\(number).hlp", try PatchBuilder.build(request).bytes)
    }
    let orders =
      kind == .ledger ? [] : ["install \(patches[0])", "activate", "confirm"]
    try live(["prepare", "start"] + orders + ["close"], in: base)
  }

  private static func alpha(
    _ file: String, _ number: Int, in directory: TemporaryDirectory
  ) throws -> [UInt8] {
    var module = TestModule()
    module.name = "alpha"
    module.version = (1, 0, UInt32(number))
    module.interface = (0x61, 1)
    module.markedConstant = number + 1
    // The number of fault_load.h.
    module.trapsAt = number == 2 ? 666 : nil
    try module.build(file, in: directory)
    return try directory.bytes(file)
  }

  private static func ledger(
    _ file: String, _ macros: [String], in directory: TemporaryDirectory
  ) throws -> [UInt8] {
    let built = try run(
      "/usr/bin/gcc",
      [
        "-std=c11", "-O2", "-fPIC", "-fvisibility=hidden",
        "-I\(TestModule.root)/Sources/Ground/CHitless/include", "-shared", "-nostartfiles",
        "-Wl,-z,now,-z,relro,-z,noexecstack", "-Wl,--build-id=sha1",
        "-Wl,--version-script=\(TestModule.root)/Sources/Modules/module.map",
      ] + macros.map { "-D\($0)" } + [
        "-o", directory.path(file), "\(TestModule.root)/Tests/MigrationTests/Fixtures/ledger.c",
      ])
    try #require(built.status == 0, "\(built.errors)")
    return try directory.bytes(file)
  }

  /// Lets a host do this without a fault, and kills it.
  func live(_ orders: [String], in state: String) throws {
    let host = try FaultedHost(self, state: state)
    for words in orders {
      let answer = try host.order(words)
      try #require(answer?.hasPrefix("ok") == true, "\(words): \(answer ?? "ended")")
    }
  }

  /// A file for as many records as the host has, all zeros.
  func records(_ name: String) throws -> String {
    try directory.write(name, [UInt8](repeating: 0, count: 6400))
  }

  /// A state directory of its own for one host, as a copy of `original` or of the one to begin with.
  func copy(_ name: String, of original: String? = nil) throws -> String {
    let copy = directory.path(name)
    removeTree(copy)
    try write(snapshot(of: original ?? base), to: copy)
    return copy
  }

  /// Writes a directory from what `snapshot` says of another.
  func write(_ files: [String: [UInt8]], to path: String) throws {
    unsafe mkdir(path, 0o700)
    for name in files.keys.sorted() {
      if name.hasSuffix("/") {
        unsafe mkdir("\(path)/\(name)", 0o700)
      } else {
        guard let file = unsafe fopen("\(path)/\(name)", "wb") else {
          throw FaultedHost.Failure(description: "cannot write \(path)/\(name)")
        }
        let bytes = files[name] ?? []
        // SAFETY: the array has as many bytes as are written; the file is open.
        _ = unsafe fwrite(bytes, 1, bytes.count, file)
        _ = unsafe fclose(file)
      }
    }
  }
}
