internal import Bytes
internal import PatchFormat
internal import Refusal

extension Forge {
  /// Attacks on the container (rows 1 to 9 of the refusals): what a carrier without a key can do.
  package func containerCases() throws -> [AttackCase] {
    let file = try honest
    var cases = [
      AttackCase("honest patch", file, nil),
      AttackCase("empty file", [], .format),
      AttackCase("one byte", Array(file.prefix(1)), .format),
      AttackCase("only the header", Array(file.prefix(20)), .format),
      AttackCase("cut in the middle", Array(file.prefix(file.count / 2)), .format),
      AttackCase("cut by one byte", Array(file.dropLast()), .format),
      AttackCase("one byte too many", file + [0], .format),
      AttackCase("two patches in one file", file + file, .format),
      AttackCase("magic with one bit flipped", replacing(file, at: 0, [0x49]), .format),
      AttackCase(
        "magic in the other byte order", replacing(file, at: 0, Array("1PLH".utf8)), .format),
      AttackCase("reserved field that is not zero", replacing(file, at: 6, [1]), .format),
      AttackCase("an empty envelope", replacing(file, at: 8, [0, 0, 0, 0]), .format),
    ]
    for (version, bytes) in [("0", [0, 0]), ("2", [2, 0]), ("65535", [255, 255])]
      as [(String, [UInt8])]
    {
      cases.append(AttackCase("version \(version)", replacing(file, at: 4, bytes), .unsupported))
    }
    for size in [UInt32(PatchLimits.envelopeSize) + 1, 1 << 31, UInt32.max] {
      cases.append(
        AttackCase("envelope of \(size) bytes", replacing(file, at: 8, little(size)), .limit))
    }
    let whole = UInt32(file.count)
    cases.append(
      AttackCase("envelope as large as the file", replacing(file, at: 8, little(whole)), .format))
    for size in [PatchLimits.deltaSize + 1, 1 << 63, UInt64.max, UInt64.max - 20] {
      cases.append(
        AttackCase("blobs of \(size) bytes", replacing(file, at: 12, little(size)), .limit))
    }
    return cases
  }

  /// Parts of the file against each other (row 7), signed by the trusted key.
  package func layoutCases() throws -> [AttackCase] {

    let both = try file(
      replacing: 10, with: .array([Self.map(try componentFields), componentFieldsOfAnotherModule]))
    return [
      AttackCase("a blob that no component describes", try file(blobs: [delta, [1]]), .format),
      AttackCase("a blob that is cut", try file(blobs: [Array(delta.dropLast())]), .format),
      AttackCase("no blob at all", try file(blobs: []), .format),
      AttackCase("two components and one blob", both, .format),
      AttackCase("a blob exchanged", try file(blobs: [delta.map { $0 ^ 1 }]), .integrity),
    ]
  }

  private var componentFieldsOfAnotherModule: CBOR {
    var fields = (try? componentFields) ?? [:]
    fields[2] = .text("another")
    return Self.map(fields)
  }

  private func file(blobs: [[UInt8]]) throws -> [UInt8] {
    try file(payload: manifest.encoded, blobs: blobs)
  }

  func replacing(_ file: [UInt8], at offset: Int, _ bytes: [UInt8]) -> [UInt8] {
    var changed = file
    changed.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    return changed
  }

  private func little<T: FixedWidthInteger & UnsignedInteger>(_ value: T) -> [UInt8] {
    var writer = ByteWriter()
    writer.little(value)
    return writer.bytes
  }
}
