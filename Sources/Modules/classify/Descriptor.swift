// The module's description of itself, twice: in the note and in the one exported symbol
// (hitless/module.h). Global data that needs no code at load time can only be spelled in literals, so
// what the headers give names to stands here as numbers; `hitless lint` compares the two copies.

/// Hooks and functions are C function pointers; the table lies inside the exported object, because the
/// address of another global is no literal either.
private typealias Selftest =
  @convention(c) (
    UnsafePointer<hitless_host_services>?, UnsafePointer<hitless_selftest_vectors>?
  ) -> Int32
private typealias Process =
  @convention(c) (UnsafePointer<upf_pdr_tables>?, UnsafeMutablePointer<upf_batch>?) -> Void
private typealias Number4 = (UInt32, UInt32, UInt32, UInt32)
private typealias Number8 = (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32)

/// `struct hitless_module_note`.
@section(".note.hitless") @used
private let note: (UInt32, UInt32, UInt32, UInt32, UInt32, Number8, Number8, Number8) = (
  8, 96, 1, 0x6c74_6948, 0x0073_7365,  // "Hitless"
  // ABI, interface UPF_INTERFACE_CLASSIFY, its version; module version; table size, kinds of state.
  (1, 0x5543_4c53, 1, 1, 0, 0, 16, 2),
  // UPF_SCHEMA_PDR and UPF_SCHEMA_FILTER with the sizes of their records.
  (0x5044_5201, 32, 0x5344_4601, 48, 0, 0, 0, 0),
  (0x7361_6c63, 0x7966_6973, 0, 0, 0, 0, 0, 0)  // "classify"
)

/// `struct hitless_module`, followed by its `struct upf_classify_table`.
@section(".data.rel.ro.hitless_module") @used @_silgen_name("hitless_module")
private let module:
  (
    UInt32, UInt32, Number8, Number8, Number8, UInt64, UInt64, UInt64, UInt64, UInt64, Selftest,
    UInt32, UInt32, Process
  ) = (
    152, 1,
    (1, 0x5543_4c53, 1, 1, 0, 0, 16, 2),
    (0x5044_5201, 32, 0x5344_4601, 48, 0, 0, 0, 0),
    (0x7361_6c63, 0x7966_6973, 0, 0, 0, 0, 0, 0),
    0, 152,  // no address of a table, but its offset in this object
    0, 0, 0,  // no attach, detach, migrate
    selftest,
    16, 1, process
  )
