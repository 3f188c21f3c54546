internal import DeltaModel

/// Finds the covers of a target: runs along diagonals on which it mostly agrees with the base.
///
/// The idea is bsdiff's (Percival, 2003): follow a diagonal until another one fits the next bytes
/// better by more than a threshold, then let both grow towards each other while more than half of the
/// bytes agree.
struct CoverFinder {
  /// Along so many agreeing bytes no better diagonal is looked for.
  private static let sureRun = 16
  /// Covers of one diagonal with at most so much between them become one.
  private static let mergedGap = 32

  private let base: [UInt8]
  private let target: [UInt8]
  private let index: SuffixIndex
  /// By how many bytes another diagonal must fit better before it is taken.
  private let threshold: Int
  private var covers: [Cover] = []
  /// Where the diagonal in use was found, in both files.
  private var anchor = (target: 0, base: 0)

  /// Returns covers of `target` by `base`, ascending in the target.
  static func covers(
    base: [UInt8], target: [UInt8], threshold: Int, progress: (Double) -> Void
  ) -> [Cover] {
    guard !base.isEmpty && !target.isEmpty else { return [] }
    var finder = CoverFinder(base: base, target: target, threshold: threshold)
    progress(0.3)
    finder.search { progress(0.3 + 0.7 * $0) }
    return finder.merged()
  }

  private init(base: [UInt8], target: [UInt8], threshold: Int) {
    self.threshold = threshold
    self.base = base
    self.target = target
    index = SuffixIndex(base)
  }

  private mutating func search(_ progress: (Double) -> Void) {
    var place = 0
    /// How many of the bytes from `place` to `counted` agree along the diagonal in use.
    var agreeing = 0
    var counted = 0
    var reported = 0
    while place < target.count {
      if place - reported > 1 << 18 {
        reported = place
        progress(Double(place) / Double(target.count))
      }
      let run = agreement(place, place + anchor.base - anchor.target)
      if run >= Self.sureRun {
        place += run
        counted = place
        agreeing = 0
        continue
      }
      let match = index.longestMatch(of: target.span, at: place)
      if counted < place { (counted, agreeing) = (place, 0) }
      while counted < place + match.count {
        if agrees(counted) { agreeing += 1 }
        counted += 1
      }
      if match.count > 0 && match.count == agreeing {
        place += match.count
        agreeing = 0
      } else if match.count > agreeing + threshold {
        turn(to: match, at: place)
        place += match.count
        agreeing = 0
        counted = place
      } else {
        if counted > place && agrees(place) { agreeing -= 1 }
        place += 1
      }
    }
    turn(to: .none, at: target.count)
  }

  /// Whether the byte at `place` agrees along the diagonal in use.
  private func agrees(_ place: Int) -> Bool {
    let old = place + anchor.base - anchor.target
    return old >= 0 && old < base.count && base[old] == target[place]
  }

  /// Counts the bytes that agree from `place` of the target and `old` of the base.
  private func agreement(_ place: Int, _ old: Int) -> Int {
    guard old >= 0 else { return 0 }
    let base = base.span
    let target = target.span
    let limit = min(base.count - old, target.count - place)
    var count = 0
    while count < limit && base[old &+ count] == target[place &+ count] { count &+= 1 }
    return max(0, count)
  }

  /// Ends the cover along the diagonal in use and goes on from `match`, found at `place`.
  private mutating func turn(to match: SuffixIndex.Match, at place: Int) {
    var forward = growth(forward: place)
    var backward = place < target.count ? growth(backward: match, from: place) : 0
    let overlap = anchor.target + forward - (place - backward)
    if overlap > 0 {
      let kept = split(overlap, forward: forward, match: match, at: place, backward: backward)
      forward -= overlap - kept
      backward -= kept
    }
    if forward > 0 {
      covers.append(Cover(target: anchor.target, base: anchor.base, count: forward))
    }
    anchor = (place - backward, match.place - backward)
  }

  /// How far the cover in use reaches towards `end` while most of its bytes agree.
  private func growth(forward end: Int) -> Int {
    let limit = min(end - anchor.target, base.count - anchor.base)
    var best = 0
    var bestScore = 0
    var score = 0
    for count in 0..<max(0, limit) {
      score += base[anchor.base + count] == target[anchor.target + count] ? 1 : -1
      if score > bestScore { (best, bestScore) = (count + 1, score) }
    }
    return best
  }

  /// How far the next cover reaches back from `place` while most of its bytes agree.
  private func growth(backward match: SuffixIndex.Match, from place: Int) -> Int {
    let limit = min(place - anchor.target, match.place)
    var best = 0
    var bestScore = 0
    var score = 0
    for count in 1..<max(1, limit + 1) {
      score += base[match.place - count] == target[place - count] ? 1 : -1
      if score > bestScore { (best, bestScore) = (count, score) }
    }
    return best
  }

  /// How many of the bytes that both covers claim the first one keeps, so that most agree.
  private func split(
    _ overlap: Int, forward: Int, match: SuffixIndex.Match, at place: Int, backward: Int
  ) -> Int {
    var best = 0
    var bestScore = 0
    var score = 0
    for count in 0..<overlap {
      let byte = target[place - backward + count]
      if byte == base[anchor.base + forward - overlap + count] { score += 1 }
      if byte == base[match.place - backward + count] { score -= 1 }
      if score > bestScore { (best, bestScore) = (count + 1, score) }
    }
    return best
  }

  /// The covers, those of one diagonal joined where little lies between them.
  private func merged() -> [Cover] {
    var result: [Cover] = []
    for cover in covers {
      if let last = result.last, last.diagonal == cover.diagonal,
        cover.target - last.targetEnd <= Self.mergedGap
      {
        result[result.count - 1] = Cover(
          target: last.target, base: last.base, count: cover.targetEnd - last.target)
      } else {
        result.append(cover)
      }
    }
    return result
  }
}
