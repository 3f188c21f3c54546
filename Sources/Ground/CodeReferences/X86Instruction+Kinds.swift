extension X86Instruction {
  /// Writes the kind of each byte to `kinds`, the first to index `at`; what is outside is left out.
  ///
  /// The first byte of the instruction has the mark `ByteKind.start`; the first byte of the
  /// displacement and of each immediate has the mark `ByteKind.first`.
  @inline(__always)
  package func write(kinds: inout MutableSpan<UInt8>, at: Int) {
    guard at > -Self.mostBytes, at < kinds.count else { return }
    var index = at
    Self.fill(&kinds, &index, prefixCount, .prefix)
    Self.fill(&kinds, &index, opcodeCount, isBad ? .bad : .opcode)
    Self.fill(&kinds, &index, modRMCount, .modRM)
    Self.fill(&kinds, &index, sibCount, .sib)
    Self.fill(&kinds, &index, displacementCount, displacementKind, ByteKind.first)
    Self.fill(&kinds, &index, immediateCount, immediateKind, ByteKind.first)
    Self.fill(&kinds, &index, secondImmediateCount, .immediate8, ByteKind.first)
    if at >= 0 { kinds[at] |= ByteKind.start }
  }

  /// Returns the kind of the byte behind `count` bytes of an instruction that begins at `start`.
  ///
  /// Nil when these bytes are a whole instruction, or cannot begin one; then the next byte is the
  /// first of another. (How many bytes to step over says `init`, with `end` behind these bytes: a
  /// bad byte is only one, and what stood behind it is looked at again.)
  ///
  /// The answer is what `write` will say, marks included, but for one thing: a byte that may be a
  /// prefix or an opcode is foretold as an opcode, and that of 8F as ModRM, for only the byte itself
  /// will tell.
  package static func kindOfNext(_ bytes: Span<UInt8>, at start: Int, count: Int) -> ByteKind? {
    guard start >= 0, count >= 0, count < mostBytes, start <= bytes.count - count else {
      return nil
    }
    if count == 0 { return ByteKind(rawValue: ByteKind.opcode.rawValue | ByteKind.start) }
    var instruction = Self()
    let missing = instruction.read(bytes, at: start, count: count)
    guard missing == .none else { return missing == .bad ? nil : missing }
    guard count < instruction.count, instruction.count <= mostBytes else { return nil }
    return instruction.fieldKind(at: UInt8(count))
  }

  /// Returns the kind of the byte at `end`, where all before it are known, and keeps `start` up.
  ///
  /// `start` is where an instruction begins, at most `end`; it is moved over all instructions that are
  /// whole before `end`, so that it is right for the next call, with a greater `end`. This is how code
  /// is followed that is only just being decoded. The instructions found so are those of a sweep
  /// with `init` from the same place, which sees all bytes at once.
  ///
  /// - Complexity: the steps of `start`, plus the bytes of one instruction.
  package static func kindOfNext(
    _ bytes: Span<UInt8>, following start: inout Int, end: Int
  ) -> ByteKind {
    if start < 0 || end > bytes.count { start = end }
    while start < end {
      if let kind = kindOfNext(bytes, at: start, count: end - start) { return kind }
      start += Self(bytes, at: start, end: end).count
    }
    return ByteKind(rawValue: ByteKind.opcode.rawValue | ByteKind.start)
  }

  /// The kind and marks of a byte of displacement or immediate.
  @inline(__always)
  private func fieldKind(at offset: UInt8) -> ByteKind {
    var begin = displacementOffset
    var kind = displacementKind
    if offset >= immediateOffset {
      begin = immediateOffset
      kind = immediateKind
    }
    if offset >= immediateOffset &+ immediateCount {
      begin = immediateOffset &+ immediateCount
      kind = .immediate8
    }
    return offset == begin ? ByteKind(rawValue: kind.rawValue | ByteKind.first) : kind
  }

  @inline(__always)
  private var displacementKind: ByteKind {
    if isRelativeToEnd { return reference }
    return displacementCount == 1 ? .displacement8 : .displacement32
  }

  @inline(__always)
  private var immediateKind: ByteKind {
    if branch != .none { return branch }
    switch immediateCount {
    case 1: return .immediate8
    case 2: return .immediate16
    case 4: return .immediate32
    default: return .immediate64
    }
  }

  /// Writes `count` bytes of one part and moves on.
  @inline(__always)
  private static func fill(
    _ kinds: inout MutableSpan<UInt8>, _ index: inout Int, _ count: UInt8, _ kind: ByteKind,
    _ mark: UInt8 = 0
  ) {
    var mark = mark
    for _ in 0..<count {
      if index >= 0, index < kinds.count { kinds[index] = kind.rawValue | mark }
      mark = 0
      index &+= 1
    }
  }
}
