import CodeReferences
import Foundation
import TestSupport

/// What GNU objdump says of the executable sections of a file, and how far we agree.
struct X86Judge {
  /// A section of instructions, as `Judges/x86_lengths.py` writes it.
  struct Section {
    let offset: Int
    let address: UInt64
    let size: Int
    let records: [Record]
  }

  /// An instruction that objdump sees.
  struct Record {
    var offset: Int
    var count: Int
    let isBad: Bool
    /// The address that objdump works out of a field relative to the end of the instruction.
    let reference: UInt64?
  }

  /// How often we said the same, and examples of each way of saying something else.
  struct Verdict {
    var instructions = 0
    var agreed = 0
    var differences: [String: Int] = [:]
    var examples: [String: [String]] = [:]

    mutating func differ(_ way: String, _ bytes: ArraySlice<UInt8>, at address: UInt64) {
      differences[way, default: 0] += 1
      guard examples[way, default: []].count < 20 else { return }
      let hex = bytes.map { String(format: "%02x", $0) }.joined(separator: " ")
      examples[way, default: []].append("\(String(address, radix: 16)): \(hex)")
    }
  }

  /// The difference that we take for an instruction what objdump says is none.
  static let unassigned = "bad for objdump"

  let bytes: [UInt8]
  let sections: [Section]

  /// Asks objdump about the first `most` bytes of each section of instructions of `path`.
  init(_ path: String, most: Int = .max) throws {
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Judges/x86_lengths.py").path
    let scratch = try TemporaryDirectory()
    let asked = try run(script, [path, scratch.path("records"), "\(most)"])
    guard asked.status == 0 else { throw Failure(description: asked.errors) }
    bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    sections = Self.sections(try scratch.bytes("records"))
  }

  /// The first `most` bytes of `.text` of `path`, as objdump's section headers place it.
  static func code(of path: String, most: Int) throws -> [UInt8] {
    let headers = try run("/usr/bin/objdump", ["-h", "-w", "-j", ".text", path])
    let fields = headers.output.split(separator: "\n").first { $0.contains(" .text ") }?
      .split(separator: " ")
    guard let fields, fields.count > 5, let size = Int(fields[2], radix: 16),
      let offset = Int(fields[5], radix: 16)
    else { throw Failure(description: headers.errors) }
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    return Array(bytes[offset..<min(offset + min(size, most), bytes.count)])
  }

  struct Failure: Error, CustomStringConvertible { let description: String }

  private static func sections(_ bytes: [UInt8]) -> [Section] {
    var sections: [Section] = []
    var position = 0
    func number(_ at: Int, _ size: Int) -> UInt64 {
      (0..<size).reduce(0) { $0 | UInt64(bytes[at + $1]) << (8 * UInt64($1)) }
    }
    while position < bytes.count {
      let count = Int(number(position + 24, 8))
      let first = position + 32
      let records = (0..<count).map { index in
        let at = first + 16 * index
        let flags = bytes[at + 5]
        return Record(
          offset: Int(number(at, 4)), count: Int(bytes[at + 4]), isBad: flags & 1 != 0,
          reference: flags & 2 != 0 ? number(at + 8, 8) : nil)
      }
      sections.append(
        Section(
          offset: Int(number(position, 8)), address: number(position + 8, 8),
          size: Int(number(position + 16, 8)), records: records))
      position = first + 16 * count
    }
    return sections
  }

  /// Sweeps each section and compares.
  func verdict() -> Verdict {
    var verdict = Verdict()
    for section in sections { compare(section, &verdict) }
    return verdict
  }

  private func compare(_ section: Section, _ verdict: inout Verdict) {
    let end = section.offset + section.size
    var ours = section.offset
    for var record in section.records {
      verdict.instructions += 1
      // We have begun an instruction before this one and are not at its end.
      if ours > section.offset + record.offset { continue }
      record.count -= skipWait(&ours, &record, section)
      while ours < section.offset + record.offset + record.count {
        let instruction = X86Instruction(bytes.span, at: ours, end: end)
        if ours == section.offset + record.offset {
          judge(instruction, ours, record, section, &verdict)
        }
        ours += instruction.count
      }
    }
  }

  /// Objdump counts FWAIT (9B) to the x87 instruction behind it, as old assemblers did.
  private func skipWait(_ ours: inout Int, _ record: inout Record, _ section: Section) -> Int {
    guard ours == section.offset + record.offset, record.count > 1, bytes[ours] == 0x9b else {
      return 0
    }
    ours += 1
    record.offset += 1
    return 1
  }

  private func judge(
    _ instruction: X86Instruction, _ ours: Int, _ record: Record, _ section: Section,
    _ verdict: inout Verdict
  ) {
    let address = section.address &+ UInt64(ours - section.offset)
    let shown = bytes[ours..<min(ours + max(record.count, instruction.count), bytes.count)]
    if instruction.isBad || record.isBad {
      if instruction.isBad && record.isBad {
        verdict.agreed += 1
      } else {
        verdict.differ(instruction.isBad ? "bad for us" : Self.unassigned, shown, at: address)
      }
    } else if instruction.count != record.count {
      verdict.differ("length", shown, at: address)
    } else if meant(instruction, ours, address) != record.reference {
      verdict.differ("reference", shown, at: address)
    } else {
      verdict.agreed += 1
    }
  }

  /// The address that the reference of an instruction means.
  private func meant(_ instruction: X86Instruction, _ ours: Int, _ address: UInt64) -> UInt64? {
    let size: Int
    switch instruction.reference {
    case .none: return nil
    case .relative8: size = 1
    default: size = 4
    }
    let field = ours + instruction.referenceOffset
    let value = (0..<size).reduce(0 as UInt64) {
      $0 | UInt64(bytes[field + $1]) << (8 * UInt64($1))
    }
    let shift = UInt64(64 - 8 * size)
    let signed = Int64(bitPattern: value << shift) >> Int64(shift)
    return address &+ UInt64(instruction.count) &+ UInt64(bitPattern: signed)
  }
}
