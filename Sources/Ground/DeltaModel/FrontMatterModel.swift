package import Bytes
package import CodeReferences

/// Codes the frame of the target: file header, program headers, section headers.
///
/// Nearly everything follows from the base and from what was coded before; what does follow costs one
/// flag per section.
package struct FrontMatterModel: Sendable {
  var flags = FlagModel(bits: 12, sets: 4, inputs: 2)
  var numbers = NumberModel(contexts: 32)
  private var last = 0

  /// Starts with nothing known.
  package init() {}

  /// Codes the front matter of a target of `fileSize` bytes; `known` is what to encode, and nil while
  /// decoding.
  package mutating func code(
    _ known: FrontMatter?, base: ElfLayout?, fileSize: Int, coder: inout BinaryCoder
  ) throws(FormatError) -> FrontMatter {
    guard flag(known?.layout != nil, 0, 0, &coder) else { return .none }
    let layout = known?.layout
    let wasSynthetic = base?.isSynthetic ?? false
    let oldSections = wasSynthetic ? 0 : base?.sections.count ?? 0
    let stored = layout.map { $0.isSynthetic ? 0 : $0.sections.count } ?? 0
    let count = try codeCount(stored, oldSections, ElfLayout.maximumSections, 30, &coder)
    var forecast = SectionForecast(
      base: wasSynthetic ? nil : base, isBlind: coder.without.contains(.sectionForecast))
    var sections: [SectionHeader] = []
    var sources: [Int32] = []
    for index in 0..<count {
      let (header, source) = try codeSection(
        layout?.sections[index], known?.sources[index], index: index,
        expected: Int(sources.last ?? -1) + 1, count: oldSections, &forecast, &coder)
      sections.append(header)
      sources.append(Int32(truncatingIfNeeded: source))
      try Self.check(coder)
    }
    let segments = try codeSegments(
      layout?.programHeaders, base: base, sections: sections, sources: sources, &coder)
    let header = try codeHeader(
      layout?.header, base: base, sectionCount: count,
      segmentCount: segments.count / ElfLayout.programHeaderSize, sources: sources,
      end: forecast.endOffset, &coder)
    guard
      let found = ElfLayout(
        header: header, programHeaders: segments, sections: sections, fileSize: fileSize)
    else { throw FormatError(.illegal("a frame that is none"), at: coder.offset) }
    if found.isSynthetic {
      sources = found.sections.indices.map { index in
        index < base?.sections.count ?? 0 && wasSynthetic ? Int32(truncatingIfNeeded: index) : -1
      }
    }
    return FrontMatter(layout: found, sources: sources)
  }

  private static func check(_ coder: BinaryCoder) throws(FormatError) {
    guard !coder.isExhausted else {
      throw FormatError(.truncated(missing: 1), at: coder.offset)
    }
  }

  private mutating func codeCount(
    _ count: Int, _ expected: Int, _ limit: Int, _ context: Int, _ coder: inout BinaryCoder
  ) throws(FormatError) -> Int {
    let change = numbers.codeSigned(Int64(count - expected), context: context, coder: &coder)
    guard change.magnitude <= UInt64(limit), (0...limit).contains(expected + Int(change)) else {
      throw FormatError(.illegal("a number of headers"), at: coder.offset)
    }
    return expected + Int(change)
  }

  private mutating func codeSection(
    _ header: SectionHeader?, _ known: Int32?, index: Int, expected: Int, count: Int,
    _ forecast: inout SectionForecast, _ coder: inout BinaryCoder
  ) throws(FormatError) -> (SectionHeader, Int) {
    let likely = expected < count ? expected : -1
    let truth = header.map { HeaderNumbers($0) }
    var numbers = HeaderNumbers()
    for field in HeaderNumbers.Field.allCases {
      numbers[field] = forecast.candidates(field, index: index, source: likely, known: numbers)[0]
    }
    var source = known.map { Int($0) } ?? 0
    let isForetold = numbers.header == header && source == likely
    if !flag(!isForetold, 1, likely < 0 ? 1 : 0, &coder) {
      forecast.add(numbers, source: likely)
      return (numbers.header, likely)
    }
    source = try codeSource(source, likely: likely, count: count, &coder)
    let likelyNumbers = numbers
    for field in HeaderNumbers.Field.allCases {
      let candidates = forecast.candidates(field, index: index, source: source, known: numbers)
      numbers[field] = codeNumber(
        truth?[field] ?? 0, candidates, context: field.rawValue, &coder)
    }
    coder.refuse(if: source == likely && numbers.header == likelyNumbers.header)
    forecast.add(numbers, source: source)
    return (numbers.header, source)
  }

  private mutating func codeSource(
    _ source: Int, likely: Int, count: Int, _ coder: inout BinaryCoder
  ) throws(FormatError) -> Int {
    guard flag(source >= 0, 2, likely < 0 ? 1 : 0, &coder) else { return -1 }
    let change = numbers.codeSigned(Int64(source - likely), context: 31, coder: &coder)
    guard change.magnitude <= UInt64(count), (0..<count).contains(likely + Int(change)) else {
      throw FormatError(.illegal("a section that is not there"), at: coder.offset)
    }
    return likely + Int(change)
  }

  /// Codes a number that is likely one of `candidates`.
  private mutating func codeNumber(
    _ value: UInt64, _ candidates: [UInt64], context: Int, _ coder: inout BinaryCoder
  ) -> UInt64 {
    for (index, candidate) in candidates.enumerated() {
      if !flag(value != candidate, 3 + context, index, &coder) { return candidate }
    }
    let first = candidates[0]
    let change = Int64(bitPattern: value &- first)
    let coded = numbers.codeSigned(
      change.magnitude < Self.farChange ? change : Int64(Self.farChange), context: context,
      coder: &coder)
    var other = first &+ UInt64(bitPattern: coded)
    if coded.magnitude >= Self.farChange {
      coder.refuse(if: coded != Int64(Self.farChange))
      other = codeFar(value, context: context, &coder)
      coder.refuse(if: Int64(bitPattern: other &- first).magnitude < Self.farChange)
    }
    coder.refuse(if: candidates.contains(other))
    return other
  }

  /// A change of this size or more does not fit a number when it is folded: in its place stands this,
  /// and then the value itself.
  private static let farChange: UInt64 = 1 << 61

  /// Codes a value by its upper and its lower 32 bits.
  private mutating func codeFar(
    _ value: UInt64, context: Int, _ coder: inout BinaryCoder
  ) -> UInt64 {
    let upper = numbers.code(value >> 32, context: context, coder: &coder)
    let lower = numbers.code(value & 0xffff_ffff, context: context, coder: &coder)
    coder.refuse(if: upper >> 32 != 0 || lower >> 32 != 0)
    return upper << 32 | lower & 0xffff_ffff
  }

  private mutating func flag(
    _ value: Bool, _ what: Int, _ detail: Int, _ coder: inout BinaryCoder
  ) -> Bool {
    let contexts: InlineArray<2, ContextHash> = [
      ContextHash(what).with(detail), ContextHash(what).with(detail).with(last & 3).with(7),
    ]
    let result = flags.code(value, contexts: contexts, set: min(what, 3), coder: &coder)
    last = last << 1 | (result ? 1 : 0)
    return result
  }
}

