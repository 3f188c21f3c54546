package import Bytes

/// Codes where covers lie: each by its distance from what the ones before let expect.
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

  private var gaps = NumberModel(contexts: 9)
  private var counts = NumberModel(contexts: 3)
  private var jumps = NumberModel(contexts: 2)
  private var choices = FlagModel(bits: 12, sets: 3, inputs: 3)

  private var last = Cover(target: 0, base: 0, count: 0)
  private var earlierDiagonal = 0
  private var courses = (Course.parallel, Course.parallel)

  /// Starts before the first cover.
  package init() {}

  /// Codes the next cover of a target of `targetSize` bytes from a base of `baseSize` bytes; `known` is
  /// what to encode, and nil while decoding.
  package mutating func code(
    _ known: Cover?, targetSize: Int, baseSize: Int, coder: inout BinaryCoder
  ) throws(FormatError) -> Cover {
    let last = last
    let gap = try Self.codeNumber(
      known.map { $0.target - last.targetEnd } ?? 0, &gaps,
      context: courses.0.rawValue * 3 + courses.1.rawValue, &coder)
    let target = last.targetEnd + gap
    let course = codeCourse(known.map(course(of:)) ?? .parallel, gap: gap, &coder)
    let base =
      switch course {
      case .parallel: target + last.diagonal
      case .contiguous: last.baseEnd
      case .elsewhere: try codeJump(known?.diagonal ?? 0, target: target, &coder)
      }
    let count =
      try Self.codeNumber(
        known.map { $0.count - 1 } ?? 0, &counts, context: course.rawValue, &coder)
      + 1
    guard base >= 0, base <= baseSize, count <= baseSize - base,
      target <= targetSize, count <= targetSize - target
    else { throw FormatError(.illegal("a cover that leaves its file"), at: coder.offset) }
    let cover = Cover(target: target, base: base, count: count)
    guard course == self.course(of: cover) else {
      throw FormatError(.notCanonical("the course of a cover"), at: coder.offset)
    }
    if cover.diagonal != last.diagonal { earlierDiagonal = last.diagonal }
    courses = (course, courses.0)
    self.last = cover
    return cover
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
    _ diagonal: Int, target: Int, _ coder: inout BinaryCoder
  ) throws(FormatError) -> Int {
    let near = diagonal - last.diagonal
    let far = diagonal - earlierDiagonal
    let isFar = codeChoice(Self.prefersFar(near, far), set: 2, gap: 1, &coder)
    let origin = isFar ? earlierDiagonal : last.diagonal
    let distance = jumps.codeSigned(
      Int64(isFar ? far : near), context: isFar ? 1 : 0, coder: &coder)
    guard distance.magnitude < Self.numberLimit else {
      throw FormatError(.illegal("a cover that leaves its file"), at: coder.offset)
    }
    let found = origin + Int(distance)
    guard isFar == Self.prefersFar(found - last.diagonal, found - earlierDiagonal) else {
      throw FormatError(.notCanonical("the place of a cover"), at: coder.offset)
    }
    return target + found
  }

  /// Whether the distance from the earlier diagonal is worth the flag that says so.
  private static func prefersFar(_ near: Int, _ far: Int) -> Bool {
    far.magnitude < near.magnitude / 2
  }

  private static func codeNumber(
    _ number: Int, _ model: inout NumberModel, context: Int, _ coder: inout BinaryCoder
  ) throws(FormatError) -> Int {
    let coded = model.code(UInt64(number), context: context, coder: &coder)
    guard coded < numberLimit else {
      throw FormatError(.illegal("a cover that leaves its file"), at: coder.offset)
    }
    return Int(coded)
  }
}
