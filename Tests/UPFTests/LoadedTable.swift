import CHitless
import Glibc
import TestSupport
import Testing

/// The function table of a built module, mapped into the test process and never unmapped.
@safe
struct LoadedTable: @unchecked Sendable {
  let pointer: UnsafeRawPointer

  init(_ name: String, _ version: String) throws {
    let path = try BuiltModules.path(name, version)
    // SAFETY: the path is NUL-terminated for the call; the symbol is the one every module exports.
    let handle = try unsafe #require(dlopen(path, RTLD_NOW | RTLD_LOCAL), "\(path)")
    let symbol = try unsafe #require(dlsym(handle, "hitless_module"))
    let module = unsafe symbol.assumingMemoryBound(to: hitless_module.self)
    unsafe pointer =
      module.pointee.table ?? UnsafeRawPointer(symbol) + Int(module.pointee.table_offset)
  }
}
