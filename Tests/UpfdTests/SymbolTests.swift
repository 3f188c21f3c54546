import Foundation
import GTPU
import TestSupport
import Testing

/// Debuggers and profilers, with what `hitless agent symbols` has written for them.
extension RunningTests {
  /// gdb hung for ever on a module that was mapped through `/proc/self`, hence the time limit.
  @Test(.enabled(if: Observer.gdb.isAllowed, "needs leave to trace other processes"))
  func `gdb names functions of live modules, and the host goes on after it`() throws {
    let operations = try Operations()
    let daemon = try RunningDaemon("127.77.0.7", more: operations.arguments)
    defer { daemon.kill() }
    _ = try operations.object("install", operations.path("fix.hlp"))
    _ = try operations.object("activate")
    let answer = try operations.object("symbols", "--directory", operations.path("cache"))
    let modules = try #require(answer["modules"] as? [[String: Any]])
    #expect(modules.compactMap { $0["use"] as? String } == ["stable", "stable", "candidate"])

    var commands = ["-ex", "source \(try #require(answer["gdb_script"] as? String))"]
    var expected: [String] = []
    for module in modules {
      let file = try #require(module["file"] as? String)
      let bias = try #require(module["bias"] as? UInt)
      let symbol = try #require(try function(in: file))
      commands += ["-ex", "info symbol \(bias + symbol.address + 1)"]
      expected.append("\(symbol.name) + 1 in section \(file)")
    }
    let outcome = try run(
      "/usr/bin/timeout",
      ["--kill-after=5", "60", "/usr/bin/gdb", "-nx", "-batch", "-p", "\(daemon.processID)"]
        + commands)
    #expect(outcome.status == 0, "\(outcome.errors)")
    // Which section it is, is the module's business.
    let said = outcome.output.split(separator: "\n").map { line in
      line.split(separator: " of ").enumerated().map { index, part in
        index == 0 ? part.split(separator: " ").dropLast().joined(separator: " ") : String(part)
      }.joined(separator: " ")
    }
    for line in expected { #expect(said.contains(line), "\(outcome.output)") }
    #expect(try operations.object("list")["transaction"] != nil)
    #expect(try daemon.end() == 0)
  }

  /// perf began after the modules were mapped, so all that it has of them is what the kernel calls their files.
  @Test(.enabled(if: Observer.perf.isAllowed, "needs leave to count what other processes do"))
  func `perf names functions of live modules`() throws {
    let operations = try Operations()
    let daemon = try RunningDaemon("127.77.0.13", more: operations.arguments)
    defer { daemon.kill() }
    let cache = operations.path("cache")
    let answer = try operations.object("symbols", "--directory", cache)
    let modules = try #require(answer["modules"] as? [[String: Any]])
    let qer = try #require(modules.first { $0["module"] as? String == "qer" })
    let mapping = try #require(qer["mapping"] as? String)
    let maps = String(decoding: contents(of: "/proc/\(daemon.processID)/maps") ?? [], as: UTF8.self)
    #expect(maps.contains("\(mapping)\n"))
    let names = try functions(in: try #require(qer["file"] as? String)).map(\.name)
    let known = try #require(answer["known_build_ids"] as? String)

    // A packet takes a module less time than lies between two samples: so there may be none in a round.
    var found = false
    for round in 0..<20 where !found {
      let samples = try record(daemon, operations.path("\(round).data"), known, cache)
      found = samples.contains { $0.contains("(\(mapping)") && names.contains(symbol(in: $0)) }
    }
    #expect(found)
    #expect(try daemon.end() == 0)
  }

  /// What perf says of its samples of two seconds under load, a line each.
  private func record(
    _ daemon: RunningDaemon, _ file: String, _ known: String, _ cache: String
  ) throws -> [String] {
    let recorder = Process()
    recorder.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
    recorder.arguments =
      Observer.unblocked + Observer.recording(into: file)
      + ["-p", "\(daemon.processID)", "--", "sleep", "2"]
    recorder.standardOutput = FileHandle.nullDevice
    recorder.standardError = FileHandle.nullDevice
    try recorder.run()
    let header = GTPUHeader(.packet, teid: 0x1000, pduSession: .init(.uplink, qfi: 9))
    let packet = header.message(Self.packet([10, 60, 0, 1], [8, 8, 8, 8]))
    while recorder.isRunning {
      for _ in 0..<64 { daemon.send(packet) }
      while daemon.nextFromCoreNow() {}
    }
    try #require(recorder.terminationStatus == 0)
    let injected = try run(
      "/usr/bin/perf",
      ["inject", "--build-ids", "--known-build-ids=\(known)", "-i", file, "-o", "\(file).named"])
    try #require(injected.status == 0, "\(injected.errors)")
    let script = try run(
      "/usr/bin/perf",
      ["--buildid-dir", cache, "script", "-i", "\(file).named", "-F", "ip,sym,dso"])
    #expect(script.status == 0, "\(script.errors)")
    return script.output.split(separator: "\n").map(String.init)
  }

  /// The name in a line of `perf script`: address, name, and in brackets the file.
  private func symbol(in line: String) -> String {
    let words = line.split(separator: " ")
    return words.count > 1 ? String(words[1]) : ""
  }

  /// Where perf itself would have put the file, it is.
  @Test func `the cache is one that perf and gdb read`() throws {
    let operations = try Operations()
    let daemon = try RunningDaemon("127.77.0.8", more: operations.arguments)
    defer { daemon.kill() }
    let cache = operations.path("cache")
    let first = try operations.agent("symbols", "--directory", cache)
    #expect(first.status == 0 && first.output.contains("stable: qer 1.0.1, build-id "))
    // What is there is left alone.
    let before = snapshot(of: cache)
    #expect(try operations.agent("symbols", "--directory", cache).status == 0)
    #expect(snapshot(of: cache) == before)
    let answer = try operations.object("symbols", "--directory", cache)
    for module in try #require(answer["modules"] as? [[String: Any]]) {
      let buildID = try #require(module["build_id"] as? String)
      let file = try #require(module["file"] as? String)
      let notes = try run("/usr/bin/readelf", ["-n", file]).output
      #expect(notes.contains("Build ID: \(buildID)"))
      let link = "\(cache)/.build-id/\(buildID.prefix(2))/\(buildID.dropFirst(2))"
      #expect(contents(of: "\(link)/elf") == contents(of: file))
      #expect(contents(of: "\(link).debug") == contents(of: file))
      let own = operations.path("perf")
      let added = try run("/usr/bin/perf", ["--buildid-dir", own, "buildid-cache", "--add", file])
      let place = ".build-id/\(buildID.prefix(2))/\(buildID.dropFirst(2))/elf"
      #expect(added.status == 0 && contents(of: "\(own)/\(place)") == contents(of: file))
    }
    try operations.refuse(61, "io", "symbols", "--directory", "/proc/nowhere")
    #expect(try daemon.end() == 0)
    try operations.refuse(61, "io", "symbols", "--directory", cache)
  }

  /// The first function of a file.
  private func function(in file: String) throws -> (name: String, address: UInt)? {
    try functions(in: file).first
  }

  /// The functions of a file, as nm finds them.
  private func functions(in file: String) throws -> [(name: String, address: UInt)] {
    let lines = try run("/usr/bin/nm", ["--defined-only", file]).output.split(separator: "\n")
    return lines.compactMap { line -> (String, UInt)? in
      let words = line.split(separator: " ")
      guard words.count == 3, words[1] == "t" || words[1] == "T", !words[2].hasPrefix("_") else {
        return nil
      }
      return UInt(words[0], radix: 16).map { (String(words[2]), $0) }
    }
  }
}

/// A program that looks into another process.
///
/// tools/setup installs both: one that is missing fails the tests. Where a kernel or a container forbids what they do,
/// the tests are skipped, and the test run says so.
private enum Observer {
  case gdb, perf

