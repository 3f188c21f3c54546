internal import CodeReferences
internal import DeltaModel

/// Drops covers that cost more than they save, and moves ends to where instructions begin.
struct CoverPruning {
  /// Longer covers are never dropped.
  private static let longest = 400
  private static let rounds = 2
  /// Covers are trimmed by at most so many bytes.
  private static let snapReach = 15

  let base: [UInt8]
  let target: [UInt8]
  /// What an inserted byte costs, in bits: in code, and elsewhere.
  let byteCost: (code: Double, other: Double)
  let starts: StartIndex
  let baseLayout: ElfLayout?

  /// Returns `covers` without those that do not pay.
  func pruned(_ covers: [Cover]) -> [Cover] {
    var result = covers
    for _ in 0..<Self.rounds {
      let before = result.count
      result = dropped(result)
      if result.count == before { break }
    }
    return result
  }

  private func dropped(_ covers: [Cover]) -> [Cover] {
    var next = Array(covers.indices.dropFirst()) + [-1]
    var previous = [-1] + Array(covers.indices.dropLast())
    if covers.isEmpty { return [] }
    var isKept = Array(repeating: true, count: covers.count)
    let candidates = covers.indices.filter { covers[$0].count <= Self.longest }
      .sorted { (covers[$0].count, $0) < (covers[$1].count, $1) }
    for index in candidates {
      let (before, after) = (previous[index], next[index])
      let last = before >= 0 ? covers[before] : Cover(target: 0, base: 0, count: 0)
      let cover = covers[index]
      var spent =
        place(from: last, to: cover) + bits(cover.count) + 2
        + bits(cover.target - last.targetEnd)
      if after >= 0 {
        spent += place(from: cover, to: covers[after]) - place(from: last, to: covers[after])
      }
      if spent > saved(cover) {
        isKept[index] = false
        if before >= 0 { next[before] = after }
        if after >= 0 { previous[after] = before }
      }
    }
    return covers.indices.filter { isKept[$0] }.map { covers[$0] }
  }

  /// What the bytes of `cover` would cost more as inserted ones.
  private func saved(_ cover: Cover) -> Double {
    let isCode =
      baseLayout?.section(atOffset: cover.base).map { baseLayout?.role($0).isCode ?? false }
      ?? false
    let cost = isCode ? byteCost.code : byteCost.other
    var matching = 0
    for index in 0..<cover.count where base[cover.base + index] == target[cover.target + index] {
      matching += 1
    }
    return Double(matching) * cost - Double(cover.count - matching) * 1
  }

  private func place(from last: Cover, to cover: Cover) -> Double {
    let distance = cover.diagonal - last.diagonal
    if distance == 0 { return 1 }
    if cover.base == last.baseEnd { return 2 }
    let far = distance.magnitude > 4096 ? 2.0 : 0
    return 4 + 1.2 * bits(Int(distance.magnitude)) + far
  }

  private func bits(_ number: Int) -> Double {
    Double(64 - UInt64(number + 1).leadingZeroBitCount)
  }
}

extension CoverPruning {
  /// Returns `covers` with starts and ends in code moved inwards to starts of instructions.
  func snapped(_ covers: [Cover]) -> [Cover] {
    covers.compactMap { cover in
      guard let baseLayout, let section = baseLayout.section(atOffset: cover.base),
        baseLayout.role(section).isCode
      else { return cover }
      var start = cover.base
      var end = cover.baseEnd
      if !starts.contains(start), let next = starts.select(starts.rank(start)),
        next - start <= Self.snapReach
      {
        start = next
      }
      if !starts.contains(end), let before = starts.previous(end), end - before <= Self.snapReach {
        end = before
      }
      guard end > start else { return nil }
      return Cover(target: cover.target + start - cover.base, base: start, count: end - start)
    }
  }
}
