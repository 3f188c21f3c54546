extension LintFindings {
  /// Everything that the loader takes for granted of the segments and would otherwise crash on.
  mutating func checkSegments() {
    if image.header.type != .sharedObject {
      report(.fileType, "the file is no shared object (e_type \(image.header.type.rawValue))")
    }
    for (index, segment) in image.programHeaders.enumerated() where segment.kind != .null {
      checkExtent(segment, "segment \(index) (\(segment.kind))")
    }
    guard violations.isEmpty else { return }
    checkOrder()
    for kind in [ProgramHeader.Kind.dynamic, .relro, .stack, .threadLocal] {
      let found = segments(kind)
      if found.count > 1 {
        report(.segmentLayout, "there are \(found.count) of them", at: found[1].name)
      }
    }
    checkContained()
  }

  private mutating func checkExtent(_ segment: ProgramHeader, _ name: String) {
    // The stack's entry says nothing but its flags.
    if segment.kind == .stack { return }
    guard let file = segment.file, let memory = segment.memory else {
      report(.segmentLayout, "its size overflows", at: name)
      return
    }
    let count = UInt64(image.bytes.count)
    if !file.isEmpty && file.upperBound > count {
      report(
        .segmentBeyondFile, "it ends at byte \(file.upperBound) of a file of \(count)", at: name)
    }
    if segment.kind == .load { checkLoad(segment, memory, name) }
  }

  private mutating func checkLoad(
    _ segment: ProgramHeader, _ memory: Range<UInt64>, _ name: String
  ) {
    if segment.fileSize > segment.memorySize {
      report(.segmentLayout, "it has more bytes in the file than in memory", at: name)
    }
    if segment.fileSize < segment.memorySize && !segment.isWritable {
      report(.segmentLayout, "it is read-only and has bytes that are not in the file", at: name)
    }
    let alignment = segment.alignment
    guard alignment.nonzeroBitCount == 1, alignment >= pageSize,
      alignment <= LoadabilityLint.alignmentLimit
    else {
      report(.segmentLayout, "its alignment is \(alignment)", at: name)
      return
    }
    if (segment.address.rawValue ^ segment.offset) & (alignment - 1) != 0 {
      report(.segmentLayout, "its offset and its address differ modulo its alignment", at: name)
    }
    if memory.upperBound > LoadabilityLint.imageLimit {
      report(
        .segmentLayout,
        "it ends beyond the \(LoadabilityLint.imageLimit) bytes that an image may take", at: name)
    }
  }

  /// Loadable segments must rise and share no page: the loader maps each over what was there.
  private mutating func checkOrder() {
    let loads = segments(.load)
    if loads.isEmpty { report(.segmentLayout, "there is nothing to load") }
    let mask = pageSize - 1
    var previousEnd: UInt64 = 0
    for (name, segment) in loads {
      guard let memory = segment.memory else { continue }
      if memory.lowerBound & ~mask < previousEnd {
        report(.segmentLayout, "it shares a page with the segment before it", at: name)
      }
      // No overflow: every end was compared with the limit of an image.
      previousEnd = (memory.upperBound + mask) & ~mask
    }
  }

  /// What the loader reads through another entry must be what a loadable segment maps there.
  private mutating func checkContained() {
    let kinds: [ProgramHeader.Kind] = [
      .dynamic, .note, .relro, .exceptionHeader, .property, .programHeaders, .threadLocal,
    ]
    let loads = segments(.load).map(\.segment)
    for (index, segment) in image.programHeaders.enumerated() where kinds.contains(segment.kind) {
      let name = "segment \(index) (\(segment.kind))"
      guard let memory = segment.memory,
        let load = loads.first(where: { holds($0, memory) })
      else {
        report(.segmentLayout, "it is not inside of a loadable segment", at: name)
        continue
      }
      let isShifted =
        segment.fileSize > 0
        && segment.offset &- load.offset
          != segment.address.rawValue &- load.address.rawValue
      if isShifted { report(.segmentLayout, "it is not where its bytes are mapped", at: name) }
      // The loader adjusts the dynamic entries in place when their segment claims to be writable.
      if segment.kind == .dynamic && segment.isWritable && !load.isWritable {
        report(.segmentLayout, "it is writable and mapped read-only", at: name)
      }
    }
  }

  /// Whether all of `memory` is in the pages of `load`: protection may end on a page's end.
  private func holds(_ load: ProgramHeader, _ memory: Range<UInt64>) -> Bool {
    guard let whole = load.memory else { return false }
    let mask = pageSize - 1
    let (end, overflow) = whole.upperBound.addingReportingOverflow(mask)
    return !overflow && memory.lowerBound >= whole.lowerBound && memory.upperBound <= end & ~mask
  }
}

extension LintFindings {
  /// What stays writable, what is executable, and what a program has but a library must not.
  mutating func checkProtection() {
    let stacks = segments(.stack)
    if stacks.isEmpty {
      report(.executableStack, "nothing says that the stack need not be executable")
    }
    for (name, segment) in stacks where segment.isExecutable {
      report(.executableStack, "it asks for an executable stack", at: name)
    }
    for (name, segment) in segments(.load) {
      if segment.isWritable && segment.isExecutable {
        report(.writableCode, "it is both writable and executable", at: name)
      }
      if segment.isWritable { checkWritable(segment, name) }
    }
    for (name, _) in segments(.interpreter) {
      report(.interpreter, "it names an interpreter", at: name)
    }
    for (name, segment) in segments(.threadLocal) {
      let names = symbolNames { $0.kind == .threadLocal }
      report(
        .threadLocal, "\(segment.memorySize) bytes of every thread's storage\(names)", at: name)
    }
  }

  /// The loader protects whole pages: from the page in which the protected range starts to the last
  /// page boundary in it.
  private mutating func checkWritable(_ segment: ProgramHeader, _ name: String) {
    guard let memory = segment.memory else { return }
    let mask = pageSize - 1
    var open = [memory]
    for (_, relro) in segments(.relro) {
      guard let range = relro.memory else { continue }
      let start = range.lowerBound & ~mask
      let end = max(range.upperBound & ~mask, start)
      open = open.flatMap { part in
        [
          part.lowerBound..<max(part.lowerBound, min(part.upperBound, start)),
          min(part.upperBound, max(part.lowerBound, end))..<part.upperBound,
        ]
      }
    }
    for part in open where !part.isEmpty {
      let names = symbolNames { $0.kind == .object && part.contains($0.value.rawValue) }
      report(
        .writableData,
        "\(part.count) bytes from \(VirtualAddress(part.lowerBound)) stay writable\(names)",
        at: name)
    }
  }
}
