/// Where addresses of the base were seen to have gone: what the map of covers cannot know, or had wrong.
///
/// Kept sorted in chunks, so that the nearest one below an address is found as well as an exact one.
struct LearnedAddresses: Sendable {
  /// Nothing is learned beyond so many.
  private static let limit = 1 << 17
  private static let chunkLimit = 512

  private struct Pair: Sendable {
    let old: UInt64
    var new: UInt64
  }

  private var chunks: [[Pair]] = []
  /// The first address of each chunk.
  private var heads: [UInt64] = []
  private var count = 0

  /// Returns where `old` was seen to go, or else the nearest address below it and where that went.
  func nearest(_ old: UInt64) -> (old: UInt64, new: UInt64)? {
    guard let (chunk, place) = position(old) else { return nil }
    let pair = chunks[chunk][place]
    return (pair.old, pair.new)
  }

  /// Takes note that `old` went to `new`.
  mutating func learn(_ old: UInt64, _ new: UInt64) {
    guard let (chunk, place) = position(old) else {
      insert(Pair(old: old, new: new), chunk: 0, place: 0)
      return
    }
    if chunks[chunk][place].old == old {
      chunks[chunk][place].new = new
    } else {
      insert(Pair(old: old, new: new), chunk: chunk, place: place + 1)
    }
  }

  /// The last pair that is not above `old`.
  private func position(_ old: UInt64) -> (chunk: Int, place: Int)? {
    let heads = heads.span
    var low = 0
    var high = heads.count
    while low < high {
      // Between two indices, and so one itself.
      let middle = (low &+ high) >> 1
      if unsafe heads[unchecked: middle] <= old { low = middle &+ 1 } else { high = middle }
    }
    guard low > 0 else { return nil }
    let chunk = low &- 1
    let held = chunks[chunk]
    let pairs = held.span
    low = 0
    high = pairs.count
    while low < high {
      let middle = (low &+ high) >> 1
      if unsafe pairs[unchecked: middle].old <= old { low = middle &+ 1 } else { high = middle }
    }
    return (chunk, low &- 1)
  }

  private mutating func insert(_ pair: Pair, chunk: Int, place: Int) {
    guard count < Self.limit else { return }
    count += 1
    guard !chunks.isEmpty else {
      chunks = [[pair]]
      heads = [pair.old]
      return
    }
    chunks[chunk].insert(pair, at: place)
    heads[chunk] = chunks[chunk][0].old
    if chunks[chunk].count > Self.chunkLimit {
      let half = chunks[chunk].count / 2
      chunks.insert(Array(chunks[chunk][half...]), at: chunk + 1)
      heads.insert(chunks[chunk][half].old, at: chunk + 1)
      chunks[chunk].removeSubrange(half...)
    }
  }
}
