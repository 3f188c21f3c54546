import Foundation
import TestSupport
import Testing

/// What `watch` draws of a rollout under way, against what `list` says of the same one.
extension RunningTests {
  @Test func `watch draws both sides' times to scale, and counts down to the next decision`() throws
  {
    let operations = try RolloutOperations()
    let daemon = try RunningDaemon("127.77.0.14", more: operations.arguments)
    defer { daemon.kill() }
    _ = try operations.object("install", operations.path("fix.hlp"))
    // The first look is an eighth of an hour away: until then nothing is decided.
    _ = try operations.object(
      "activate", "--canary", "batches:30%", "--steps", "100%", "--dwell", "1h",
      "--confirm-within", "3h")
    var health = RolloutHealth([:])
    let isSampled = try forwarding(daemon) {
      health = RolloutHealth(try operations.object("list"))
      return health.samples[0] >= 50 && health.samples[1] >= 50
    }
    #expect(isSampled, "\(health)")
    // Without traffic the figures stay what they are, as soon as the last packets are through.
    #expect(eventually(within: 60) { (try? operations.settledHealth(&health)) == true })
    // On the narrow one the two sides' times are below each other, and no figure is cut; other lines are.
    for (columns, room) in [(150, 30), (60, 22)] {
      let screen = try TerminalRun(
        try BuiltProduct.path("hitless"), operations.path("agent"), seconds: 60,
        to: operations.path("screen-\(columns)"), size: (columns, 50))
      #expect(eventually(within: 60) { WatchPicture.all(in: screen.text).count > 8 })
      screen.end()
      let pictures = WatchPicture.all(in: screen.text).dropLast()
      #expect(pictures.count >= 8)
      for picture in pictures {
        expect(picture, toShow: health, bars: room)
        #expect(picture.lines.allSatisfy { $0.count <= columns }, "\(picture.lines)")
      }
      guard columns > 100 else { continue }
      expectCountdown(pictures.compactMap(\.countdown), count: pictures.count)
    }
    #expect(try daemon.end() == 0)
  }

  private func expect(_ picture: WatchPicture, toShow health: RolloutHealth, bars room: Int) {
    #expect(picture.packets == health.packets.map(String.init), "\(picture.lines)")
    // How long a tick of the counter is gets known better and better: a little more or less is the same.
    let isSame =
      picture.quantiles.count == 8
      && zip(picture.quantiles, health.quantiles).allSatisfy { abs($0 - $1) <= 1 + $1 / 1000 }
    #expect(isSame, "\(picture.lines), not \(health.quantiles)")
    let title = "\(health.title), share of samples: stable | candidate"
    #expect(picture.lines.contains(title), "\(picture.lines)")
    #expect(picture.bars == health.bars(room), "\(picture.lines)")
  }

  private func expectCountdown(_ all: [WatchPicture.Countdown], count: Int) {
    #expect(all.count == count)
    for one in all {
      #expect(one.dwell == 3600)
      // Each is cut to a tenth of a second.
      #expect(abs(one.elapsed + one.next - 450) < 0.25, "\(one)")
      #expect(abs(one.elapsed + one.left - 10_800) < 0.25, "\(one)")
      #expect(one.bar == WatchPicture.bar(one.elapsed / one.dwell, 20), "\(one)")
    }
    for (before, after) in zip(all, all.dropFirst()) { #expect(before.elapsed <= after.elapsed) }
    if let first = all.first, let last = all.last {
      #expect(last.elapsed - first.elapsed >= 1 && last.next < first.next, "\(all)")
    }
  }
}

extension RolloutOperations {
  /// Whether no batch has come since the last look; `health` is what there is.
  fileprivate func settledHealth(_ health: inout RolloutHealth) throws -> Bool {
    let before = health
    health = RolloutHealth(try object("list"))
    return health.packets == before.packets && health.buckets == before.buckets
  }
}

/// What `list` says of the sides of a rollout: stable's figure is always the first of two.
private struct RolloutHealth {
  /// The times of whole batches: name and unit.
  var title = ""
  var packets: [Int] = [0, 0]
  var samples: [Int] = [0, 0]
  /// P50, P95, P99 and how many samples, of either side.
  var quantiles: [Int] = []
  /// Samples by their buckets.
  var buckets: [[Int]] = []

