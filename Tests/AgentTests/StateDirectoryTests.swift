import Agent
import Glibc
import Refusal
import TestSupport
import Testing

/// Crashes in a simple form.
///
/// What a `kill -9` leaves is what is in the state directory at that moment: every file there is either
/// whole or has another name. So a copy of the directory after each step is a crash after that step.
@Suite("Restart after a crash")
struct CrashTests {
  let site: Site

  init() throws { site = try Site() }

  @Test func `a crash at any step comes up on the confirmed set`() throws {
    let agent = try site.start()
    var crashes: [(step: String, answers: [Int32], copy: String)] = []
    func crash(_ step: String, _ answers: [Int32]) throws {
      let copy = site.directory.path("after \(step)")
      let copied = try run("/usr/bin/cp", ["-a", site.state, copy])
      try #require(copied.status == 0, "\(copied.errors)")
      crashes.append((step, answers, copy))
    }
    try crash("start", [31, 31])
    let number = try agent.install(patch: try site.patch(["alpha", "beta"]))
    try crash("install", [31, 31])
    _ = try agent.activate(number)
    try crash("activate", [31, 31])
    try agent.confirm(number)
    try crash("confirm", [32, 32])
    let next = try agent.install(patch: try site.patch(from: 1, to: 2))
    _ = try agent.activate(next)
    try crash("activate again", [32, 32])
    try agent.rollback(next)
    try crash("rollback", [32, 32])
    try agent.close()
    for crash in crashes {
      site.options.stateDirectory = crash.copy
      let agent = try site.start()
      let worker = try TestWorker(agent)
      #expect(worker.results == crash.answers, "after \(crash.step)")
      worker.stop()
      try agent.close()
    }
  }

  @Test(arguments: ["confirmed.tmp", "trust.tmp", "objects/sha256/00.tmp", "audit.jsonl"])
  func `a file that was being written is no obstacle`(name: String) throws {
    do {
      let agent = try site.start()
      let number = try agent.install(patch: try site.patch())
      _ = try agent.activate(number)
      try agent.confirm(number)
      try agent.close()
    }
    let before = contents(of: "\(site.state)/\(name)") ?? []
    try site.directory.write("state/\(name)", before + Array("{\"number\":".utf8))
    let agent = try site.start()
    let worker = try TestWorker(agent)
    #expect(worker.results == [32, 31])
    worker.stop()
    #expect(try site.auditKinds().contains("repaired") == (name == "audit.jsonl"))
    try agent.close()
  }

  @Test func `a confirmed module that is damaged or gone stops the start, with a way out`() throws {
    do {
      let agent = try site.start()
      let number = try agent.install(patch: try site.patch())
      _ = try agent.activate(number)
      try agent.confirm(number)
      try agent.close()
    }
    let objects = "\(site.state)/objects/sha256"
    let whole = snapshot(of: objects)
    for name in names(in: objects) {
      removeTree("\(objects)/\(name)")
      let missing = #expect(throws: Refusal.self) { try site.start() }
      #expect(missing?.hint?.contains("state directory") == true)
      try site.directory.write("state/objects/sha256/\(name)", [1, 2, 3])
      expectRefusal(.integrity) { _ = try site.start() }
      try site.directory.write("state/objects/sha256/\(name)", whole[name] ?? [])
    }
    try site.start().close()
  }
}

@Suite("A state directory that cannot be used")
struct StateDirectoryTests {
  let site: Site

  init() throws { site = try Site() }

  @Test func `one that others may write to is refused at once`() throws {
    unsafe mkdir(site.state, 0o777)
    unsafe chmod(site.state, 0o777)
    expectRefusal(.path) { _ = try site.open() }
  }

  @Test(.enabled(if: geteuid() == 0, "needs root to give a directory away"))
  func `one of another user is refused at once`() throws {
    unsafe mkdir(site.state, 0o700)
    unsafe chown(site.state, 12345, 12345)
    expectRefusal(.path) { _ = try site.open() }
  }

  @Test(.enabled(if: geteuid() == 0, "needs root to mount a small file system"))
  func `a disk that is full loses nothing, and does not stop a rollback`() throws {
    let disk = try SmallDisk(site.state)
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    try disk.fill()
    let before = site.durableState()
    let confirm = #expect(throws: Refusal.self) { try agent.confirm(number) }
    #expect(confirm?.kind == .noSpace)
    #expect(agent.status().transactionState == .active)
    #expect(site.durableState() == before)
    try agent.rollback(number)
    #expect(eventually { worker.results == [31, 31] })
    #expect(agent.doctor().contains { !$0.isFine })
    try disk.empty()
    _ = try agent.activate(number)
    try agent.confirm(number)
    #expect(eventually { worker.results == [32, 31] })
    worker.stop()
    try agent.close()
    // A host starts, full or not.
    try disk.fill()
    let again = try site.start()
    let second = try TestWorker(again)
    #expect(second.results == [32, 31])
    second.stop()
    try again.close()
  }

  /// A directory stands where the next record would be written first: for root, too, an error.
  @Test(arguments: ["confirmed", "trust"])
  func `a record that cannot be written loses nothing, and does not stop a rollback`(
    name: String
  ) throws {
    let agent = try site.start()
    let worker = try TestWorker(agent)
    let number = try agent.install(patch: try site.patch())
    _ = try agent.activate(number)
    let obstacle = "\(site.state)/\(name).tmp"
    unsafe mkdir(obstacle, 0o700)
    let before = site.durableState()
    if name == "confirmed" {
      expectRefusal(.io) { _ = try agent.confirm(number) }
      #expect(site.durableState() == before)
      try agent.rollback(number)
      #expect(eventually { worker.results == [31, 31] })
    } else {
      // The set is what counts; the trusted state follows from it on the next start.
      try agent.confirm(number)
      #expect(worker.results == [32, 31])
    }
    unsafe rmdir(obstacle)
    worker.stop()
    try agent.close()
  }
}

/// A file system of half a megabyte, mounted over a directory and unmounted when the value ends.
final class SmallDisk {
  private let path: String
  /// Beside the files of the agent, so that it is part of no comparison: its bytes are dropped.
  private var filler: String { "\(path)/objects/filler" }

  init(_ path: String) throws {
    self.path = path
    unsafe mkdir(path, 0o700)
    try mount(["-t", "tmpfs", "-o", "size=512k,mode=0700", "hitless-test", path])
  }

  deinit { _ = try? run("/usr/bin/umount", ["-l", path]) }

  /// Writes until nothing more goes in.
  func fill() throws {
    for size in ["64k", "4k", "1"] {
      _ = try run(
        "/usr/bin/dd",
        ["if=/dev/zero", "of=\(filler)", "oflag=append", "conv=notrunc", "bs=\(size)"])
    }
    #expect((contents(of: filler) ?? []).count > 100_000)
  }

  func empty() throws { removeTree(filler) }

  private func mount(_ arguments: [String]) throws {
    let mounted = try run("/usr/bin/mount", arguments)
    try #require(mounted.status == 0, "\(mounted.errors)")
  }
}
