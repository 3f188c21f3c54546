import CHitless
import Glibc
import TestSupport
import Testing

/// A version of a module, mapped into the test process and never unmapped.
@safe
final class LoadedModule: Sendable {
  private let descriptor: UInt

  /// Maps one version of a module.
  init(_ name: String, _ version: String) throws {
    let path = try BuiltModules.path(name, version)
    // SAFETY: the path is NUL-terminated for the call; the image stays mapped.
    let handle = try unsafe #require(dlopen(path, RTLD_NOW | RTLD_LOCAL), "\(path)")
    let symbol = try unsafe #require(dlsym(handle, "hitless_module"))
    descriptor = UInt(bitPattern: symbol)
  }

  /// What the module exports.
  var module: hitless_module {
    // SAFETY: the lint has passed on the file, so the symbol is this struct, and it stays mapped.
    unsafe pointer.pointee
  }

  private var pointer: UnsafePointer<hitless_module> {
    // SAFETY: the address came from the loader and is not null.
    unsafe UnsafePointer(bitPattern: descriptor).unsafelyUnwrapped
  }

  /// Calls `body` with the function table, which is there by address or by offset.
  func withTable<Table, Result>(_: Table.Type, _ body: (Table) -> Result) -> Result {
    // SAFETY: as for `module`; the interface says which table it is.
    unsafe body(
      (module.table ?? UnsafeRawPointer(pointer) + Int(module.table_offset))
        .assumingMemoryBound(to: Table.self).pointee)
  }

  /// Runs the module's selftest, with so many vectors.
  func selftest(vectors count: UInt32 = 0) -> Int32? {
    // SAFETY: the module looks at nothing but the count.
    var vectors = unsafe hitless_selftest_vectors(size: 16, count: count, vectors: nil)
    return unsafe module.selftest.map { unsafe $0(nil, &vectors) }
  }
}