  /// Whether the program may do here what the tests need it for; also when there is no such program.
  var isAllowed: Bool {
    do {
      switch self {
      case .gdb: return try Self.mayTrace()
      case .perf: return try Self.mayCount()
      }
    } catch {
      return true
    }
  }

  private static func mayTrace() throws -> Bool {
    let other = Process()
    other.executableURL = URL(fileURLWithPath: "/usr/bin/sleep")
    other.arguments = ["600"]
    other.standardOutput = FileHandle.nullDevice
    other.standardError = FileHandle.nullDevice
    try other.run()
    // Started by a thread of a dispatch queue it blocks nearly all signals, and would sleep on.
    defer {
      kill(other.processIdentifier, SIGKILL)
      other.waitUntilExit()
    }
    let words = ["--kill-after=5", "60", "/usr/bin/gdb", "-nx", "-batch", "-p"]
    let outcome = try run("/usr/bin/timeout", words + ["\(other.processIdentifier)"])
    return !outcome.errors.contains("ptrace: Operation not permitted")
  }

  private static func mayCount() throws -> Bool {
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/perf") else { return true }
    let directory = try TemporaryDirectory()
    let words = unblocked + recording(into: directory.path("data")) + ["--", "sleep", "0.1"]
    return try run("/usr/bin/python3", words).status == 0
  }

  /// Samples of whatever comes behind these words.
  static func recording(into file: String) -> [String] {
    ["/usr/bin/perf", "record", "-e", "cpu-clock:u", "-F", "5000", "-o", file]
  }

  /// Makes python3 become the program that comes behind these words, with no signal blocked.
  ///
  /// A thread of a dispatch queue blocks nearly all, and so would perf, which hears by one that time is up.
  static let unblocked = [
    "-c",
    """
    import os, signal, sys
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.execv(sys.argv[1], sys.argv[1:])
    """,
  ]
}