  init(_ listing: [String: Any]) {
    let health = listing["health"] as? [String: Any] ?? [:]
    let sides = ["stable", "candidate"]
    let packets = health["packets"] as? [String: Any] ?? [:]
    self.packets = sides.map { packets[$0] as? Int ?? 0 }
    guard let series = (health["samples"] as? [[String: Any]])?.first else { return }
    title = "\(series["name"] ?? ""), \(series["unit"] ?? "")"
    let values = sides.map { series[$0] as? [String: Any] ?? [:] }
    samples = values.map { $0["count"] as? Int ?? 0 }
    quantiles = values.flatMap { value in
      ["p50", "p95", "p99", "count"].map { value[$0] as? Int ?? -1 }
    }
    buckets = (series["histogram"] as? [[Int]] ?? []).map { Array($0.dropFirst()) }
  }

  /// How long the bars of each bucket are, the longest of all being `room`.
  func bars(_ room: Int) -> [WatchPicture.Bars] {
    let shares = buckets.map { bucket in
      zip(bucket, samples).map { Double($0) / Double(max(1, $1)) }
    }
    let most = shares.joined().max() ?? 1
    return shares.map { pair in
      let lengths = pair.map { WatchPicture.bar($0 / most, room) }
      return WatchPicture.Bars(stable: lengths[0], candidate: lengths[1], room: room)
    }
  }
}

/// One picture that `watch` has drawn.
private struct WatchPicture {
  /// How long the bars of one bucket are.
  struct Bars: Equatable {
    let stable: Int
    let candidate: Int
    /// Columns to the left of the middle, without the label.
    let room: Int
  }

  /// The line of the rollout, times in seconds, and how much of the bar is full.
  struct Countdown {
    let bar: Int
    let elapsed: Double
    let dwell: Double
    let next: Double
    /// Until it is rolled back.
    let left: Double
  }

  let lines: [String]

  /// The pictures in what a terminal was sent, the oldest first.
  static func all(in text: String) -> [WatchPicture] {
    String(String.UnicodeScalarView(text.unicodeScalars.filter { $0 != "\r" }))
      .components(separatedBy: "\u{1b}[H").dropFirst().map { picture in
        WatchPicture(
          lines: picture.replacingOccurrences(of: "\u{1b}[J", with: "")
            .replacingOccurrences(of: "\u{1b}[K", with: "").components(separatedBy: "\n"))
      }
  }

  /// How many of `room` columns a share fills; whatever there is can be seen.
  static func bar(_ share: Double, _ room: Int) -> Int {
    share > 0 ? max(1, Int((share * Double(room)).rounded())) : 0
  }

  /// The sides' words in the line that begins with `name`, or in the two below where it has the name alone.
  private func sides(of name: String) -> [String] {
    guard let index = lines.firstIndex(where: { $0.hasPrefix(name) }) else { return [] }
    guard lines[index] == name else { return Self.words(in: lines[index].dropFirst(name.count)) }
    let below = lines[(index + 1)...].prefix(2).map { Self.words(in: Substring($0)) }
    guard below.compactMap(\.first) == ["stable", "candidate"] else { return [] }
    return below.flatMap { $0.dropFirst() }
  }

  /// What three blanks lie between.
  private static func words(in text: Substring) -> [String] {
    text.components(separatedBy: "   ").map { $0.trimmingCharacters(in: .whitespaces) }
      .filter { !$0.isEmpty }
  }

  var packets: [String] { sides(of: "packets") }
  var quantiles: [Int] {
    sides(of: "batch, ns p50/p95/p99").flatMap { words in
      words.components(separatedBy: CharacterSet(charactersIn: " /()")).compactMap { Int($0) }
    }
  }

  /// The histogram, from its shortest times on.
  var bars: [Bars] {
    lines.compactMap { line in
      guard let found = line.wholeMatch(of: #/ *\d+ ( *)(█*)\|(█*)/#) else { return nil }
      return Bars(
        stable: found.2.count, candidate: found.3.count, room: found.1.count + found.2.count)
    }
  }

  var countdown: Countdown? {
    let rollout =
      #/rollout  step 1 of 2, 30 % of batches  (█*)(░*)  (\d+\.\d) s of (\d+\.\d) s/#
    guard let found = lines.lazy.compactMap({ $0.wholeMatch(of: rollout) }).first,
      found.1.count + found.2.count == 20,
      let next = line(#/ +next decision in (\d+\.\d) s/#),
      let left = line(#/ +rolls back in (\d+\.\d) s unless confirmed/#)
    else { return nil }
    let times = [found.3, found.4, next, left].map { Double($0) ?? -1 }
    return Countdown(
      bar: found.1.count, elapsed: times[0], dwell: times[1], next: times[2], left: times[3])
  }

  /// What the one line has that is like this.
  private func line(_ pattern: Regex<(Substring, Substring)>) -> Substring? {
    lines.lazy.compactMap { $0.wholeMatch(of: pattern) }.first?.1
  }
}
