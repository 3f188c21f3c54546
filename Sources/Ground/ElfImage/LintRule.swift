/// The ways in which a module can be unfit for a live swap.
///
/// Raw values are what `--json` prints; they are never reused.
package enum LintRule: String, CaseIterable, Sendable {
  /// Not a well-formed 64-bit little-endian ELF file.
  case malformed
  /// Not a shared object.
  case fileType = "file-type"
  /// A segment reaches beyond the end of the file: the loader would map it and die with SIGBUS.
  case segmentBeyondFile = "segment-beyond-file"
  /// Segments that overlap, are out of order, badly aligned, or too large.
  case segmentLayout = "segment-layout"
  /// The dynamic segment lacks what the loader takes for granted.
  case dynamicTable = "dynamic-table"
  /// Bytes that stay writable after relocation.
  case writableData = "writable-data"
  /// A segment that is both writable and executable.
  case writableCode = "writable-code"
  /// A stack that would be executable.
  case executableStack = "executable-stack"
  /// An interpreter, as programs have.
  case interpreter
  /// Code that runs when the image is mapped.
  case constructor
  /// Code that runs when the image is unmapped.
  case destructor
  /// Thread-local storage of any model.
  case threadLocal = "thread-local"
  /// A function that is chosen while the image is mapped.
  case indirectFunction = "ifunc"
  /// A symbol that is one for the whole process, which pins the image.
  case uniqueSymbol = "unique-symbol"
  /// The flag that pins the image.
  case noDelete = "no-delete"
  /// A search path for libraries.
  case searchPath = "search-path"
  /// Auditing or filter libraries.
  case audit
  /// Other loader flags that change the process.
  case loaderFlag = "loader-flag"
  /// A library name that could be taken for another library.
  case soname
  /// Relocations of read-only segments.
  case textRelocation = "text-relocation"
  /// Relocations that the loader does not do for modules.
  case relocation
  /// Symbols that would be bound at the first call.
  case lazyBinding = "lazy-binding"
  /// A library that is not on the list.
  case neededLibrary = "needed-library"
  /// An import that is not on the list.
  case `import`
  /// An import that no host can allow: it allocates, or it registers something with the process.
  case forbiddenImport = "forbidden-import"
  /// A weak import that is not on the list: whether it is there would differ from host to host.
  case weakImport = "weak-import"
  /// An exported symbol beside `hitless_module`.
  case export
  /// No build-id, or one of an odd size.
  case buildID = "build-id"
  /// No note with the module's facts, several, or one that makes no sense.
  case note
  /// No descriptor, or one that differs from the note.
  case descriptor

  /// What to change so that the rule is kept.
  package var mend: String {
    switch self {
    case .malformed, .segmentBeyondFile:
      "get the file again: it was cut short or changed after it was linked"
    case .fileType: "link with -shared"
    case .segmentLayout: "link with the linker's default script and page size"
    case .dynamicTable:
      "link with -shared and -Wl,--hash-style=gnu, and do not strip the dynamic tables"
    case .writableData:
      "make the data const, or let the host own it; link with -Wl,-z,relro,-z,now"
    case .writableCode: "link without -Wl,-N and without a linker script that joins code and data"
    case .executableStack: "link with -Wl,-z,noexecstack"
    case .interpreter: "link with -shared, without -pie and -Wl,--dynamic-linker"
    case .constructor:
      "link with -nostartfiles; remove constructors and C++ globals that need one, and use the attach hook"
    case .destructor:
      "link with -nostartfiles; remove destructors and C++ globals that need one, and use the detach hook"
    case .threadLocal: "remove thread_local and __thread; state per worker belongs to the host"
    case .indirectFunction: "remove ifunc and target_clones attributes"
    case .uniqueSymbol: "compile with -fno-gnu-unique"
    case .noDelete: "link without -Wl,-z,nodelete"
    case .searchPath: "link without -Wl,-rpath"
    case .audit: "link without -Wl,--audit, --depaudit, --filter and --auxiliary"
    case .loaderFlag: "link without the -Wl,-z option of that name"
    case .soname: "link without -Wl,-soname"
    case .textRelocation: "compile with -fPIC; link with -Wl,-z,text"
    case .relocation: "compile with -fPIC and link with -shared"
    case .lazyBinding: "link with -Wl,-z,now"
    case .neededLibrary: "link without that -l option, with -Wl,--as-needed"
    case .import: "do without it, or let the host allow it (hitless lint --allow-import)"
    case .forbiddenImport:
      "do without it, through the host's services; link with -nostartfiles if the start files bring it"
    case .weakImport: "link with -nostartfiles; do without the weak reference"
    case .export:
      "compile with -fvisibility=hidden; link with the version script of hitless-module.pc"
    case .buildID: "link with -Wl,--build-id=sha1"
    case .note: "define the note with HITLESS_NOTE of hitless/module.h, once"
    case .descriptor:
      "define hitless_module with HITLESS_EXPORT of hitless/module.h, from the note's facts"
    }
  }
}
