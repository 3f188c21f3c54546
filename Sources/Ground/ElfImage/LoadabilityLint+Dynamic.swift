internal import Bytes

private typealias Tag = DynamicEntry.Tag

extension LintFindings {
  /// Values that the loader asserts or dereferences without looking.
  mutating func checkDynamicTable() {
    let dynamic = image.dynamic
    if segments(.dynamic).isEmpty { report(.dynamicTable, "there is no dynamic segment") }
    for (tag, name) in [
      (Tag.stringTable, "DT_STRTAB"), (.stringTableSize, "DT_STRSZ"), (.symbolTable, "DT_SYMTAB"),
    ] where dynamic.value(of: tag) == nil {
      report(.dynamicTable, "it is missing", at: name)
    }
    if dynamic.value(of: .gnuHash) == nil {
      // The older table can have cycles, which the loader would follow for ever.
      report(.dynamicTable, "no table finds symbols by name", at: "DT_GNU_HASH")
    }
    let sizes: [(table: Tag, entry: Tag, value: UInt64, name: String)] = [
      (.symbolTable, .symbolEntry, 24, "DT_SYMENT"), (.rela, .relaEntry, 24, "DT_RELAENT"),
      (.relr, .relrEntry, 8, "DT_RELRENT"), (.pltRelocations, .pltRelocationKind, 7, "DT_PLTREL"),
    ]
    for size in sizes where dynamic.value(of: size.table) != nil {
      let found = dynamic.value(of: size.entry)
      if found != size.value {
        let text = found.map { "it is \($0) instead of \(size.value)" } ?? "it is missing"
        report(.dynamicTable, text, at: size.name)
      }
    }
    checkVersions()
    let repeatable: Set<Tag> = [.needed, .audit, .depAudit, .auxiliary, .filter]
    var seen: Set<Tag> = []
    for entry in dynamic where !repeatable.contains(entry.tag) && !seen.insert(entry.tag).inserted {
      report(
        .dynamicTable, "it is there twice", at: "tag 0x\(String(entry.tag.rawValue, radix: 16))")
    }
  }

  /// The loader takes for granted that required versions come from needed libraries, that every symbol's
  /// version is in one of the lists, and that lists come with a table.
  private mutating func checkVersions() {
    do throws(FormatError) {
      let versions = try image.symbolVersions()
      let hasLists = [Tag.versionNeeds, .versionDefinitions].contains {
        image.dynamic.value(of: $0) != nil
      }
      if hasLists && image.dynamic.value(of: .versionTable) == nil {
        report(.dynamicTable, "it is missing", at: "DT_VERSYM")
      }
      if versions.hasUnknownIndex {
        report(.dynamicTable, "a symbol has a version that is in no list", at: "DT_VERSYM")
      }
      let needed = try image.dynamicStrings(.needed)
      for file in versions.files where !needed.contains(file) {
        report(
          .dynamicTable, "versions are required of '\(file)', which is not needed", at: "DT_VERNEED"
        )
      }
    } catch {
      report(.dynamicTable, "\(error)", at: "DT_VERNEED")
    }
  }

  /// What the file asks the loader to do beyond mapping and relocating it.
  mutating func checkLoaderRequests() {
    checkCode(.constructor, [.initialize, .initializeArray, .preinitializeArray], "is mapped")
    checkCode(.destructor, [.finalize, .finalizeArray], "is unmapped")
    checkNames(.rpath, .searchPath, "DT_RPATH", "it changes where libraries are looked for")
    checkNames(.runpath, .searchPath, "DT_RUNPATH", "it changes where libraries are looked for")
    checkNames(.audit, .audit, "DT_AUDIT", "it loads an audit library")
    checkNames(.depAudit, .audit, "DT_DEPAUDIT", "it loads an audit library")
    checkNames(.filter, .audit, "DT_FILTER", "it lets another library answer")
    checkNames(.auxiliary, .audit, "DT_AUXILIARY", "it lets another library answer")
    for name in strings(.needed) where !policy.allowedLibraries.contains(name) {
      report(.neededLibrary, "the library '\(name)' is not on the list", at: "DT_NEEDED")
    }
    for name in strings(.soname)
    where name.contains("/") || LoadabilityPolicy.standard.allowedLibraries.contains(name) {
      report(.soname, "the name '\(name)' could be taken for another library", at: "DT_SONAME")
    }
    checkFlags()
  }

