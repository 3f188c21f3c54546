import DeltaEncoder
import DeltaModel
import Digests
import Foundation
import Testing
import TestSupport

/// A decoder of other hands, in Python (`Tests/Reference/hitless_delta`), reads what the encoder writes.
///
/// It shares nothing with the Swift code but the format, so a rule that encoder and decoder break in the
/// same way is seen here, and so is whatever depends on the machine.
@Suite("Reference decoder")
struct ReferenceDecoderTests {
  private static let program = "\(TestModule.root)/Tests/Reference/hitless_delta/decode.py"

  @Test(arguments: [
    ("classify", "1.0.0", "1.0.1"), ("qer", "1.0.0", "1.0.1"), ("qer", "1.0.1", "1.0.2"),
  ])
  func `rebuilt modules come back`(name: String, old: String, new: String) throws {
    try expectDecoded(
      try BuiltModules.bytes(name, old), try BuiltModules.bytes(name, new), mode: "delta")
  }

  /// Code of fixed-width words; Swift's own toolchain has the compiler and the linker.
  @Test(
    .enabled(if: FileManager.default.isExecutableFile(atPath: Self.compiler)),
    arguments: [["--target=aarch64-linux-gnu"], ["--target=riscv64-linux-gnu", "-march=rv64gc"]])
  func `a rebuilt library of another machine comes back`(options: [String]) throws {
    let old = try Self.library(options, isFixed: false)
    try expectDecoded(old, try Self.library(options, isFixed: true), mode: "delta")
  }

  @Test func `a module comes back from another one`() throws {
    let base = try BuiltModules.bytes("classify", "1.0.0")
    try expectDecoded(base, try BuiltModules.bytes("qer", "1.0.0"))
  }

  @Test func `an edited text comes back`() throws {
    let lines = (0..<300).map { "line \($0) of a text, of which \($0 * 7 % 13) words are left\n" }
    var edited = lines
    edited.insert("a line that is new, and what it says is not in the text before\n", at: 40)
    edited.swapAt(100, 200)
    edited.removeSubrange(250..<260)
    try expectDecoded(
      Array(lines.joined().utf8), Array(edited.joined().utf8), mode: "delta")
  }

  @Test func `a file without a base comes back`() throws {
    let text = (0..<60).map { "line \($0) of a text that repeats itself\n" }.joined()
    try expectDecoded(Array(repeating: 7, count: 50), Array(text.utf8), mode: "plain")
  }

  /// With a period of its own, noise, and the same noise again.
  @Test func `a table with noise in it comes back`() throws {
    var generator = SeededGenerator(seed: 8)
    let noise = generator.bytes(600)
    var records: [UInt8] = []
    for index in 0..<90 {
      records += [UInt8(index), 0, 1]
      records += generator.bytes(1, below: 20)
      records.append(90)
    }
    let target: [UInt8] = records + noise + records.prefix(99) + noise
    try expectDecoded([], target, mode: "plain")
  }

  @Test func `blocks of noise that come again come back`() throws {
    var generator = SeededGenerator(seed: 9)
    let blocks = (0..<60).map { _ in generator.bytes(24) }
    var target = blocks.flatMap { $0 }
    for _ in 0..<200 { target += blocks[Int.random(in: 0..<60, using: &generator)] }
    #expect(DeltaEncoder.encode(base: [], target: target).header.hasRepeats)
    try expectDecoded([], target, mode: "plain")
  }

  @Test func `repeats of which the distances come in turn come back`() throws {
    var generator = SeededGenerator(seed: 10)
    var target = generator.bytes(4000)
    for number in 0..<80 {
      let start = target.count - [3001, 1502, 2803, 977][number * number / 3 % 4]
      target += target[start..<start + 20]
      target += generator.bytes(1)
    }
    #expect(DeltaEncoder.encode(base: [], target: target).header.hasRepeats)
    try expectDecoded([], target, mode: "plain")
  }

