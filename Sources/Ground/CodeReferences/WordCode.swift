/// Code of fixed-width words (RISC-V: and of half words): which words hold addresses, and how.
///
/// Everything here is part of the format (docs/format.md, "Fields"): it depends on nothing but the
/// bytes of one section, and on no more than `reach` of them on either side of a byte.
package struct WordCode: Sendable {
  /// The instruction sets that are known.
  package enum Machine: Sendable { case arm, loong, risc }
  /// Whose words these are.
  package let machine: Machine

  /// Whether words are those of AArch64.
  package var isArm: Bool { machine == .arm }

  /// How far apart the halves of an address pair may stand, in bytes.
  package static let pairReach = 1024
  /// How far away from a byte the bytes may stand that decide what it is.
  package static let reach = pairReach + RiscVSweep.block + RiscVSweep.approach

  /// Creates the code of an ELF `e_machine`, or nil if it is not known here.
  package init?(machine: UInt16) {
    switch machine {
    case 183: self.machine = .arm
    case 258: self.machine = .loong
    case 243: self.machine = .risc
    default: return nil
    }
  }

  /// Marks the bytes of `window`, which are file offsets inside `section`, an executable section.
  ///
  /// `kinds[i]` is for offset `window.lowerBound + i`. A word has its kind on all its bytes, with
  /// `ByteKind.start` and `ByteKind.first` on the first. Words stand at file offsets that are
  /// multiples of four (RISC-V: of two); the bytes of a section that are in no whole word are
  /// `.bad`, each a start. `partners` has an entry for every four aligned bytes that the window
  /// touches: the distance in bytes from the word that begins in them to its partner, 0 if it has
  /// none. (No two words of four bytes begin in the same four bytes, and half words have no
  /// partner: so one entry is enough for RISC-V too.) A page instruction's partner is the first
  /// instruction that completes its address; all that complete it have it as their partner.
  ///
  /// What a byte becomes does not depend on where the window begins or ends. Bytes outside the
  /// section or the file, and entries beyond the ends of the spans, are left alone.
  ///
  /// - Complexity: O(count of the window + `reach`).
  package func mark(
    _ bytes: Span<UInt8>, section: Range<Int>, window: Range<Int>,
    kinds: inout MutableSpan<UInt8>, partners: inout MutableSpan<Int16>
  ) {
    guard let view = WordView(bytes, section: section, window: window) else { return }
    switch machine {
    case .arm: view.sweep(ArmWord.self, bytes, &kinds, &partners)
    case .loong: view.sweep(LoongArchWord.self, bytes, &kinds, &partners)
    case .risc:
      var sweep = RiscVSweep(view)
      sweep.mark(bytes, &kinds, &partners)
    }
  }

  /// Whether words of this kind complete the address of a page, on machines where that may be the
  /// address of a jump table: compilers for AArch64 make other ones.
  @inline(__always)
  func completesAddress(_ kind: ByteKind) -> Bool {
    kind == .loongLow12 || kind == .loongRelativeLow12 || kind == .riscLow12I
  }

  /// Whether a word that completes an address takes it (ADDI.D, ADDI) and does not look at what is
  /// there.
  @inline(__always)
  func takesAddress(_ word: UInt32) -> Bool {
    machine == .loong ? word >> 22 == 0x0b : word & 0x707f == 0x13
  }

  /// The address that a reference word names.
  ///
  /// `place` is its own address; `partner` is its partner's word (0 if it has none) and
  /// `partnerPlace` that one's address. For a page instruction this is its partner's address in
  /// full, or where the page begins if it has no partner. Kinds that are no word with an address
  /// name `place`.
  package static func target(
    _ kind: ByteKind, word: UInt32, place: UInt64, partner: UInt32, partnerPlace: UInt64
  ) -> UInt64 {
    switch kind.plain {
    case .armBranch26, .armBranch19, .armBranch14, .armADR, .armADRP, .armLow12:
      ArmWord.target(
        kind.plain, word: word, place: place, partner: partner, partnerPlace: partnerPlace)
    case .loongBranch26, .loongBranch21, .loongBranch16, .loongPage, .loongLow12, .loongCall,
      .loongPCAddI, .loongCallEnd, .loongRelativePage, .loongRelativeLow12:
      LoongArchWord.target(
        kind.plain, word: word, place: place, partner: partner, partnerPlace: partnerPlace)
    case .riscJump, .riscBranch, .riscPage, .riscLow12I, .riscLow12S, .riscCompressedJump,
      .riscCompressedBranch:
      RiscVWord.target(
        kind.plain, word: word, place: place, partner: partner, partnerPlace: partnerPlace)
    default: place
    }
  }

  /// `old` with its address field made to name `target` from `place`, or nil where it does not
  /// reach or where the address is not aligned as the field needs.
  ///
  /// `partnerPlace` is the address of the page instruction where the low half counts from there
  /// (`riscLow12I`, `riscLow12S`, `loongCallEnd`, `loongRelativeLow12`); others do not look at it.
  /// For every word that `mark` finds, `word(kind, old: w, target: target(kind, w, …), …)` is `w`.
  package static func word(
    _ kind: ByteKind, old: UInt32, target: UInt64, place: UInt64, partnerPlace: UInt64
  ) -> UInt32? {
    switch kind.plain {
    case .armBranch26, .armBranch19, .armBranch14, .armADR, .armADRP, .armLow12:
      ArmWord.word(kind.plain, old: old, target: target, place: place)
    case .loongBranch26, .loongBranch21, .loongBranch16, .loongPage, .loongLow12, .loongCall,
      .loongPCAddI, .loongCallEnd, .loongRelativePage, .loongRelativeLow12:
      LoongArchWord.word(
        kind.plain, old: old, target: target, place: place, partnerPlace: partnerPlace)
    case .riscJump, .riscBranch, .riscPage, .riscLow12I, .riscLow12S, .riscCompressedJump,
      .riscCompressedBranch:
      RiscVWord.word(
        kind.plain, old: old, target: target, place: place, partnerPlace: partnerPlace)
    default: nil
    }
  }

  /// `word` with every address field cleared: what code looks like when addresses do not count.
  ///
  /// Depends on the word alone, so the fields of page instructions are always cleared and those of
  /// the instructions that complete an address never. A half word is passed zero-extended.
  package func masked(_ word: UInt32) -> UInt32 {
    switch machine {
    case .arm: ArmWord.masked(word)
    case .loong: LoongArchWord.masked(word)
    case .risc: RiscVWord.masked(word)
    }
  }

  /// How many classes of instructions there can be.
  package static let classCount = 1 << 17

  /// A number below `classCount` that says which instruction a word is.
  ///
  /// It is made of the bits of the opcode, without registers and immediates. A half word is passed
  /// zero-extended.
  package func instructionClass(_ word: UInt32) -> Int {
    switch machine {
    case .arm: ArmWord.instructionClass(word)
    case .loong: LoongArchWord.instructionClass(word)
    case .risc: RiscVWord.instructionClass(word)
    }
  }
}
