package import Bytes

/// One change that the loader makes to the mapped image.
package struct Relocation: Equatable, Sendable {
  /// Where.
  package let place: VirtualAddress
  /// What, as a number of the machine's own.
  package let type: UInt32
  /// Index of the dynamic symbol it refers to; 0 is none.
  package let symbol: UInt32
  /// What is added; nil when it stands at the place.
  package let addend: Int64?
}

/// Reads the relocations through the dynamic tags, as the loader does.
struct RelocationTables {
  let dynamic: [DynamicEntry]
  let memory: MappedFile
  /// The type of packed relative relocations.
  static let relativeType: [ElfMachine: UInt32] = [
    .x8664: 8, .aarch64: 1027, .riscv: 3, .loongArch: 3,
  ]

  /// Calls `body` for every relocation with an addend; RELR ones refer to no symbol.
  func visit(_ body: (Relocation) throws(FormatError) -> Void) throws(FormatError) {
    if dynamic.value(of: .rel) != nil {
      throw FormatError(.unsupported("relocations without addends"), at: memory.bytes.count)
    }
    for (table, size) in [(Tag.rela, Tag.relaSize), (.pltRelocations, .pltRelocationsSize)] {
      guard let address = dynamic.address(of: table) else { continue }
      let count = dynamic.value(of: size) ?? 0
      guard count % 24 == 0 else {
        throw FormatError(.illegal("the size of a relocation table"), at: memory.bytes.count)
      }
      var reader = try memory.reader(address, count, "a relocation table")
      while reader.remaining > 0 {
        let place = VirtualAddress(try reader.little())
        let info = try reader.little(UInt64.self)
        let addend = Int64(bitPattern: try reader.little())
        try body(
          Relocation(
            place: place, type: UInt32(truncatingIfNeeded: info), symbol: UInt32(info >> 32),
            addend: addend))
      }
    }
  }

  /// Calls `body` with the place of every packed relative relocation.
  ///
  /// Complexity: 63 places for eight bytes of the file at most.
  func visitPacked(_ body: (VirtualAddress) throws(FormatError) -> Void) throws(FormatError) {
    guard let address = dynamic.address(of: .relr) else { return }
    let size = dynamic.value(of: .relrSize) ?? 0
    guard size % 8 == 0 else {
      throw FormatError(.illegal("the size of a relocation table"), at: memory.bytes.count)
    }
    var reader = try memory.reader(address, size, "the packed relocations")
    var next: UInt64 = 0
    while reader.remaining > 0 {
      let word = try reader.little(UInt64.self)
      if word & 1 == 0 {
        try body(VirtualAddress(word))
        next = word &+ 8
      } else {
        for bit in 0..<UInt64(63) where word >> (bit + 1) & 1 == 1 {
          try body(VirtualAddress(next &+ 8 &* bit))
        }
        next = next &+ 8 * 63
      }
    }
  }

  private typealias Tag = DynamicEntry.Tag
}

extension ElfImage {
  /// Calls `body` for every relocation, packed ones included.
  package func visitRelocations(
    _ body: (Relocation) throws(FormatError) -> Void
  ) throws(FormatError) {
    let memory = MappedFile(bytes: bytes, segments: programHeaders)
    let tables = RelocationTables(dynamic: dynamic, memory: memory)
    try tables.visit(body)
    let relative = RelocationTables.relativeType[header.machine] ?? 0
    try tables.visitPacked { place throws(FormatError) in
      try body(Relocation(place: place, type: relative, symbol: 0, addend: nil))
    }
  }
}
