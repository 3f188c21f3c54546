internal import Glibc
package import Refusal

/// A call to the operating system that failed.
package struct SystemError: Error, Equatable, Sendable {
  /// The call, as in its manual page.
  package let call: String
  /// The error number.
  package let code: Int32
  /// What it was about, usually a path.
  package let subject: String

  /// Creates the error.
  package init(_ call: String, _ code: Int32, _ subject: String) {
    self.call = call
    self.code = code
    self.subject = subject
  }

  /// Creates the error from the calling thread's `errno`; call it first thing after the failure.
  package static func last(_ call: String, _ subject: String) -> SystemError {
    SystemError(call, errno, subject)
  }
}

extension SystemError: CustomStringConvertible {
  /// A sentence with the path in quotes.
  package var description: String {
    // SAFETY: strerror returns a static or thread-local string, copied at once.
    let reason = unsafe strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
    return "cannot \(call) '\(subject)': \(reason)"
  }

  /// The same failure in the terms of the one error table.
  package var refusal: Refusal {
    switch code {
    case ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM: Refusal(.noSpace, description)
    case EACCES, EPERM, EROFS:
      Refusal(.io, description, hint: "check the owner and the mode of the file and its directory")
    case ENOENT where call == "mkdir":
      Refusal(.path, description, hint: "make the directory above it first")
    case ELOOP: Refusal(.path, description, hint: "symbolic links are not followed here")
    default: Refusal(.io, description)
    }
  }
}
