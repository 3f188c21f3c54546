internal import CodeReferences
internal import DeltaModel

/// What can be done with covers where one ends and the next one begins.
struct CoverMoves {
  /// Ends move to starts of the base that are no further away, in bytes; gaps that are no longer are closed.
  private static let reach = 64
  private static let longestGap = 512
  /// Longer covers, in bytes, are never dropped.
  private static let longestDropped = 4096
  /// Shorter ones are not added.
  private static let shortestAdded = 4
  /// So many covers are tried in a gap, of so many that begin in it or so many bytes before.
  private static let mostAdded = 3
  private static let mostLookedAt = 64
  private static let lookedBack = 4096

  /// What takes a cover away, makes one of two, or moves where one ends or begins.
  private enum Change: CaseIterable {
    case drop, join, endLater, endEarlier, startEarlier, startLater, endAtNext, startAtLast
  }

  /// What becomes of the covers on both sides of a boundary, number *n* being that before cover *n*.
  struct Move {
    let boundary: Int
    let left: Cover?
    let right: Cover?
    /// A new one between both.
    var middle: Cover?
  }

  let starts: StartIndex
  let sizes: (base: Int, target: Int)
  /// Covers that were found and are not all in use, by where they begin.
  let found: [Cover]

  /// Makes `moves`, of which no two have a cover in common.
  static func made(_ moves: [Move], of covers: [Cover]) -> [Cover] {
    var result = covers.map { [$0] }
    // Behind the last boundary there is no cover, nor one before the first.
    result.append([])
    for move in moves {
      result[move.boundary] = [move.middle, move.right].compactMap(\.self)
      if move.boundary > 0 { result[move.boundary - 1] = [move.left].compactMap(\.self) }
    }
    return result.flatMap(\.self)
  }

  /// All moves at boundaries that lie in `places`, by boundary.
  func all(_ covers: [Cover], within places: [Range<Int>]) -> [Move] {
    (0...covers.count).flatMap { boundary -> [Move] in
      let left = boundary > 0 ? covers[boundary - 1] : nil
      let right = boundary < covers.count ? covers[boundary] : nil
      let place = right?.target ?? sizes.target
      guard places.contains(where: { $0.contains(place) }) else { return [] }
      let added = added(left, right).map {
        Move(boundary: boundary, left: left, right: right, middle: $0)
      }
      return added
        + Change.allCases.compactMap { change in
          changed(left, right, change).map {
            Move(boundary: boundary, left: $0.left, right: $0.right)
          }
        }
    }
  }

  /// What lies between two covers of those that were found, the longest first.
  private func added(_ left: Cover?, _ right: Cover?) -> [Cover] {
    let start = left?.targetEnd ?? 0
    let end = right?.target ?? sizes.target
    guard start < end else { return [] }
    var all: [Cover] = []
    for cover in found[..<CoverOrder(found).count(startingBefore: end)].reversed() {
      if cover.target + Self.lookedBack < start || all.count == Self.mostLookedAt { break }
      let from = max(cover.target, start)
      let count = min(cover.targetEnd, end) - from
      guard count >= Self.shortestAdded else { continue }
      // One that goes on as its neighbour does is no cover of its own.
      let isOwn =
        (cover.diagonal != left?.diagonal || from > start)
        && (cover.diagonal != right?.diagonal || from + count < end)
      let part = Cover(target: from, base: from + cover.diagonal, count: count)
      if isOwn && !all.contains(part) { all.append(part) }
    }
    return Array(
      all.sorted { ($1.count, $0.target, $0.base) < ($0.count, $1.target, $1.base) }
        .prefix(Self.mostAdded))
  }

  /// The covers on both sides of a boundary after `change`; nil where it makes no sense.
  private func changed(
    _ left: Cover?, _ right: Cover?, _ change: Change
  ) -> (left: Cover?, right: Cover?)? {
    let gap = (right?.target ?? sizes.target) - (left?.targetEnd ?? 0)
    switch change {
    case .drop:
      guard let right, right.count <= Self.longestDropped else { return nil }
      return (left, nil)
    case .join:
      guard let left, let right, left.diagonal == right.diagonal, gap <= Self.longestGap else {
        return nil
      }
      return (
        Cover(target: left.target, base: left.base, count: right.targetEnd - left.target), nil
      )
    case .endLater:
      return left.flatMap { left in
        end(of: left, at: starts.select(starts.rank(left.baseEnd + 1)), before: right)
      }
    case .endEarlier:
      return left.flatMap { left in
        end(of: left, at: starts.previous(left.baseEnd - 1), before: right)
      }
    case .startEarlier:
      return right.flatMap { right in
        start(of: right, at: starts.previous(right.base - 1), behind: left)
      }
    case .startLater:
      return right.flatMap { right in
        start(of: right, at: starts.select(starts.rank(right.base + 1)), behind: left)
      }
    case .endAtNext:
      guard let left, right != nil, 0 < gap && gap <= Self.longestGap else { return nil }
      return end(of: left, at: left.baseEnd + gap, before: right)
    case .startAtLast:
      guard let right, left != nil, 0 < gap && gap <= Self.longestGap else { return nil }
      return start(of: right, at: right.base - gap, behind: left)
    }
  }

  /// Lets `cover` end at `end` of the base; what it takes of the `next` one is that one's loss.
  private func end(
    of cover: Cover, at end: Int?, before next: Cover?
  ) -> (left: Cover?, right: Cover?)? {
    guard let end, end > cover.base, end <= sizes.base, isNear(end, cover.baseEnd, next, cover)
    else { return nil }
    let moved = Cover(target: cover.target, base: cover.base, count: end - cover.base)
    guard moved.targetEnd <= sizes.target else { return nil }
    guard let next, moved.targetEnd > next.target else { return (moved, next) }
    let loss = moved.targetEnd - next.target
    guard loss < next.count else { return nil }
    return (
      moved, Cover(target: next.target + loss, base: next.base + loss, count: next.count - loss)
    )
  }

  /// Lets `cover` begin at `start` of the base; what it takes of the `last` one is that one's loss.
  private func start(
    of cover: Cover, at start: Int?, behind last: Cover?
  ) -> (left: Cover?, right: Cover?)? {
    guard let start, start >= 0, start < cover.baseEnd, start - cover.diagonal >= 0,
      isNear(start, cover.base, last, cover)
    else { return nil }
    let moved = Cover(
      target: start - cover.diagonal, base: start, count: cover.baseEnd - start)
    guard let last, moved.target < last.targetEnd else { return (last, moved) }
    let loss = last.targetEnd - moved.target
    guard loss < last.count else { return nil }
    return (Cover(target: last.target, base: last.base, count: last.count - loss), moved)
  }

  /// Whether an end may move from `from` to `to`: not far, but over a whole gap.
  private func isNear(_ to: Int, _ from: Int, _ other: Cover?, _ cover: Cover) -> Bool {
    if abs(to - from) <= Self.reach { return true }
    guard let other else { return false }
    let gap =
      other.target >= cover.targetEnd
      ? other.target - cover.targetEnd : cover.target - other.targetEnd
    return abs(to - from) == gap
  }
}
