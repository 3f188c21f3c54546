internal import Bytes
internal import CHitless
internal import Refusal

/// The hooks of a module; each may be missing.
///
/// Threading: immutable; who calls a hook keeps the image mapped.
@safe
struct ModuleHooks: @unchecked Sendable {
  typealias Attach =
    @convention(c) (
      UnsafePointer<hitless_host_services>?, UnsafeMutableRawPointer?,
      UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> Int32
  typealias Detach = @convention(c) (UnsafeMutableRawPointer?) -> Void
  typealias Selftest =
    @convention(c) (
      UnsafePointer<hitless_host_services>?, UnsafePointer<hitless_selftest_vectors>?
    ) -> Int32

  typealias Migrate =
    @convention(c) (UnsafeRawPointer?, UInt32, UnsafeMutableRawPointer?, UInt32) -> Int32

  let attach: Attach?
  let detach: Detach?
  let migrate: Migrate?
  let selftest: Selftest?
}

/// The one exported object of a mapped image, with every pointer in it shown to lie in that image.
///
/// The image was linted as a file; this is the last look at what the loader made of it. `table` lies in
/// the image and lives as long as that is mapped.
@safe
struct CheckedDescriptor {
  let facts: hitless_module_facts
  let hooks: ModuleHooks
  let table: UnsafeRawPointer

  init(_ image: LoadedImage, expecting expected: ModuleExpectation) throws(Refusal) {
    try Self.compareNotes(image, expected)
    let size = unsafe MemoryLayout<hitless_module>.size
    guard let address = image.address(of: "hitless_module", size: size),
      address.isMultiple(of: UInt(unsafe MemoryLayout<hitless_module>.alignment)),
      // SAFETY: the address was just shown to have `size` readable bytes, aligned.
      let pointer = unsafe UnsafePointer<hitless_module>(bitPattern: address)
    else {
      throw Refusal(
        .badELF, "the module exports no object 'hitless_module'", at: "hitless_module",
        hint: "define it with HITLESS_EXPORT and list it in the version script")
    }
    let module = unsafe pointer.pointee
    try unsafe Self.checkVersions(module)
    guard image.layout.bytes(at: Self.factsRange(address)) == expected.facts else {
      throw Refusal(
        .badELF, "the module's descriptor and its note disagree", at: "hitless_module.facts",
        hint: "initialise both from the same constant")
    }
    facts = unsafe module.facts
    unsafe table = try Self.table(of: module, at: address, in: image.layout)
    hooks = try unsafe Self.hooks(of: module, in: image.layout)
  }

  /// What is mapped must be what was verified: the loader answers by name and inode, not by content.
  private static func compareNotes(
    _ image: LoadedImage, _ expected: ModuleExpectation
  ) throws(Refusal) {
    let notes: ImageNotes
    do {
      notes = try ImageNotes(image.layout)
    } catch {
      throw Refusal(.badELF, "the notes of the mapped image: \(error)")
    }
    guard notes.buildID == expected.buildID else {
      throw Refusal(
        .race, "the mapped image is not the one that was verified",
        expected: "build-id \(expected.buildID.hex)",
        found: notes.buildID.map { "build-id \($0.hex)" } ?? "no build-id", at: "NT_GNU_BUILD_ID")
    }
    guard notes.facts == expected.facts else {
      throw Refusal(
        .race, "the facts of the mapped image are not the ones that were verified",
        expected: expected.facts.hex, found: notes.facts?.hex ?? "no note", at: ".note.hitless")
    }
    guard expected.facts.count == MemoryLayout<hitless_module_facts>.size else {
      throw Refusal(
        .badELF, "the module's note has another size than this contract's",
        expected: "\(MemoryLayout<hitless_module_facts>.size) bytes",
        found: "\(expected.facts.count) bytes", at: ".note.hitless")
    }
    let room = MemoryLayout.size(ofValue: hitless_module_info().build_id)
    guard !expected.buildID.isEmpty, expected.buildID.count <= room else {
      throw Refusal(
        .badELF, "the build-id has an unusual size", expected: "1 to \(room) bytes",
        found: "\(expected.buildID.count) bytes", at: "NT_GNU_BUILD_ID")
    }
  }

  private static func checkVersions(_ module: hitless_module) throws(Refusal) {
    let size = UInt32(unsafe MemoryLayout<hitless_module>.size)
    guard unsafe module.abi_version == HITLESS_ABI_VERSION,
      unsafe module.facts.abi_version == HITLESS_ABI_VERSION
    else {
      throw Refusal(
        .notForTarget, "the module is built for another version of the contract",
        expected: "ABI \(HITLESS_ABI_VERSION)", found: "ABI \(unsafe module.abi_version)",
        at: "hitless_module.abi_version")
    }
    guard unsafe module.size >= size else {
      throw Refusal(
        .badELF, "the module's descriptor is too small", expected: "at least \(size) bytes",
        found: "\(unsafe module.size) bytes", at: "hitless_module.size")
    }
    guard unsafe module.facts.state_count <= UInt32(HITLESS_STATE_MAX) else {
      throw Refusal(
        .limit, "the module names too many kinds of state", expected: "\(HITLESS_STATE_MAX)",
        found: "\(unsafe module.facts.state_count)", at: "hitless_module.facts.state_count")
    }
  }

  private static func factsRange(_ address: UInt) -> Range<UInt> {
    let offset = unsafe MemoryLayout<hitless_module>.offset(of: \.facts) ?? 0
    let start = address + UInt(offset)
    return start..<start + UInt(MemoryLayout<hitless_module_facts>.size)
  }

  private static func table(
    of module: hitless_module, at address: UInt, in layout: ImageLayout
  ) throws(Refusal) -> UnsafeRawPointer {
    let size = UInt(unsafe module.facts.table_size)
    var (start, overflow) = (UInt(bitPattern: unsafe module.table), false)
    if start == 0 {
      (start, overflow) = address.addingReportingOverflow(UInt(unsafe module.table_offset))
    }
    let (end, past) = start.addingReportingOverflow(size)
    guard !overflow, !past, size > 0, layout.isReadable(start..<end),
      start.isMultiple(of: UInt(MemoryLayout<UInt>.alignment)),
      // SAFETY: the range was just shown to lie in the image.
      let table = unsafe UnsafeRawPointer(bitPattern: start)
    else {
      throw Refusal(
        .badELF, "the function table does not lie in the module", at: "hitless_module.table")
    }
    return unsafe table
  }

  private static func hooks(
    of module: hitless_module, in layout: ImageLayout
  ) throws(Refusal) -> ModuleHooks {
    let hooks: [(String, UInt)] = [
      ("attach", unsafe unsafeBitCast(module.attach, to: UInt.self)),
      ("detach", unsafe unsafeBitCast(module.detach, to: UInt.self)),
      ("migrate", unsafe unsafeBitCast(module.migrate, to: UInt.self)),
      ("selftest", unsafe unsafeBitCast(module.selftest, to: UInt.self)),
    ]
    for (name, address) in hooks where address != 0 && !layout.isCode(address) {
      throw Refusal(
        .badELF, "the hook '\(name)' is not code of the module", at: "hitless_module.\(name)")
    }
    return unsafe ModuleHooks(
      attach: module.attach, detach: module.detach, migrate: module.migrate,
      selftest: module.selftest)
  }
}
