import Foundation
import Guard
import HotSwap
import Refusal
import TestSupport
import Testing

@testable import Agent

/// A start that does not come about, and the one after it.
@Suite("A start that is refused")
struct StartTests {
  let site: Site

  init() throws { site = try Site() }

  private var images: [Int] { site.modules.map { site.mappedImages($0) } }

  /// Modules used to stay mapped, twice as many where the guard stays on.
  @Test(arguments: [GuardMode.duringTrial, .always])
  func `leaves no module mapped, and may be tried again`(mode: GuardMode) throws {
    try site.confirmOne()
    let folder = site.directory.path("run")
    site.options.controlSocket = folder + "/control"
    site.options.guarding.mode = mode
    let before = images
    let agent = try site.open()
    #expect(throws: Refusal.self) { try agent.start() }
    #expect(images == before)
    #expect(agent.status().stableGeneration == 0)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    try agent.start()
    // What was before the first confirmation is the host's files, and there again where the guard stays on.
    let added = zip(images, before).map { $0 - $1 }
    #expect(added == (mode == .always ? [2, 2] : [1, 1]))
    let worker = try TestWorker(agent)
    #expect(worker.results == [32, 31])
    worker.stop()
    try agent.close()
  }

  @Test func `because of the host's records, leaves no module mapped either`() throws {
    let agent = try site.open()
    _ = try agent.defineStates(
      try StateDefinition(name: "records", schemas: [.init(id: 0x51, size: 32)], count: 4))
    let before = images
    expectRefusal(.notForTarget) { try agent.start() }
    #expect(images == before)
    try agent.close()
  }
}
