package import Bytes

/// The hooks of `struct hitless_module`; each may be missing.
package enum ModuleHook: UInt64, CaseIterable, Sendable {
  case attach = 120
  case detach = 128
  case migrate = 136
  case selftest = 144
}

extension ElfImage {
  /// Whether the module has the hook: whether the loader puts an address into its field of the descriptor.
  package func has(_ hook: ModuleHook) throws(FormatError) -> Bool {
    guard
      let descriptor = symbols.first(where: { $0.isDefined && $0.name == "hitless_module" })
    else { return false }
    let (field, overflow) = descriptor.value.rawValue.addingReportingOverflow(hook.rawValue)
    guard !overflow else { return false }
    var isFilled = false
    try visitRelocations { relocation in
      if relocation.place.rawValue == field { isFilled = true }
    }
    return isFilled
  }
}