  /// What codec 1 knows of a file without a base.
  @Test func `a module without a base comes back`() throws {
    try expectDecoded([], try BuiltModules.bytes("qer", "1.0.0"), mode: "whole")
  }

  @Test func `small files come back`() throws {
    var generator = SeededGenerator(seed: 5)
    try expectDecoded([1], [2], mode: "stored")
    try expectDecoded([], Array("new".utf8), mode: "stored")
    let base = generator.bytes(900, below: 40)
    try expectDecoded(base, base.prefix(400) + generator.bytes(30) + base.dropFirst(450))
  }

  /// The reference has to be able to fail: it refuses what is damaged, and a base that is another.
  @Test func `damage is refused`() throws {
    let base = try BuiltModules.bytes("qer", "1.0.0")
    let file = Self.file(base, try BuiltModules.bytes("qer", "1.0.1"))
    var other = base
    other[300] ^= 1
    #expect(try decode(file.encoded, base: other) == nil)
    for place in stride(from: 90, to: file.encoded.count, by: 60) {
      var damaged = file.encoded
      damaged[place] ^= 16
      #expect(try decode(damaged, base: base) == nil, "byte \(place)")
    }
  }

  private static let compiler = "/usr/bin/clang"

  /// Functions that call each other and have data, with a line more in some of them when `isFixed`.
  private static func library(_ options: [String], isFixed: Bool) throws -> [UInt8] {
    var source = "int data[64]; static int hidden[100]; extern int outside(int);\n"
    for number in 0..<30 {
      let other = (number * 7 + 3) % 30
      let fix = isFixed && number % 9 == 4 ? "if (x > \(number)) data[1] += hidden[x & 63];" : ""
      source += """
        int f\(other)(int, int *);
        int f\(number)(int x, int *p) {
          \(fix)
          switch (x & 7) {
            case 0: x += data[\(number)]; break;
            case 1: x = outside(x); break;
            case 2: p[\(number % 20)] = x * \(number + 1); break;
            case 3: hidden[\(number)] += x; break;
          }
          return p[2] > \(number) ? f\(other)(x - 1, p) : x + \(number);
        }

        """
    }
    let directory = try TemporaryDirectory()
    let built = try run(
      compiler,
      options + [
        "-O2", "-fPIC", "-w", "-shared", "-nostdlib", "-fuse-ld=lld", "-o",
        directory.path("library"),
        try directory.write("source.c", Array(source.utf8)),
      ])
    try #require(built.status == 0, "\(built.errors)")
    return try directory.bytes("library")
  }

  private func expectDecoded(_ base: [UInt8], _ target: [UInt8], mode: String? = nil) throws {
    let file = Self.file(base, target)
    let header = try DeltaHeader(parsing: file.delta)
    if let mode { #expect(header.mode.name == mode) }
    #expect(try decode(file.encoded, base: base) == target)
  }

  private static func file(_ base: [UInt8], _ target: [UInt8]) -> DeltaFile {
    let delta = DeltaEncoder.encode(base: base, target: target, effort: .quick)
    return DeltaFile(base: image(base), target: image(target), delta: delta.bytes)
  }

  private static func image(_ bytes: [UInt8]) -> DeltaFile.Image {
    DeltaFile.Image(size: UInt64(bytes.count), digest: SHA256Digest(of: bytes).bytes)
  }

  /// What the reference makes of the delta file `delta`, or nil when it refuses it.
  private func decode(_ delta: [UInt8], base: [UInt8]) throws -> [UInt8]? {
    let directory = try TemporaryDirectory()
    let finished = try run(
      "/usr/bin/python3",
      [
        "-B", Self.program, try directory.write("old", base), try directory.write("delta", delta),
        "-o", directory.path("new"),
      ])
    guard finished.status == 0 else {
      #expect(finished.status == 1 && finished.errors.hasPrefix("decode.py: error: "))
      return nil
    }
    return try directory.bytes("new")
  }
}
