package import Bytes
package import CodeReferences

/// Codes where covers lie: each by its distance from what the ones before let expect.
///
/// Most covers begin and end with instructions or records of the base, so places and lengths are counted
/// in these where that is so.
package struct CoverModel: Sendable {
  /// Numbers from a stream are below this, so that sums of a few cannot overflow.
  private static let numberLimit: UInt64 = 1 << 40

  /// How a cover's place in the base follows from the cover before.
  private enum Course: Int {
    /// On the same diagonal: as much was replaced as was there.
    case parallel = 0
    /// Where the cover before ended: something was inserted.
    case contiguous = 1
    /// Elsewhere.
    case elsewhere = 2
  }

  var gaps = NumberModel(contexts: 9)
  var counts = NumberModel(contexts: 6)
  var jumps = NumberModel(contexts: 4)
  var choices = FlagModel(bits: 12, sets: 8, inputs: 3)

  private var last = Cover(target: 0, base: 0, count: 0)
  private var earlierDiagonal = 0
  private var lastGap = 0
  private var courses = (Course.parallel, Course.parallel)
  private let starts: StartIndex
  private let sizes: (target: Int, base: Int)

  /// Starts before the first cover of a target by a base, of which the starts are given.
  package init(starts: StartIndex, targetSize: Int, baseSize: Int) {
    self.starts = starts
    sizes = (targetSize, baseSize)
  }

  /// Codes the next cover; `known` is what to encode, and nil while decoding.
  package mutating func code(
    _ known: Cover?, coder: inout BinaryCoder
  ) throws(FormatError) -> Cover {
    let last = last
    let gap = try Self.codeNumber(
      known.map { $0.target - last.targetEnd } ?? 0, &gaps,
      context: courses.0.rawValue * 3 + courses.1.rawValue, hint: Self.width(last.count),
      other: Self.width(lastGap), &coder)
    lastGap = gap
    let target = last.targetEnd + gap
    let course = codeCourse(known.map(course(of:)) ?? .parallel, gap: gap, &coder)
    let base =
      switch course {
      case .parallel: target + last.diagonal
      case .contiguous: last.baseEnd
      case .elsewhere: try codeJump(known?.base ?? 0, target: target, &coder)
      }
    guard base >= 0, base <= sizes.base else { throw Self.illegal(coder) }
    let count = try codeCount(known?.count ?? 0, base: base, course: course, &coder)
    guard count > 0, count <= sizes.base - base, target <= sizes.target,
      count <= sizes.target - target
    else { throw Self.illegal(coder) }
    let cover = Cover(target: target, base: base, count: count)
    coder.refuse(if: course != self.course(of: cover))
    if cover.diagonal != last.diagonal { earlierDiagonal = last.diagonal }
    courses = (course, courses.0)
    self.last = cover
    return cover
  }

  private static func illegal(_ coder: BinaryCoder) -> FormatError {
    FormatError(.illegal("a cover that leaves its file"), at: coder.offset)
  }

  private func course(of cover: Cover) -> Course {
    guard cover.diagonal != last.diagonal else { return .parallel }
    return cover.base == last.baseEnd ? .contiguous : .elsewhere
  }

  private mutating func codeCourse(
    _ course: Course, gap: Int, _ coder: inout BinaryCoder
  ) -> Course {
    let isElsewhere = codeChoice(course == .elsewhere, set: 0, gap: gap, &coder)
    guard !isElsewhere else { return .elsewhere }
    let isParallel = codeChoice(course == .parallel, set: 1, gap: gap, &coder)
    return isParallel ? .parallel : .contiguous
  }

  private mutating func codeChoice(
    _ choice: Bool, set: Int, gap: Int, _ coder: inout BinaryCoder
  ) -> Bool {
    let start = ContextHash(set)
    let contexts: InlineArray<3, ContextHash> = [
      start.with(courses.0.rawValue).with(courses.1.rawValue),
      start.with(courses.0.rawValue).with(gap == 0 ? 1 : 0),
      start.with(min(gap, 16)),
    ]
    return choices.code(choice, contexts: contexts, set: set, coder: &coder)
  }

  /// Codes a place off the last diagonal, by its distance from that or from the diagonal before.
  private mutating func codeJump(
    _ base: Int, target: Int, _ coder: inout BinaryCoder
  ) throws(FormatError) -> Int {
    let isFar = codeChoice(prefersFar(base, target: target, coder), set: 2, gap: 1, &coder)
    let origin = target + (isFar ? earlierDiagonal : last.diagonal)
    let isStart = codeChoice(isStart(base, coder), set: 3, gap: isFar ? 1 : 0, &coder)
    let found = try codePlace(base, from: origin, isFar: isFar, isStart: isStart, &coder)
    coder.refuse(
      if: isFar != prefersFar(found, target: target, coder) || isStart != self.isStart(found, coder)
    )
    return found
  }

  /// Whether the distance from the earlier diagonal is worth the flag that says so.
  private func prefersFar(_ base: Int, target: Int, _ coder: borrowing BinaryCoder) -> Bool {
    guard !coder.without.contains(.earlierDiagonal) else { return false }
    let near = base - target - last.diagonal
    let far = base - target - earlierDiagonal
    return far.magnitude < near.magnitude / 2
  }

  /// Whether places and ends like `base` are counted in starts.
  private func isStart(_ base: Int, _ coder: borrowing BinaryCoder) -> Bool {
    starts.contains(base) && !coder.without.contains(.coverRanks)
  }

  private mutating func codePlace(
    _ base: Int, from origin: Int, isFar: Bool, isStart: Bool, _ coder: inout BinaryCoder
  ) throws(FormatError) -> Int {
    let context = (isFar ? 1 : 0) + (isStart ? 2 : 0)
    let hint = Self.width(lastGap)
    guard isStart else {
      return origin + (try codeSigned(base - origin, context: context, hint: hint, &coder))
    }
    let rank = starts.rank(origin)
    let found =
      rank
      + (try codeSigned(
        starts.rank(base) - rank, context: context, hint: hint, &coder))
    guard found >= 0, let place = starts.select(found) else { throw Self.illegal(coder) }
    return place
  }

  private mutating func codeCount(
    _ count: Int, base: Int, course: Course, _ coder: inout BinaryCoder
  ) throws(FormatError) -> Int {
    let isStart = codeChoice(
      self.isStart(base + count, coder), set: 4, gap: course.rawValue, &coder)
    let context = course.rawValue * 2 + (isStart ? 1 : 0)
    let hint = Self.width(lastGap)
    let other = Self.width(last.count)
    guard isStart else {
      let coded = try Self.codeNumber(
        max(0, count - 1), &counts, context: context, hint: hint, other: other, &coder)
      coder.refuse(if: self.isStart(base + coded + 1, coder))
      return coded + 1
    }
    // The first start behind the cover's own is number 0.
    let first = starts.rank(base + 1)
    let number = try Self.codeNumber(
      max(0, starts.rank(base + count) - first), &counts, context: context, hint: hint,
      other: other, &coder)
    guard let end = starts.select(first + number) else { throw Self.illegal(coder) }
    return end - base
  }

  private mutating func codeSigned(
    _ number: Int, context: Int, hint: Int, _ coder: inout BinaryCoder
  ) throws(FormatError) -> Int {
    let coded = jumps.codeSigned(Int64(number), context: context, hint: hint, coder: &coder)
    guard coded.magnitude < Self.numberLimit else { throw Self.illegal(coder) }
    return Int(coded)
  }

  private static func width(_ number: Int) -> Int { NumberModel.width(UInt64(number)) }

  private static func codeNumber(
    _ number: Int, _ model: inout NumberModel, context: Int, hint: Int, other: Int,
    _ coder: inout BinaryCoder
  ) throws(FormatError) -> Int {
    let coded = model.code(
      UInt64(number), context: context, hint: hint, other: other, coder: &coder)
    guard coded < numberLimit else { throw illegal(coder) }
    return Int(coded)
  }
}