extension FrontMatterModel {
  private static let segmentFields = [
    (0, 4), (4, 4), (16, 8), (8, 8), (24, 8), (32, 8), (40, 8), (48, 8),
  ]

  /// Codes the program headers field by field: they follow from the sections they span.
  private mutating func codeSegments(
    _ known: [UInt8]?, base: ElfLayout?, sections: [SectionHeader], sources: [Int32],
    _ coder: inout BinaryCoder
  ) throws(FormatError) -> [UInt8] {
    let size = ElfLayout.programHeaderSize
    let old = base?.programHeaders ?? []
    let count = try codeCount(
      (known?.count ?? 0) / size, old.count / size, ElfLayout.maximumProgramHeaders, 29, &coder)
    let forecast = SegmentForecast(base: base, sections: sections, sources: sources)
    var result: [UInt8] = []
    for index in 0..<count {
      let start = index * size
      let before = start + size <= old.count ? Array(old[start..<start + size]) : []
      let guess = forecast.segment(before)
      let truth = known.map { Array($0[start..<start + size]) }
      var segment = guess
      let isOther = flag(truth != nil && truth != guess, 20, 0, &coder)
      if isOther {
        for (number, (offset, width)) in Self.segmentFields.enumerated() {
          var candidates = [guess.span.little(offset, width)]
          if number == 4 { candidates = [segment.span.little(16, 8)] }
          if number == 6 { candidates = [segment.span.little(32, 8), guess.span.little(40, 8)] }
          let value = codeNumber(
            truth?.span.little(offset, width) ?? 0, candidates, context: 16 + number, &coder)
          for byte in 0..<width {
            segment[offset + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))
          }
        }
      }
      coder.refuse(if: isOther && segment == guess)
      result += segment
      try Self.check(coder)
    }
    return result
  }

  /// Codes the file header, foretold from the base's and from what the tables say.
  private mutating func codeHeader(
    _ known: [UInt8]?, base: ElfLayout?, sectionCount: Int, segmentCount: Int, sources: [Int32],
    end: UInt64, _ coder: inout BinaryCoder
  ) throws(FormatError) -> [UInt8] {
    var guess = base?.header ?? Array(repeating: 0, count: ElfLayout.headerSize)
    let names = guess.span.little(62, 2)
    let newNames = sources.firstIndex { $0 >= 0 && UInt64($0) == names } ?? 0
    let tables = sectionCount == 0 ? 0 : (end &+ 7) & ~7
    for (offset, width, value) in [
      (40, 8, tables), (56, 2, UInt64(segmentCount)), (60, 2, UInt64(sectionCount)),
      (62, 2, UInt64(newNames)),
    ] {
      for byte in 0..<width {
        guess[offset + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))
      }
    }
    guard flag(known != nil && known != guess, 21, 0, &coder) else { return guess }
    for offset in guess.indices {
      let truth = known?[offset] ?? 0
      if flag(truth != guess[offset], 22, 0, &coder) {
        let change = numbers.code(UInt64(truth &- guess[offset]), context: 28, coder: &coder)
        coder.refuse(if: change == 0 || change > 255)
        guess[offset] &+= UInt8(truncatingIfNeeded: change)
      }
    }
    try Self.check(coder)
    return guess
  }
}

