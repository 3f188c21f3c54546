internal import ElfImage

/// Finds the sections of code and constants whose bytes differ.
///
/// What a linker derives from the rest (symbols, relocations, unwind tables, notes, the dynamic
/// section) follows every change and tells nothing. A module without section headers is compared by
/// its loaded segments.
enum SectionComparison {
  static func changes(from base: ElfImage, to target: ElfImage) -> [ModuleChange.Section] {
    let (old, new) = (contents(of: base), contents(of: target))
    return Set(old.keys).union(new.keys).sorted().compactMap { name in
      guard old[name] != new[name] else { return nil }
      return ModuleChange.Section(
        name: name, baseSize: size(old[name]), targetSize: size(new[name]))
    }
  }

  private static func size(_ parts: [[UInt8]]?) -> UInt64 {
    UInt64((parts ?? []).reduce(0) { $0 + $1.count })
  }

  /// The bytes of each section that counts, by name; a name may occur several times.
  private static func contents(of image: ElfImage) -> [String: [[UInt8]]] {
    var contents: [String: [[UInt8]]] = [:]
    for section in image.sections where counts(section) {
      var bytes = bytes(at: section.offset, count: section.size, of: image)
      clearFacts(in: &bytes, of: section, image)
      contents[section.name, default: []].append(bytes)
    }
    guard !image.sections.contains(where: { $0.isAllocated }) else { return contents }
    for segment in image.programHeaders where segment.kind == .load {
      contents["a segment without section headers", default: []].append(
        bytes(at: segment.offset, count: segment.fileSize, of: image))
    }
    return contents
  }

  /// Blanks the facts inside the descriptor: they differ in the version at least, and are compared by
  /// their meaning.
  private static func clearFacts(
    in bytes: inout [UInt8], of section: ElfSection, _ image: ElfImage
  ) {
    guard let descriptor = image.symbols.first(where: { $0.name == "hitless_module" }),
      descriptor.value.rawValue >= section.address.rawValue
    else { return }
    let size = UInt64(bytes.count)
    let start = min(descriptor.value.rawValue - section.address.rawValue, size)
    let facts = min(start + factsOffset, size)..<min(start + factsOffset + factsSize, size)
    for index in facts { bytes[Int(index)] = 0 }
  }

  /// Where `struct hitless_module` holds its facts.
  private static let factsOffset: UInt64 = 8
  private static let factsSize = UInt64(ModuleFacts.byteCount)

  private static func counts(_ section: ElfSection) -> Bool {
    guard section.isAllocated, section.kind == .programBits || section.kind == .noBits else {
      return false
    }
    let derived = [".eh_frame", ".eh_frame_hdr", ".plt", ".got", ".interp"]
    return !derived.contains { section.name == $0 || section.name.hasPrefix($0 + ".") }
  }

  /// What of the range lies inside the file; a section without bytes counts by its size.
  private static func bytes(at offset: UInt64, count: UInt64, of image: ElfImage) -> [UInt8] {
    let size = UInt64(image.bytes.count)
    let start = min(offset, size)
    let end = min(start + min(count, size), size)
    return Array(image.bytes[Int(start)..<Int(end)])
  }
}
