import TestSupport
import Testing

/// A kill leaves everything that was written, in order; a power cut leaves what was flushed, and what else the
/// device liked to keep.
@Suite("A power cut at a system call", .serialized, .announcingCalls)
struct PowerCutTests {
  /// The life by hand, and the end of what was confirmed when it has faulted.
  @Test(arguments: [.byHand, .faulty] as [Life.Way])
  func `loses nothing that was confirmed, and leaves nothing that stops a start`(
    way: Life.Way
  ) throws {
    let life = try Life(way)
    let leftovers = try Self.leftovers(life) { _ in true }
    #expect(leftovers.count > (way == .byHand ? 20 : 5))
    for leftover in leftovers {
      let restart = try Self.restart(life.site, leftover)
      #expect(leftover.allowed.contains(restart.result), "\(leftover.when): \(restart.result)")
      #expect(restart.problems == [], "\(leftover.when)")
      #expect(leftover.frozen.contains(restart.isFrozen), "\(leftover.when)")
    }
  }

  /// The probe that the test above can fail: devices that do not do what they are told.
  @Test(arguments: ["directories", "files", "objects", "audit.jsonl", "breakers"])
  func `would be found out if there were no flush of`(what: String) throws {
    let life = try Life(.byHand)
    let leftovers = try Self.leftovers(life) { path in
      switch what {
      case "directories": !path.hasSuffix("state") && !path.hasSuffix("sha256")
      case "files": path.hasSuffix("state") || path.hasSuffix("sha256")
      case "objects": !path.contains("/sha256/")
      case "breakers": !path.contains("/breakers")
      default: !path.hasSuffix(what)
      }
    }
    let isFoundOut = try leftovers.reversed().contains { leftover in
      let restart = try Self.restart(life.site, leftover)
      // A chain whose end is gone is whole: what tells is that a line of the confirmation is missing.
      let isForgotten =
        leftover.isConfirmed
        && restart.lines.count { $0.contains("\"event\":\"confirmed\"") } < 2
      return !leftover.allowed.contains(restart.result) || restart.problems != [] || isForgotten
        || !leftover.frozen.contains(restart.isFrozen)
    }
    #expect(isFoundOut)
  }

  /// What a cut left at some moment.
  private struct Leftover {
    let when: String
    /// What a start may come up with then.
    let allowed: [String]
    let isConfirmed: Bool
    let frozen: [Bool]
    let files: [String: [UInt8]]
  }

  /// Everything that cuts in the course of one life leave; what `flushes` does not say yes to is as if it was
  /// never flushed.
  private static func leftovers(
    _ life: Life, flushes: @escaping (String) -> Bool
  ) throws -> [Leftover] {
    let state = try life.site.copy("state")
    let device = Device(state)
    let host = try FaultedHost(life.site, state: state)
    var seen: Set<[String: [UInt8]]> = []
    var leftovers: [Leftover] = []
    func cut(_ when: String, _ possible: [Standing]) {
      for (way, files) in device.afterCut() {
        // Trees that a start cannot tell apart need one start for what may come of it.
        let may = possible.flatMap { [$0.isNew ? 1 : 0, $0.isFrozen ? 11 : 10] as [UInt8] }
        let key = files.merging(["may": may]) { first, _ in first }
        guard seen.insert(key).inserted else { continue }
        leftovers.append(
          Leftover(
            when: "\(when): \(way)", allowed: possible.map(life.result),
            isConfirmed: possible.allSatisfy(\.isNew), frozen: possible.map(\.isFrozen),
            files: files))
      }
    }
    for order in life.orders {
      // Of other lives only what the life by hand has not.
      let isCut = life.way == .byHand || order.verb == "fault"
      var count = 0
      let answer = try host.order(order.words) { call in
        if isCut {
          cut("\(order.verb), before call \(count) (\(call.name))", [order.before, order.after])
        }
        count += 1
        if ["fsync", "fdatasync"].contains(call.name) {
          let path = host.path(of: call.descriptor)
          if flushes(path) { device.flush(path) }
        }
        return .made
      }
      try #require(answer == "ok ")
      // What has been answered is kept, whatever comes.
      if isCut { cut("after \(order.verb)", [order.after]) }
    }
    return leftovers
  }

  private static func restart(_ site: FaultSite, _ leftover: Leftover) throws -> Restart {
    let left = site.directory.path("left")
    removeTree(left)
    try site.write(leftover.files, to: left)
    return try Restart(site, left)
  }
}
