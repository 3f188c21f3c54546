/// Pages of kinds that an assistant makes before they are read.
///
/// Which pages will be read, and in what order, is mostly known: those along the covers. They are made in
/// two batches: one that is read, and one that the assistant makes meanwhile. A page that is read although
/// nobody expected it is made by the reader itself.
struct PagesAhead: Sendable {
  /// How often the reader may be looked for when it is not where it was expected.
  private static let mostSearches = 64

  private let map: FieldMap
  private let assistant: Assistant
  /// The pages that will be read, in this order.
  private let order: [UInt16]
  private var current = PageBatch()
  private var next: Errand<PageBatch>?
  /// Where in the order the next batch begins.
  private var nextStart = 0
  private var searchesLeft = Self.mostSearches

  /// Begins with the first of the pages that a reader of the bytes of `ranges` asks for.
  init(_ map: FieldMap, reading ranges: some Sequence<Range<Int>>, assistant: @escaping Assistant) {
    self.map = map
    self.assistant = assistant
    order = Self.order(of: ranges, pageTotal: map.pageTotal)
    begin(at: 0)
  }

  /// Copies page `index` to the place `slot` of a reader; false when nobody has made it.
  mutating func take(
    _ index: Int, to slot: Int, _ kinds: inout [UInt8], _ partners: inout [Int16]
  ) -> Bool {
    if current.take(index, to: slot, &kinds, &partners) { return true }
    guard let next else { return false }
    if !isInNext(index) {
      guard let place = search(index) else { return false }
      begin(at: place)
      return false
    }
    current = next.finish()
    begin(at: nextStart &+ PageBatch.pageCount)
    return current.take(index, to: slot, &kinds, &partners)
  }

  private var nextRange: Range<Int> {
    min(nextStart, order.count)..<min(nextStart &+ PageBatch.pageCount, order.count)
  }

  private func isInNext(_ index: Int) -> Bool {
    for place in nextRange where Int(order[place]) == index { return true }
    return false
  }

  /// Where, behind the next batch, the page comes after `index`.
  private mutating func search(_ index: Int) -> Int? {
    guard searchesLeft > 0 else { return nil }
    searchesLeft &-= 1
    for place in nextRange.upperBound..<order.count where Int(order[place]) == index {
      return place &+ 1
    }
    return nil
  }

  private mutating func begin(at start: Int) {
    nextStart = start
    next = nil
    let pages = order[nextRange]
    guard !pages.isEmpty else { return }
    let map = map
    next = Errand.begin(assistant) { PageBatch(map, pages: pages) }
  }

  /// The pages that a reader with its few places makes for `ranges`: not more than a few times all of them.
  private static func order(
    of ranges: some Sequence<Range<Int>>, pageTotal: Int
  ) -> [UInt16] {
    var order: [UInt16] = []
    var slots = [Int](repeating: -1, count: FieldReader.slotCount)
    for range in ranges where !range.isEmpty {
      for page in range.lowerBound >> 12...(range.upperBound &- 1) >> 12 where page < pageTotal {
        let slot = page & (FieldReader.slotCount &- 1)
        guard slots[slot] != page else { continue }
        guard order.count < 4 &* pageTotal else { return order }
        slots[slot] = page
        order.append(UInt16(truncatingIfNeeded: page))
      }
    }
    return order
  }
}

/// Pages that were made together.
private struct PageBatch: Sendable {
  /// How many they are at most: few enough to stay in the memory nearest to a processor.
  static let pageCount = 32

  private var pages: [UInt16] = []
  private var kinds: [UInt8] = []
  /// Empty where nothing has a partner.
  private var partners: [Int16] = []
  /// How many of the pages have been passed by.
  private var passed = 0

  /// Without pages.
  init() {}

  /// Makes these pages.
  init(_ map: FieldMap, pages: ArraySlice<UInt16>) {
    self.pages = Array(pages)
    let hasPartners = map.words != nil
    kinds.reserveCapacity(pages.count &* FieldPage.byteCount)
    if hasPartners { partners.reserveCapacity(pages.count &* FieldPage.byteCount / 4) }
    var page = FieldPage()
    for index in pages {
      map.fill(&page, index: Int(index))
      kinds.append(contentsOf: page.kinds)
      if hasPartners { partners.append(contentsOf: page.partners) }
    }
  }

  /// Copies page `index` to its place in a reader, and passes by all up to it; false when it is not here.
  mutating func take(
    _ index: Int, to slot: Int, _ kinds: inout [UInt8], _ partners: inout [Int16]
  ) -> Bool {
    var place = passed
    while place < pages.count, Int(pages[place]) != index { place &+= 1 }
    guard place < pages.count else { return false }
    passed = place &+ 1
    kinds.replaceSubrange(
      slot << 12..<(slot &+ 1) << 12, with: self.kinds[place << 12..<(place &+ 1) << 12])
    guard !self.partners.isEmpty else { return true }
    partners.replaceSubrange(
      slot << 10..<(slot &+ 1) << 10, with: self.partners[place << 10..<(place &+ 1) << 10])
    return true
  }
}