/// Foretells program headers from the sections that they span.
struct SegmentForecast {
  private let base: ElfLayout?
  private let sections: [SectionHeader]
  private let sources: [Int32]

  init(base: ElfLayout?, sections: [SectionHeader], sources: [Int32]) {
    self.base = base
    self.sections = sections
    self.sources = sources
  }

  /// What became of the program header `old`, 56 bytes or none.
  func segment(_ old: [UInt8]) -> [UInt8] {
    guard old.count == ElfLayout.programHeaderSize else {
      return Array(repeating: 0, count: ElfLayout.programHeaderSize)
    }
    var result = old
    let (offset, address) = (old.span.little(8, 8), old.span.little(16, 8))
    let (inFile, inMemory) = (old.span.little(32, 8), old.span.little(40, 8))
    let start = first(address)
    let newAddress = start.map { sections[$0].address } ?? address
    let newOffset = start.map { sections[$0].offset } ?? offset
    let newFileEnd = last(address &+ inFile, isInFile: true)
    let newMemoryEnd = last(address &+ inMemory, isInFile: false)
    set(&result, 8, newOffset)
    set(&result, 16, newAddress)
    set(&result, 24, old.span.little(24, 8) == address ? newAddress : old.span.little(24, 8))
    set(&result, 32, newFileEnd.map { $0 &- newAddress } ?? rounded(inFile, address, newAddress))
    set(
      &result, 40, newMemoryEnd.map { $0 &- newAddress } ?? rounded(inMemory, address, newAddress))
    return result
  }

  /// A size that ends at a page: the end stays there.
  private func rounded(_ size: UInt64, _ address: UInt64, _ newAddress: UInt64) -> UInt64 {
    (address &+ size) & 4095 == 0 ? address &+ size &- newAddress : size
  }

  /// The section of the target whose source begins at `address`.
  private func first(_ address: UInt64) -> Int? {
    guard let base, address > 0 else { return nil }
    return sections.indices.first { index in
      let source = Int(sources[index])
      return source >= 0 && source < base.sections.count && base.sections[source].isAllocated
        && base.sections[source].address == address && base.sections[source].size > 0
    }
  }

  /// The end in memory of the section of the target whose source ends at `address`.
  private func last(_ address: UInt64, isInFile: Bool) -> UInt64? {
    guard let base else { return nil }
    let index = sections.indices.last { index in
      let source = Int(sources[index])
      guard source >= 0 && source < base.sections.count else { return false }
      let header = base.sections[source]
      return header.isAllocated && header.size > 0 && !(isInFile && header.hasNoBytes)
        && header.address &+ header.size == address
    }
    return index.map { sections[$0].address &+ sections[$0].size }
  }

  private func set(_ bytes: inout [UInt8], _ offset: Int, _ value: UInt64) {
    for byte in 0..<8 {
      bytes[offset + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))
    }
  }
}
