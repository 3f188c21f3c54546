internal import Bytes

extension LintFindings {
  /// The one symbol that a module exports.
  static let descriptorName = "hitless_module"
  /// Size of `struct hitless_module` in the first version of the ABI.
  private static let descriptorSize: UInt64 = 152
  /// Sizes of a build-id: 8 bytes are the least that tell builds apart, 32 the most that is kept.
  private static let buildIDSizes = 8...32

  /// What the module is: build-id, note, descriptor, and that they agree.
  mutating func checkIdentity() {
    if let buildID = image.buildID {
      if !Self.buildIDSizes.contains(buildID.count) {
        report(.buildID, "a build-id of \(buildID.count) bytes")
      }
    } else {
      report(.buildID, "there is not exactly one build-id")
    }
    let facts = checkNote()
    checkDescriptor(against: facts)
  }

  private mutating func checkNote() -> ModuleFacts? {
    let notes = image.moduleNotes
    guard notes.count == 1 else {
      report(
        .note, notes.isEmpty ? "the module has no note" : "the module has \(notes.count) notes")
      return nil
    }
    let place = "byte \(notes[0].offset)"
    do throws(FormatError) {
      let facts = try ModuleFacts(parsing: notes[0].description)
      if facts.abiVersion != ModuleFacts.abiVersion {
        report(.note, "ABI version \(facts.abiVersion) is not \(ModuleFacts.abiVersion)", at: place)
      }
      return facts
    } catch {
      report(.note, "the module's facts: \(error)", at: place)
      return nil
    }
  }

  private mutating func checkDescriptor(against facts: ModuleFacts?) {
    let found = image.symbols.filter { $0.name == Self.descriptorName && $0.isExported }
    guard let symbol = found.first else {
      report(.descriptor, "the module does not export it", at: Self.descriptorName)
      return
    }
    guard found.count == 1, symbol.kind == .object, symbol.size >= Self.descriptorSize,
      let bytes = image.fileBytes(at: symbol.value, count: symbol.size)
    else {
      report(
        .descriptor, "it is no constant object of at least \(Self.descriptorSize) bytes",
        at: Self.descriptorName)
      return
    }
    do throws(FormatError) {
      try compare(symbol, Array(bytes), with: facts)
    } catch {
      report(.descriptor, "\(error)", at: Self.descriptorName)
    }
  }

  private mutating func compare(
    _ symbol: ElfSymbol, _ bytes: [UInt8], with facts: ModuleFacts?
  ) throws(FormatError) {
    var reader = ByteReader(bytes)
    let size = UInt64(try reader.little(UInt32.self))
    let abiVersion = try reader.little(UInt32.self)
    let own = try ModuleFacts(parsing: try reader.bytes(UInt64(ModuleFacts.byteCount)))
    if size < Self.descriptorSize || size > symbol.size {
      report(.descriptor, "it says that it has \(size) bytes", at: Self.descriptorName)
    }
    if abiVersion != ModuleFacts.abiVersion {
      report(.descriptor, "it says ABI version \(abiVersion)", at: Self.descriptorName)
    }
    if let facts, own != facts {
      report(.descriptor, "its facts are not those of the note", at: Self.descriptorName)
    }
    let inFile = try reader.little(UInt64.self)
    let inside = try reader.little(UInt64.self)
    try checkTable(symbol, own.tableSize, address: inFile, offset: inside)
  }

  /// The function table must be there in full, by address or inside of the descriptor.
  private mutating func checkTable(
    _ symbol: ElfSymbol, _ size: UInt32, address inFile: UInt64, offset: UInt64
  ) throws(FormatError) {
    let word = symbol.value.rawValue &+ 8 &+ UInt64(ModuleFacts.byteCount)
    var address = inFile
    try image.visitRelocations { relocation in
      guard relocation.place.rawValue == word else { return }
      if let addend = relocation.addend { address = UInt64(bitPattern: addend) }
    }
    if address == 0 {
      let (end, overflow) = offset.addingReportingOverflow(UInt64(size))
      guard overflow || offset < Self.descriptorSize || end > symbol.size else { return }
    } else if image.fileBytes(at: VirtualAddress(address), count: UInt64(size)) != nil {
      return
    }
    report(.descriptor, "its function table is not all there", at: Self.descriptorName)
  }
}
