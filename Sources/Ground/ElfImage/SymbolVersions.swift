internal import Bytes

/// The versions of the dynamic symbols, as GNU tools write them.
///
/// The lists are followed to the entry without a successor, as the loader does: it does not count.
struct SymbolVersions {
  /// The libraries from which versions are required.
  private(set) var files: [String] = []
  private var indices: [UInt16] = []
  private var defined: [UInt16: String] = [:]
  private var needed: [UInt16: String] = [:]
  private var visited = 0

  /// Reads the version of each of `count` symbols; without a version table none has one.
  init(dynamic: [DynamicEntry], memory: MappedFile, count: UInt64) throws(FormatError) {
    let tags: [DynamicEntry.Tag] = [.versionTable, .versionDefinitions, .versionNeeds]
    guard tags.contains(where: { dynamic.value(of: $0) != nil }) else { return }
    if let table = dynamic.address(of: .versionTable) {
      var reader = try memory.reader(table, 2 * count, "the table of symbol versions")
      for _ in 0..<count { indices.append(try reader.little()) }
    }
    var names = try DynamicSymbolTable(dynamic: dynamic, memory: memory).strings()
    try readDefinitions(dynamic, memory, &names)
    try readNeeds(dynamic, memory, &names)
  }

  /// Whether a symbol has a version that is neither defined nor required: the loader would look it up
  /// beyond the end of its table.
  var hasUnknownIndex: Bool {
    indices.map { $0 & 0x7fff }.contains { $0 > 1 && defined[$0] == nil && needed[$0] == nil }
  }

  /// Returns the version of symbol `index`.
  func version(of index: Int, isDefined: Bool) -> (name: String, isDefault: Bool)? {
    guard index < indices.count else { return nil }
    let (number, isHidden) = (indices[index] & 0x7fff, indices[index] & 0x8000 != 0)
    // 0 is local, 1 is the base version: both have no name of their own.
    guard number > 1 else { return nil }
    let name = isDefined ? defined[number] ?? needed[number] : needed[number]
    return name.map { ($0, isDefined && !isHidden && defined[number] != nil) }
  }

  private mutating func readDefinitions(
    _ dynamic: [DynamicEntry], _ memory: MappedFile, _ names: inout StringTable
  ) throws(FormatError) {
    guard var address = dynamic.address(of: .versionDefinitions) else { return }
    while true {
      var reader = try memory.reader(address, 20, "a version definition")
      try step(reader)
      try reader.skip(4)
      let index = try reader.little(UInt16.self) & 0x7fff
      try reader.skip(6)
      let (auxiliary, next) = (try reader.little(UInt32.self), try reader.little(UInt32.self))
      let nameAt = VirtualAddress(
        try address.rawValue.adding(UInt64(auxiliary), at: reader.position))
      var name = try memory.reader(nameAt, 8, "the name of a version definition")
      defined[index] = try names.string(at: UInt64(try name.little(UInt32.self)))
      guard next != 0 else { return }
      address = VirtualAddress(try address.rawValue.adding(UInt64(next), at: reader.position))
    }
  }

  private mutating func readNeeds(
    _ dynamic: [DynamicEntry], _ memory: MappedFile, _ names: inout StringTable
  ) throws(FormatError) {
    guard var address = dynamic.address(of: .versionNeeds) else { return }
    while true {
      var reader = try memory.reader(address, 16, "a version requirement")
      try step(reader)
      try reader.skip(4)
      files.append(try names.string(at: UInt64(try reader.little(UInt32.self))))
      let (auxiliary, next) = (try reader.little(UInt32.self), try reader.little(UInt32.self))
      let first = try address.rawValue.adding(UInt64(auxiliary), at: reader.position)
      try readNeededNames(VirtualAddress(first), memory, &names)
      guard next != 0 else { return }
      address = VirtualAddress(try address.rawValue.adding(UInt64(next), at: reader.position))
    }
  }

  private mutating func readNeededNames(
    _ first: VirtualAddress, _ memory: MappedFile, _ names: inout StringTable
  ) throws(FormatError) {
    var address = first
    while true {
      var reader = try memory.reader(address, 16, "a required version")
      try step(reader)
      try reader.skip(6)
      let index = try reader.little(UInt16.self) & 0x7fff
      needed[index] = try names.string(at: UInt64(try reader.little(UInt32.self)))
      let next = try reader.little(UInt32.self)
      guard next != 0 else { return }
      address = VirtualAddress(try address.rawValue.adding(UInt64(next), at: reader.position))
    }
  }

  /// Counts the entries: their links may lead anywhere forward, but not for ever.
  private mutating func step(_ reader: ByteReader) throws(FormatError) {
    visited += 1
    guard visited <= ElfLimits.versions else {
      throw FormatError(
        .overLimit(
          "number of version entries", found: UInt64(visited), limit: UInt64(ElfLimits.versions)),
        at: reader.position)
    }
  }
}
