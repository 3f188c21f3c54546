internal import ElfImage

extension Explanation {
  /// The prose for a rule of `hitless lint`.
  init(_ rule: LintRule) {
    let (meaning, reason) = rule.prose
    self.init(
      kind: .rule, name: rule.rawValue, meaning: meaning, reason: reason,
      remedy: "\(rule.mend.prefix(1).uppercased())\(rule.mend.dropFirst()).")
  }
}

extension LintRule {
  /// What breaks the rule, and what would happen to the host.
  fileprivate var prose: (String, String) {
    switch self {
    case .malformed, .fileType, .segmentBeyondFile, .segmentLayout, .dynamicTable: fileProse
    case .writableData, .writableCode, .executableStack, .textRelocation, .relocation: memoryProse
    case .constructor, .destructor, .threadLocal, .indirectFunction, .uniqueSymbol, .noDelete:
      lifetimeProse
    case .interpreter, .searchPath, .audit, .loaderFlag, .soname, .lazyBinding: loaderProse
    case .neededLibrary, .import, .forbiddenImport, .weakImport, .export: symbolProse
    case .buildID, .note, .descriptor: identityProse
    }
  }

  private var fileProse: (String, String) {
    switch self {
    case .malformed:
      ("Not a well-formed 64-bit little-endian ELF file.", "The loader trusts what it maps.")
    case .fileType:
      (
        "The file is no shared object.",
        "Programs and object files cannot be mapped beside a running program."
      )
    case .segmentBeyondFile:
      (
        "A segment reaches beyond the end of the file.",
        "The loader maps it without looking, and the host dies of SIGBUS at the first touch."
      )
    case .segmentLayout:
      (
        "Segments overlap, are out of order, badly aligned, or too large.",
        "The loader maps each one over what was there before."
      )
    default:
      (
        "The dynamic segment lacks what the loader takes for granted, or contradicts itself.",
        "The loader asserts these values, or uses them as addresses; either ends the host."
      )
    }
  }

  private var memoryProse: (String, String) {
    switch self {
    case .writableData:
      (
        "Bytes stay writable after relocation.",
        "A module keeps no state: what it wrote would be gone after a swap, and differ from"
          + " generation to generation. State belongs to the host."
      )
    case .writableCode:
      (
        "A segment is both writable and executable.",
        "Whoever can write one byte of it decides what runs; hardened kernels refuse it."
      )
    case .executableStack:
      ("The file asks for an executable stack.", "The loader would grant it to the whole host.")
    case .textRelocation:
      (
        "Code or constants are changed while the image is mapped.",
        "What is mapped would no longer be what was signed, and could not be compared."
      )
    default:
      (
        "A relocation of a kind that modules have no use for.",
        "It runs code, copies data, or depends on where other libraries lie."
      )
    }
  }

  private var lifetimeProse: (String, String) {
    switch self {
    case .constructor:
      (
        "Code runs when the image is mapped.",
        "It would run before anything was checked, while workers forward packets."
      )
    case .destructor:
      (
        "Code runs when the image is unmapped.",
        "It would run long after the swap, at a moment nobody chose."
      )
    case .threadLocal:
      (
        "The module has thread-local storage.",
        "Room for it in running threads is scarce and not given back: after some swaps loading fails."
      )
    case .indirectFunction:
      (
        "A function is chosen while the image is mapped.",
        "The choice runs code inside the loader, before anything was checked."
      )
    case .uniqueSymbol:
      (
        "A symbol exists once in the whole process.",
        "The loader then never unmaps the image, and the next version would use the old one's object."
      )
    default:
      ("The image asks never to be unmapped.", "Every swap would leave one more in memory.")
    }
  }

  private var loaderProse: (String, String) {
    switch self {
    case .interpreter:
      ("The file names a program interpreter.", "Only programs have one; this is no plugin.")
    case .searchPath:
      (
        "The file changes where libraries are looked for.",
        "Then a path on the host decides which code is loaded, not the signature."
      )
    case .audit:
      (
        "The file brings audit or filter libraries.",
        "They see or replace every symbol of the host."
      )
    case .loaderFlag:
      ("A loader flag that a module must not have.", "It changes how the whole process is loaded.")
    case .soname:
      (
        "The library's name could be taken for another library.",
        "The loader matches by name first, and would return what is already loaded under it."
      )
    default:
      (
        "Imports would be bound at their first call.",
        "That takes a lock and time in the packet path, and fails there when a symbol is missing."
      )
    }
  }

  private var symbolProse: (String, String) {
    switch self {
    case .neededLibrary:
      (
        "The module needs a library that is not on the list.",
        "Loading it runs its constructors in the host, and it is not under the signature."
      )
    case .import:
      (
        "The module imports a symbol that is not on the list.",
        "What a module may call is part of the contract with its host."
      )
    case .forbiddenImport:
      (
        "The module imports what no host can allow.",
        "It allocates, or registers something with the process that points into the module after the"
          + " module is gone."
      )
    case .weakImport:
      (
        "The module imports a symbol only if it is there.",
        "The same module would behave differently from host to host."
      )
    default:
      (
        "The module exports more than its descriptor.",
        "The host, or the next version, could bind to it, and the image could not be let go."
      )
    }
  }

  private var identityProse: (String, String) {
    switch self {
    case .buildID:
      (
        "The module has no build-id, several, or one of an odd size.",
        "It is how the agent tells that what was mapped is what was verified, and how tools find the"
          + " symbols."
      )
    case .note:
      (
        "The module's note is missing, there twice, or makes no sense.",
        "It tells what the module is without running any of it."
      )
    default:
      (
        "The descriptor is missing, or differs from the note.",
        "It is what the host calls through; it must be what was checked."
      )
    }
  }
}
