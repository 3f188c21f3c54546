internal import Bytes
internal import Platform
package import Refusal

/// What keeps patches out.
extension Journal {
  /// What was kept last; nil when nothing was.
  ///
  /// Throws when it cannot be read: then nobody knows what is to be kept out.
  package func breakers() throws(Refusal) -> BreakerRecord? {
    try contents.withLock { contents throws(Refusal) in
      try contents.requireOpen()
      return try Self.record(JournalContents.breakersName, in: contents.root) {
        bytes throws(FormatError) in try BreakerRecord(parsing: bytes)
      }
    }
  }

  /// Keeps `record` instead; on the device when this returns, and when it throws, the old one still is or
  /// the new one.
  package func keep(_ record: BreakerRecord) throws(Refusal) {
    try contents.withLock { contents throws(Refusal) in
      try contents.requireOpen()
      try contents.root.replace(JournalContents.breakersName, with: record.encoded)
    }
  }
}