  private mutating func checkCode(_ rule: LintRule, _ tags: [Tag], _ moment: String) {
    let names: [Tag: String] = [
      .initialize: "DT_INIT", .initializeArray: "DT_INIT_ARRAY", .finalize: "DT_FINI",
      .preinitializeArray: "DT_PREINIT_ARRAY", .finalizeArray: "DT_FINI_ARRAY",
    ]
    for tag in tags {
      guard let value = image.dynamic.value(of: tag) else { continue }
      let functions = codeNames(tag, VirtualAddress(value))
      report(rule, "code runs when the image \(moment)\(functions)", at: names[tag])
    }
  }

  /// The names of the functions that a tag or its array points to, as far as they are known.
  private func codeNames(_ tag: Tag, _ address: VirtualAddress) -> String {
    guard tag != .initialize && tag != .finalize else {
      return symbolNames { $0.kind == .function && $0.value == address }
    }
    let sizes: [Tag: Tag] = [
      .initializeArray: .initializeArraySize, .finalizeArray: .finalizeArraySize,
      .preinitializeArray: .preinitializeArraySize,
    ]
    let size = sizes[tag].flatMap { image.dynamic.value(of: $0) } ?? 0
    let (end, overflow) = address.rawValue.addingReportingOverflow(size)
    guard !overflow else { return "" }
    var targets: Set<UInt64> = []
    // Names are a courtesy: a table that cannot be read is reported elsewhere.
    try? image.visitRelocations { relocation in
      guard let addend = relocation.addend,
        (address.rawValue..<end).contains(relocation.place.rawValue)
      else { return }
      targets.insert(UInt64(bitPattern: addend))
    }
    return symbolNames { $0.kind == .function && targets.contains($0.value.rawValue) }
  }

  private mutating func checkNames(
    _ tag: Tag, _ rule: LintRule, _ name: String, _ message: String
  ) {
    for entry in image.dynamic where entry.tag == tag {
      let text = string(at: entry.value).map { " ('\($0)')" } ?? ""
      report(rule, message + text, at: name)
    }
  }

  private mutating func checkFlags() {
    let flags = image.dynamic.value(of: .flags) ?? 0
    let flags1 = image.dynamic.value(of: .flags1) ?? 0
    let hasTextTag = image.dynamic.value(of: .textRelocations) != nil
    if hasTextTag || flags & 4 != 0 {
      report(.textRelocation, "the file says that it relocates code", at: "DT_TEXTREL")
    }
    if flags & 0x10 != 0 {
      report(.threadLocal, "it wants room in every thread's static storage", at: "DF_STATIC_TLS")
    }
    if image.dynamic.value(of: .bindNow) == nil && flags & 8 == 0 && flags1 & 1 == 0 {
      report(.lazyBinding, "imports would be bound at their first call", at: "DT_FLAGS")
    }
    if flags1 & 8 != 0 {
      report(.noDelete, "the image could never be unmapped", at: "DF_1_NODELETE")
    }
    // Known and harmless: DF_SYMBOLIC, DF_BIND_NOW; DF_1_NOW.
    for (names, value, known) in [
      (["DF_ORIGIN"], flags, UInt64(0x2 | 0x4 | 0x8 | 0x10)),
      (Self.flag1Names, flags1, UInt64(0x1 | 0x8)),
    ] {
      for bit in UInt64(0)..<64 where value & ~known & (1 << bit) != 0 {
        let name = bit < names.count ? names[Int(bit)] : "0x\(String(UInt64(1) << bit, radix: 16))"
        report(.loaderFlag, "a loader flag that a module must not have", at: name)
      }
    }
  }

  private static let flag1Names = [
    "DF_1_NOW", "DF_1_GLOBAL", "DF_1_GROUP", "DF_1_NODELETE", "DF_1_LOADFLTR", "DF_1_INITFIRST",
    "DF_1_NOOPEN", "DF_1_ORIGIN", "DF_1_DIRECT", "DF_1_TRANS", "DF_1_INTERPOSE", "DF_1_NODEFLIB",
    "DF_1_NODUMP", "DF_1_CONFALT", "DF_1_ENDFILTEE", "DF_1_DISPRELDNE", "DF_1_DISPRELPND",
    "DF_1_NODIRECT", "DF_1_IGNMULDEF", "DF_1_NOKSYMS", "DF_1_NOHDR", "DF_1_EDITED",
    "DF_1_NORELOC", "DF_1_SYMINTPOSE", "DF_1_GLOBAUDIT", "DF_1_SINGLETON", "DF_1_STUB", "DF_1_PIE",
  ]

  private mutating func strings(_ tag: Tag) -> [String] {
    do throws(FormatError) {
      return try image.dynamicStrings(tag)
    } catch {
      report(.dynamicTable, "\(error)", at: "DT_STRTAB")
      return []
    }
  }

  private func string(at offset: UInt64) -> String? {
    try? image.dynamicString(at: offset)
  }
}
