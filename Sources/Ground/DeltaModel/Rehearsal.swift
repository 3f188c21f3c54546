internal import CodeReferences

/// Which code of the base the models of new code learn from before they code any.
///
/// New code resembles what surrounds it. Windows around the places of insertion grow until they hold
/// enough; more would teach what is far away, and cost time.
enum Rehearsal {
  private static let smallestRadius = 64
  private static let bytesPerInsert = 3
  private static let totals = 3 << 10...64 << 10

  /// Returns windows of the base, ascending and apart, around `centers`, which are ascending.
  static func windows(_ centers: [Int], inserted: Int, baseSize: Int) -> [Range<Int>] {
    guard inserted > 0 && baseSize > 0 && !centers.isEmpty else { return [] }
    let step = centers.count * 2 * smallestRadius / totals.upperBound + 1
    let chosen = stride(from: 0, to: centers.count, by: step).map { centers[$0] }
    let product = inserted.multipliedReportingOverflow(by: bytesPerInsert)
    let wanted = min(
      product.overflow ? totals.upperBound : max(totals.lowerBound, product.partialValue),
      totals.upperBound, baseSize)
    var radius = smallestRadius
    while true {
      let windows = merged(chosen, radius: radius, baseSize: baseSize)
      if windows.reduce(0, { $0 + $1.count }) >= wanted { return windows }
      radius *= 2
    }
  }

  private static func merged(_ centers: [Int], radius: Int, baseSize: Int) -> [Range<Int>] {
    var windows: [Range<Int>] = []
    for center in centers {
      let start = max(0, center - radius)
      let end = min(baseSize, center + radius)
      if let last = windows.last, last.upperBound >= start {
        windows[windows.count - 1] = last.lowerBound..<max(last.upperBound, end)
      } else {
        windows.append(start..<end)
      }
    }
    return windows
  }
}

extension DeltaBody {
  /// Lets the models of new code run over code of the base as if they coded it.
  mutating func rehearse(_ base: Span<UInt8>) {
    guard let layout = predictor.map.pair.oldIfAny, code != nil || words != nil,
      !coder.without.contains(.rehearsal)
    else { return }
    let (centers, inserted) = insertions()
    let windows = Rehearsal.windows(centers, inserted: inserted, baseSize: base.count)
    coder.isRehearsing = true
    for window in windows {
      for extent in layout.extents
      where layout.role(extent.section).isCode && extent.range.overlaps(window) {
        let slide =
          layout.address(of: extent.section) &- layout.sections[extent.section].offset
        rehearse(window.clamped(to: extent.range), slide: slide, base: base)
      }
    }
    coder.isRehearsing = false
  }

  /// Where in the base the covers end behind which code is inserted, and how much that is.
  private func insertions() -> (centers: [Int], inserted: Int) {
    var centers: [Int] = []
    var inserted = 0
    let order = CoverOrder(covers)
    for unit in plan.units where unit.role.isCode {
      var place = unit.range.lowerBound
      var old =
        predictor.map.pair.source(of: unit.section, front).map {
          predictor.map.pair.old.range(of: $0).lowerBound
        } ?? 0
      for index in order.overlapping(unit.range) {
        let cover = covers[index]
        if cover.target > place {
          centers.append(old)
          inserted += cover.target - place
        }
        place = max(place, min(cover.targetEnd, unit.range.upperBound))
        old = cover.baseEnd
      }
      if place < unit.range.upperBound {
        centers.append(old)
        inserted += unit.range.upperBound - place
      }
    }
    return (centers.sorted(), inserted)
  }

  private mutating func rehearse(
    _ window: Range<Int>, slide: UInt64, base: Span<UInt8>
  ) {
    var around = CodeInsertModel.Surroundings()
    around.end = window.upperBound
    around.slide = slide
    around.isRehearsal = true
    let starts = predictor.reader.map.starts
    var place = starts.select(starts.rank(window.lowerBound)) ?? window.upperBound
    if code != nil {
      code?.begin(
        base, start: place, place: place, history: InstructionHistory(), isRehearsal: true)
      while place < window.upperBound {
        guard
          let (_, count) = code?.code(
            base, at: place, around, target: base, base: base,
            predictor: &predictor, copies: &copies, table: &table, coder: &coder)
        else { return }
        place &+= count
      }
    } else {
      place = (place + 3) & ~3
      words?.interrupt()
      while place &+ 4 <= window.upperBound {
        _ = words?.codeInserted(
          base.word(place), at: place, around, target: base, base: base,
          table: &table, coder: &coder)
        place &+= 4
      }
    }
  }
}
