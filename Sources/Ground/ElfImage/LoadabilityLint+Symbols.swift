internal import Bytes

extension LintFindings {
  /// What the module takes from the process and gives to it.
  mutating func checkSymbols() {
    for symbol in image.symbols.dropFirst() where symbol.kind != .section {
      if symbol.binding == .gnuUnique {
        report(.uniqueSymbol, "it is one for the whole process", at: symbol.name)
      }
      if symbol.kind == .gnuIndirectFunction && symbol.isDefined {
        report(.indirectFunction, "it is chosen by code that runs while mapping", at: symbol.name)
      }
      if symbol.kind == .threadLocal {
        report(.threadLocal, "it is a thread-local variable", at: symbol.name)
      }
      if !symbol.isDefined {
        checkImport(symbol)
      } else if symbol.isExported && symbol.name != Self.descriptorName {
        report(.export, "modules export only \(Self.descriptorName)", at: symbol.name)
      }
    }
  }

  private mutating func checkImport(_ symbol: ElfSymbol) {
    guard symbol.binding != .local, !policy.allows(import: symbol.name) else { return }
    if LoadabilityPolicy.isNeverAllowed(symbol.name) {
      report(.forbiddenImport, "it allocates or registers with the process", at: symbol.name)
    } else if symbol.binding == .weak {
      report(.weakImport, "a weak import that is not on the list", at: symbol.name)
    } else {
      report(.import, "an import that is not on the list", at: symbol.name)
    }
  }

  /// Relocations the loader does for modules: addresses of the image and of imports, and nothing else.
  mutating func checkRelocations() {
    var odd: [RelocationKind: (count: Int, first: VirtualAddress)] = [:]
    func note(_ kind: RelocationKind, _ place: VirtualAddress) {
      odd[kind] = (1 + (odd[kind]?.count ?? 0), odd[kind]?.first ?? place)
    }
    var leading: (count: UInt64, isOver: Bool) = (0, false)
    let relative = RelocationTables.relativeType[image.header.machine]
    let writable = segments(.load).filter { $0.segment.isWritable }.compactMap(\.segment.memory)
    do throws(FormatError) {
      try image.visitRelocations { relocation in
        leading.isOver = leading.isOver || relocation.type != relative
        leading.count += leading.isOver ? 0 : 1
        let kind = RelocationKind(relocation.type, image.header.machine)
        if kind == .none { return }
        if kind != .plain { note(kind, relocation.place) }
        let (end, overflow) = relocation.place.rawValue.addingReportingOverflow(8)
        let fits = writable.contains {
          $0.lowerBound <= relocation.place.rawValue && end <= $0.upperBound
        }
        if overflow || !fits { note(.outside, relocation.place) }
      }
    } catch {
      report(.relocation, "\(error)", at: "byte \(error.offset)")
    }
    // The loader adds the base to so many places from the first on, whatever their types.
    if let count = image.dynamic.value(of: .relativeCount), count > leading.count {
      report(
        .relocation, "\(count) relative relocations are announced, \(leading.count) come first",
        at: "DT_RELACOUNT")
    }
    for (kind, rule, message) in [
      (RelocationKind.threadLocal, LintRule.threadLocal, "for thread-local storage"),
      (.indirect, .indirectFunction, "that call code of the image"),
      (.outside, .textRelocation, "outside of the writable segments"),
      (.other, .relocation, "of a type that modules have no use for"),
    ] {
      guard let found = odd[kind] else { continue }
      report(rule, "\(found.count) relocations \(message)", at: "\(found.first)")
    }
  }

  /// Returns the names of the symbols, dynamic and local, that `isMeant` picks: ": a, b, c, d and more".
  ///
  /// For reports only; nothing is decided by them.
  func symbolNames(_ isMeant: (ElfSymbol) -> Bool) -> String {
    let local = (try? image.localSymbols()) ?? []
    var names: [String] = []
    for symbol in image.symbols + local
    where symbol.isDefined && !symbol.name.isEmpty && isMeant(symbol) {
      if !names.contains(symbol.name) { names.append(symbol.name) }
      if names.count > 16 { break }
    }
    guard !names.isEmpty else { return "" }
    let shown = names.prefix(4).joined(separator: ", ")
    return ": \(shown)\(names.count > 4 ? " and more" : "")"
  }
}

/// What a relocation type amounts to, on any of the machines.
private enum RelocationKind: Hashable {
  case none
  case plain
  case threadLocal
  case indirect
  case outside
  case other

  init(_ type: UInt32, _ machine: ElfMachine) {
    let types = Self.types(of: machine)
    if type == 0 {
      self = .none
    } else if types.plain.contains(type) {
      self = .plain
    } else if types.threadLocal.contains(type) {
      self = .threadLocal
    } else {
      self = type == types.indirect ? .indirect : .other
    }
  }

  /// The numbers of the processor supplements: absolute, global data, jump slot and relative;
  /// thread-local ones; the one for indirect functions.
  private static func types(
    of machine: ElfMachine
  ) -> (plain: Set<UInt32>, threadLocal: Set<UInt32>, indirect: UInt32) {
    switch machine {
    case .x8664: ([1, 6, 7, 8], [16, 17, 18, 36], 37)
    case .aarch64: ([257, 1025, 1026, 1027], [1028, 1029, 1030, 1031], 1032)
    case .riscv: ([2, 3, 5], [6, 7, 8, 9, 10, 11, 12], 58)
    case .loongArch: ([2, 3, 5], [6, 7, 8, 9, 10, 11, 13, 14], 12)
    }
  }
}
