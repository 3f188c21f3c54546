import Agent
import Foundation
import Generator
import Staging
import TestSupport
import Testing

/// A host with many extension points: HITLESS_SLOTS=1000 for a thousand of them, each a process of the selftest
/// helper at every start.
@Suite("A host of many slots")
struct ManySlotsTests {
  let site: Site
  let count: Int

  init() throws {
    site = try Site()
    count = ProcessInfo.processInfo.environment["HITLESS_SLOTS"].flatMap { Int($0) } ?? 24
  }

  @Test func `swaps the module of one, keeps the others, and comes up with all of them again`()
    throws
  {
    let changed = count / 2
    var expected = [Int32](repeating: 31, count: count)
    var agent = try start()
    let worker = try TestWorker(agent, slots: UInt32(count))
    #expect(worker.results == expected)
    let pair = PatchRequest.Pair(
      base: try Self.image(0, changed), target: try Self.image(1, changed),
      names: ("base", "target"))
    let number = try agent.install(patch: try site.patch([pair], sequence: 1))
    _ = try agent.activate(number)
    expected[changed] = 32
    #expect(eventually { worker.results == expected })
    try agent.confirm(number)
    worker.stop()
    try agent.close()

    agent = try start()
    let again = try TestWorker(agent, slots: UInt32(count))
    #expect(again.results == expected)
    again.stop()
    try agent.close()
  }

  private func start() throws -> Agent {
    let agent = try Agent(site.options)
    for index in 0..<count {
      let file = "\(index).so"
      try site.directory.write(file, try Self.image(0, index))
      // Slots of the whole process have names of their own.
      let requirement = SlotRequirement(
        name: "many-\(index)", interfaceID: 0x61, interfaceVersion: 1, tableSize: 16)
      let slot = try agent.defineSlot(SlotOptions(requirement, module: site.directory.path(file)))
      #expect(slot == UInt32(index))
    }
    try agent.start()
    return agent
  }

  private static let name = "many-0000"
  private static let built = Result {
    try (0..<2).map { try Modules.image("alpha", UInt32($0)) { $0.name = name } }
  }

  /// A build under a name of its own, put into the file where the compiler has put another.
  private static func image(_ patch: Int, _ index: Int) throws -> [UInt8] {
    var image = try built.get()[patch]
    let old = Array(name.utf8)
    let digits = String(index)
    let new = Array(name.utf8.dropLast(digits.utf8.count)) + Array(digits.utf8)
    for start in image.indices.dropLast(old.count - 1)
    where image[start] == old[0] && image[start..<start + old.count].elementsEqual(old) {
      image.replaceSubrange(start..<start + old.count, with: new)
    }
    return image
  }
}
