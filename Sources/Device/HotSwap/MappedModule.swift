package import CHitless
internal import Glibc
internal import Platform
package import Refusal
internal import Synchronization

/// A module that is mapped into this process and has been shown to be the one that was verified.
///
/// Dropping the last reference unmaps nothing; `SwapDomain.unload` is the only way, and asks for
/// evidence that no worker can reach the module.
///
/// Threading: any thread; nothing here is for a packet path. What the pointers point to is immutable
/// from `map` to `unmap`; the life cycle is behind `phase`.
@safe
package final class MappedModule: @unchecked Sendable {
  /// What the module says of itself, as mapped.
  package let facts: hitless_module_facts
  /// The same as bytes.
  package let factsBytes: [UInt8]
  /// The build-id, read from the mapped image.
  package let buildID: [UInt8]
  /// The n-th distinct image that was staged, from 0.
  package let ordinal: UInt32
  /// Identity in the form that hosts read; lives as long as the image is mapped.
  package let info: UnsafePointer<hitless_module_info>
  /// The function table; lives as long as the image is mapped.
  package let table: UnsafeRawPointer

  let image: LoadedImage
  let hooks: ModuleHooks
  let phase = Guarded(Phase.mapped)
  /// Who is reading the image, and whether anybody may; see `bytes(of:)`.
  let readers = Atomic<Int>(0)
  let isReadable = Atomic<Bool>(true)

  /// Where a module stands between mapping and unmapping.
  enum Phase: Sendable {
    case mapped
    /// `attach` has succeeded; the services live as long as the module may call them.
    case attached(privateData: UInt, services: HostServices)
    /// Inside `attach`. When the hook is late this is where the module stays: the hook may still run,
    /// so nothing of it may ever go away.
    case attaching
    case unmapped
  }

  /// Maps the sealed file behind `descriptor` and compares what is mapped with what was verified.
  ///
  /// Not one instruction of the module runs. The descriptor stays the caller's; the module keeps its
  /// own for as long as it is mapped. Blocks on the dynamic loader.
  package static func map(
    descriptor: Int32, expecting expected: ModuleExpectation, ordinal: UInt32
  ) throws(Refusal) -> MappedModule {
    let image = try LoadedImage.map(descriptor)
    do throws(Refusal) {
      return try MappedModule(image, expecting: expected, ordinal: ordinal)
    } catch {
      // Nobody has seen a pointer into it yet. If the loader keeps it, it keeps its name as well.
      try? image.unmap()
      throw error
    }
  }

  private init(
    _ image: LoadedImage, expecting expected: ModuleExpectation, ordinal: UInt32
  ) throws(Refusal) {
    let checked = try CheckedDescriptor(image, expecting: expected)
    self.image = image
    self.ordinal = ordinal
    facts = checked.facts
    factsBytes = expected.facts
    buildID = expected.buildID
    hooks = checked.hooks
    unsafe table = checked.table
    let info = UnsafeMutablePointer<hitless_module_info>.allocate(capacity: 1)
    unsafe info.initialize(to: hitless_module_info())
    unsafe info.pointee.size = UInt32(MemoryLayout<hitless_module_info>.size)
    unsafe info.pointee.ordinal = ordinal
    unsafe info.pointee.build_id_size = UInt32(expected.buildID.count)
    unsafe withUnsafeMutableBytes(of: &info.pointee.build_id) { field in
      // The check bounded the build-id by the field.
      unsafe field.copyBytes(from: expected.buildID)
    }
    unsafe info.pointee.facts = checked.facts
    let code = image.layout.code
    unsafe info.pointee.code_address = UInt64(code.lowerBound)
    unsafe info.pointee.code_size = UInt64(code.count)
    unsafe self.info = UnsafePointer(info)
  }

  deinit {
    // A module that nobody has withdrawn keeps its identity: a hook of it that is late may still name it.
    guard case .unmapped = phase.withLock({ $0 }) else { return }
    unsafe info.deallocate()
  }
}

extension MappedModule {
  /// Where `address` lies in the module's file, as tools and symbol tables number it; nil outside of it.
  package func place(of address: UInt64) -> UInt64? {
    guard let address = UInt(exactly: address),
      image.layout.segments.contains(where: { $0.addresses.contains(address) })
    else { return nil }
    return UInt64(address - image.layout.bias)
  }

  /// The module's name.
  package var name: String {
    let bytes = unsafe withUnsafeBytes(of: facts.name) { unsafe Array($0.prefix { $0 != 0 }) }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// major.minor.patch.
  package var version: String {
    "\(facts.version_major).\(facts.version_minor).\(facts.version_patch)"
  }
}
