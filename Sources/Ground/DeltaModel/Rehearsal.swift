/// Which bytes of the base the model of inserted bytes learns from before it codes any.
///
/// What is inserted resembles what surrounds it. Windows around the places of insertion grow until they
/// hold enough; more would teach what is far away, and cost time.
enum Rehearsal {
  private static let smallestRadius = 256
  private static let bytesPerInsert = 24
  private static let totals = 16 << 10...64 << 10

  /// Returns windows of the base, ascending and apart; none if nothing is inserted.
  static func windows(
    _ covers: [Cover], inserted: Int, targetSize: Int, baseSize: Int
  ) -> [Range<Int>] {
    guard inserted > 0 && baseSize > 0 else { return [] }
    let all = centers(covers, targetSize: targetSize)
    let step = all.count * 2 * smallestRadius / totals.upperBound + 1
    let centers = stride(from: 0, to: all.count, by: step).map { all[$0] }
    let product = inserted.multipliedReportingOverflow(by: bytesPerInsert)
    let wanted = min(
      product.overflow ? totals.upperBound : max(totals.lowerBound, product.partialValue),
      totals.upperBound, baseSize)
    var radius = smallestRadius
    while true {
      let windows = merged(centers, radius: radius, baseSize: baseSize)
      if windows.reduce(0, { $0 + $1.count }) >= wanted { return windows }
      radius *= 2
    }
  }

  /// Where in the base the covers end behind which something is inserted, ascending.
  private static func centers(_ covers: [Cover], targetSize: Int) -> [Int] {
    var centers: [Int] = []
    var place = 0
    var old = 0
    for cover in covers {
      if cover.target > place { centers.append(old) }
      place = cover.targetEnd
      old = cover.baseEnd
    }
    if place < targetSize { centers.append(old) }
    return centers.sorted()
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
