import Foundation
import Glibc
import Platform
import TestSupport
import Testing

/// What a candidate does wrong, and what is to be seen of it.
enum Failure: String, CaseIterable, Codable, Sendable {
  case segv, bus, fpe, ill, trap, abort, loop, overflow
  /// In a function of the C library.
  case `import`
  /// Through a pointer to no function.
  case jump
  /// To a packet.
  case write
  /// In a function of the C library, to which the module has jumped.
  case leave
  /// No fault: it drops the packet.
  case decide

  /// Those that every language is tried with.
  static let common: [Failure] = [.segv, .bus, .fpe, .ill, .trap, .abort, .loop, .overflow]
    .filter { ($0 != .loop && $0 != .abort) || !Sanitizer.isThread }

  /// What the report calls it on x86-64.
  var cause: String {
    switch self {
    case .segv, .overflow, .import, .jump, .write, .leave: "SIGSEGV"
    case .bus: "SIGBUS"
    case .fpe: "SIGFPE"
    case .ill: "SIGILL"
    case .trap: "SIGTRAP"
    case .abort: "SIGABRT"
    case .loop: "budget"
    case .decide: "none"
    }
  }
}

/// In what a module is written.
enum Language: String, CaseIterable, Sendable {
  case c = "C"
  case swift = "Embedded Swift"
}

/// A qer made from Fixtures, compiled once for all tests.
enum FaultyModule {
  private static let built = Guarded<[String: [UInt8]]>([:])

  /// The version 1.0.`patch`, which fails as it is told; `time` is what it puts into buckets, its version when
  /// nothing is said.
  static func image(
    _ patch: Int, _ failure: Failure? = nil, in language: Language = .c, time: Int? = nil
  ) throws -> [UInt8] {
    let time = time ?? patch
    let key = "\(patch) \(failure?.rawValue ?? "") \(language) \(time)"
    if let image = built.withLock({ $0[key] }) { return image }
    let image = try build(patch, failure, language, time)
    built.withLock { $0[key] = image }
    return image
  }

  fileprivate static var fixtures: String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures"
  }

  private static func build(
    _ patch: Int, _ failure: Failure?, _ language: Language, _ time: Int
  ) throws -> [UInt8] {
    let directory = try TemporaryDirectory()
    var inputs = [fixtures + "/qer.c"]
    var macros = ["-DPATCH=\(patch)", "-DTIME=\(time)"]
    if let failure {
      switch failure {
      case .write: macros.append("-DWRITES")
      case .leave: macros.append("-DLEAVES")
      case .decide: macros.append("-DDECIDES")
      default: macros.append("-DFAILURE=\(failure.rawValue)")
      }
    }
    if failure != nil, language == .swift {
      inputs.append(try directory.write("failure.o", try failureInSwift.get()))
      macros.append("-DIN_SWIFT")
    }
    return try link(inputs, macros, in: directory)
  }

  /// The object of failure.swift, which knows all ways to fail.
  private static let failureInSwift = Result {
    let directory = try TemporaryDirectory()
    try check(
      run(
        "/usr/bin/env",
        [
          "swiftc", "-wmo", "-c", "-O", "-parse-as-library", "-swift-version", "6",
          "-enable-experimental-feature", "Embedded", "-Xfrontend", "-function-sections",
          "-Xfrontend", "-disable-stack-protector",
          "-import-objc-header", fixtures + "/failure.h", "-module-name", "failure",
          fixtures + "/failure.swift", "-o", directory.path("failure.o"),
        ]))
    return try directory.bytes("failure.o")
  }

  /// Makes a module of sources and objects.
  fileprivate static func link(
    _ inputs: [String], _ macros: [String], in directory: TemporaryDirectory
  ) throws -> [UInt8] {
    let includes = ["Ground/CHitless", "UPF/CUPF"].map { path in
      "-I\(TestModule.root)/Sources/\(path)/include"
    }
    try check(
      run(
        "/usr/bin/gcc",
        [
          "-std=c11", "-O2", "-fPIC", "-fvisibility=hidden", "-shared", "-nostartfiles",
          "-Wl,--as-needed,--gc-sections", "-Wl,-z,now,-z,relro,-z,noexecstack",
          "-Wl,--build-id=sha1",
          "-Wl,--version-script=\(TestModule.root)/Sources/Modules/module.map",
        ] + includes + macros + inputs + ["-o", directory.path("qer.so")]))
    return try directory.bytes("qer.so")
  }

  private static func check(_ compiler: ProgramRun) throws {
    try #require(compiler.status == 0, "\(compiler.output)\(compiler.errors)")
  }
}

/// A qer that keeps a book in buckets of one of two layouts, made from Fixtures and compiled once for all tests.
enum RecordModule {
  private static let built = Guarded<[String: [UInt8]]>([:])

  /// Version 1.0.`schema`, which fails as the macros of Fixtures/records.c say.
  static func image(_ schema: Int, _ macros: [String] = []) throws -> [UInt8] {
    let key = "\(schema) \(macros)"
    if let image = built.withLock({ $0[key] }) { return image }
    let image = try FaultyModule.link(
      [FaultyModule.fixtures + "/records.c"],
      ["-DSCHEMA=\(schema)"] + macros.map { "-D\($0)" }, in: TemporaryDirectory())
    built.withLock { $0[key] = image }
    return image
  }
}
