internal import Refusal

extension Explanation {
  /// The prose for the code that is no error.
  static let success = Explanation(
    kind: .error(0), name: "success", meaning: "The command did what it says.",
    reason: "Every other code is a refusal, and a refusal leaves everything as it was.",
    remedy:
      "Nothing. Scripts look at the code; what a command prints is for people, and with --json"
      + " for programs.")

  /// The prose for a class of errors.
  init(_ kind: RefusalClass) {
    let (meaning, reason, remedy) = kind.prose
    self.init(
      kind: .error(kind.rawValue), name: kind.name, meaning: meaning, reason: reason, remedy: remedy
    )
  }
}

extension RefusalClass {
  /// What the class means, why it exists, and what to do.
  fileprivate var prose: (String, String, String) {
    switch self {
    case .usage, .format, .limit, .unsupported: inputProse
    case .signature, .untrustedKey, .integrity: trustProse
    case .rollback, .expired, .mixed: freshnessProse
    case .notForTarget, .wrongBase, .badELF, .path: targetProse
    case .race, .busy, .state, .noSpace, .io: operationProse
    case .frozen, .health, .breakerOpen, .quarantined: protectionProse
    }
  }

  private var inputProse: (String, String, String) {
    switch self {
    case .usage:
      (
        "The arguments make no sense.",
        "Nothing was read or written: a command that guesses what was meant is not one to trust.",
        "Read 'hitless COMMAND --help'; it has examples."
      )
    case .limit:
      (
        "A declared or actual size or count is over a cap.",
        "Whoever made the file chose its numbers. Each one is compared with a cap, and with the bytes"
          + " that are there, before anything is allocated. The caps are in docs/format.md.",
        "A patch of a real module stays far below every cap. Ask where the file comes from."
      )
    case .unsupported:
      (
        "A version, a codec or a critical feature that this program does not know.",
        "What a later format means cannot be guessed, and a patch says by its critical features"
          + " that it must not be applied without understanding them.",
        "Update this program, or ask the vendor for a patch in the older format."
      )
    default:
      (
        "The bytes are not what the format allows.",
        "There is one spelling for everything in a patch. A file that deviates in any way was"
          + " damaged, or made by something that does not follow docs/format.md.",
        "Fetch the file again and compare its size and its SHA-256 with the vendor's. The message"
          + " names the byte."
      )
    }
  }

  private var trustProse: (String, String, String) {
    switch self {
    case .signature:
      (
        "No valid signature covers these bytes.",
        "The file names a key that is trusted here, but the signature is not that key's over these"
          + " bytes: something was changed after it was signed. Or there is no signature at all.",
        "Fetch the file again. If it stays so, do not use it, and tell the vendor."
      )
    case .untrustedKey:
      (
        "Not enough different trusted keys have signed, or a key cannot be used.",
        "Only the keys that were named here count, each once, however often it signed. A key file that"
          + " is missing, damaged, or holds a weak key leaves nothing to trust, so everything is refused.",
        "Compare the key ids with those the vendor published. Name the right key with --trust; look"
          + " at it with 'openssl pkey -pubin -text -noout -in FILE.pub'."
      )
    default:
      (
        "A digest differs from the one that was signed.",
        "The signed manifest holds the SHA-256 of the delta, of the base and of the result. One of them"
          + " is not what the vendor signed, so what would run is not what the vendor tested.",
        "Fetch the file again. A result that differs while delta and base are right is a defect of"
          + " this program: please report it."
      )
    }
  }

  private var freshnessProse: (String, String, String) {
    switch self {
    case .rollback:
      (
        "The sequence number is not newer than what was accepted before, or absurdly far ahead.",
        "An old patch is genuine, and so is the hole it did not yet close. Numbers only rise, so"
          + " replaying one is refused; a jump to the end of all numbers would refuse every later patch.",
        "Ask for the newest patch. Going back on purpose is 'hitless agent rollback', or a new patch"
          + " with a higher number."
      )
    case .expired:
      (
        "The patch is not valid now, or the clock is not plausible.",
        "A patch says from when and until when it may be applied. A clock that was never set, or"
          + " that is behind the last time it showed, cannot tell.",
        "Set the clock. If the patch has expired, ask the vendor for a newer one."
      )
    default:
      (
        "Parts that do not belong together.",
        "Modules of one patch change together and were tested together; two different patches never"
          + " share a number. Something here is from another release.",
        "Use the files as the vendor delivered them. Two patches with one number are an alarm: ask"
          + " the vendor which one is right."
      )
    }
  }

