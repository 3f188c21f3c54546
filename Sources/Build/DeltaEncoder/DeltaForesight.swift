internal import CodeReferences

/// What the coder knows of a pair of files, and why it does not know more.
package struct DeltaForesight: Sendable {
  /// How much is known.
  package enum Extent: String, Sendable {
    /// Nothing: the target is coded as plain bytes.
    case bytes
    /// Headers and sections, but none of the base's addresses.
    case frame
    /// Tables as well, but no instructions.
    case tables
    /// Instructions as well.
    case code
  }

  /// How much is known.
  package let extent: Extent
  /// The target's machine by the usual name, or nil where the target is no ELF file.
  package let machine: String?
  /// Why there is no more to it, in words for people; nil when there is.
  package let reason: String?

  /// Looks at the headers of both files.
  package init(base: [UInt8], target: [UInt8]) {
    let old = ElfLayout(base.span)
    let new = ElfLayout(target.span)
    machine = new.map { Self.name($0.machine) }
    guard let new else {
      extent = .bytes
      reason = "the new file is \(Self.lack(target))"
      return
    }
    guard let old else {
      extent = .frame
      reason = "the old file is \(Self.lack(base))"
      return
    }
    guard old.machine == new.machine else {
      extent = .frame
      reason =
        "the files are for different machines, \(Self.name(old.machine)) and "
        + Self.name(new.machine)
      return
    }
    let isKnown = new.machine == Self.machineX86 || WordCode(machine: new.machine) != nil
    extent = isKnown ? .code : .tables
    reason = isKnown ? nil : "the instructions of \(Self.name(new.machine)) are not known"
  }

  /// `EM_X86_64`.
  private static let machineX86: UInt16 = 62

  private static func name(_ machine: UInt16) -> String {
    let known: [UInt16: String] = [
      62: "x86-64", 183: "aarch64", 243: "riscv64", 258: "loongarch64",
    ]
    return known[machine] ?? "e_machine \(machine)"
  }

  /// What `bytes` are that have no layout.
  private static func lack(_ bytes: [UInt8]) -> String {
    guard bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46]) else { return "no ELF file" }
    guard bytes.count > 5, bytes[4] == 2, bytes[5] == 1 else {
      return "an ELF file, but not one of 64 bits and little-endian"
    }
    return "an ELF file whose header tables are cut off, damaged or longer than the coder follows"
  }
}