  private var targetProse: (String, String, String) {
    switch self {
    case .notForTarget:
      (
        "The patch is for another machine, product or slot interface.",
        "A module of another interface or machine would be called with the wrong arguments, or not"
          + " run at all.",
        "Compare 'hitless inspect FILE' with 'hitless agent list'."
      )
    case .wrongBase:
      (
        "The module that is there is not the one the patch starts from.",
        "A delta only makes sense from exactly the build it was made from. What counts at a host is the"
          + " module that is mapped, not the file on disk.",
        "'hitless inspect FILE' shows the base's SHA-256 and build-id, 'readelf -n MODULE' a"
          + " file's. Ask for a patch for your build."
      )
    case .badELF:
      (
        "Not a module that can be loaded and unloaded safely.",
        "What a live swap cannot undo is refused before the loader sees it: writable data,"
          + " constructors, thread-local storage, unknown imports, headers that do not fit the file.",
        "'hitless lint FILE.so' names each violation and the compiler or linker flag that mends it."
      )
    default:
      (
        "A name or a path breaks the rules.",
        "Names come from outside and end in paths and logs. Modules, products and slots are"
          + " named [a-z0-9][a-z0-9._-]{0,30}, with no dot at the end; symbolic links are not followed where a state is kept.",
        "Rename it, or give the path of the file itself."
      )
    }
  }

  private var operationProse: (String, String, String) {
    switch self {
    case .race:
      (
        "Something changed between the check and the use.",
        "What is verified must be what runs. The bytes that were mapped, or the file that was opened,"
          + " are no longer those that were checked.",
        "Find out what writes to these files. Nothing was put in force."
      )
    case .busy:
      (
        "Another transaction is under way.",
        "A host changes one thing at a time, so that it is always clear what to go back to.",
        "Wait for it, or end it with 'hitless agent confirm' or 'hitless agent rollback'."
      )
    case .state:
      (
        "Not possible in this state.",
        "For example confirming when nothing is on trial, or overwriting a key.",
        "'hitless agent list' shows the state; the message says what was expected."
      )
    case .noSpace:
      (
        "No space, or another resource is used up.",
        "The disk, a quota, memory or the number of open files. Nothing was left half done.",
        "Make room and try again; what was in force stays in force."
      )
    default:
      (
        "Reading or writing failed.",
        "The operating system said why; the message repeats it with the path.",
        "Check that the file exists, its owner and mode, and the file system."
      )
    }
  }

  private var protectionProse: (String, String, String) {
    switch self {
    case .frozen:
      (
        "The agent takes no patch until an operator releases it.",
        "Somebody has frozen it, or modules failed to load too often: traffic is on stable meanwhile.",
        "'hitless agent list' says who, when and why; 'hitless agent release' ends it."
      )
    case .breakerOpen:
      (
        "The patch has failed, and the wait before the next try is not over.",
        "A candidate that has just failed would fail again; each failure makes the wait longer.",
        "Wait as long as the message says, or take the next patch; 'hitless agent release --patch ID'"
          + " ends the wait."
      )
    case .quarantined:
      (
        "The patch has failed too often and is in quarantine.",
        "Whatever is wrong with it has not gone away by waiting; a restart does not forget it.",
        "Ask the vendor for another patch. 'hitless agent release --patch ID' lets this one in again."
      )
    default:
      (
        "The candidate failed its probation and was rolled back.",
        "It faulted, was too slow, or was worse than what ran before; the host went back by itself.",
        "'hitless agent list' and the audit log name the reason. Send it to the vendor."
      )
    }
  }
}
