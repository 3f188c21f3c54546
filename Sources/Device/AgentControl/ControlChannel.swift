internal import Bytes
internal import Glibc
package import Platform
package import Refusal

/// Whole messages over one connection: four bytes of length, most significant first, then the message.
///
/// Threading: one thread at a time; blocks until the deadline at the latest.
package struct ControlChannel: Sendable {
  /// Largest message in bytes: a patch and some words.
  package static let messageLimit = 64 << 20

  private let connection: UnixConnection

  /// Talks over `connection`.
  package init(_ connection: UnixConnection) {
    self.connection = connection
  }

  /// Whether something can be read, the end of the connection included.
  ///
  /// Does not wait.
  package var hasInput: Bool { (try? connection.waitReadable(.after(0))) ?? true }

  /// Receives one message; nil when the peer closed before its first byte, whether or not it had read
  /// everything that it was sent.
  ///
  /// Memory grows with what arrives; a length over the limit is refused before anything is read.
  package func receive(_ deadline: Deadline) throws(Refusal) -> [UInt8]? {
    do throws(SystemError) {
      guard let head = try head(deadline) else { return nil }
      let count = head.reduce(0) { $0 << 8 | Int($1) }
      guard count <= Self.messageLimit else {
        throw SystemError("read", EMSGSIZE, "a control message")
      }
      guard count > 0 else { return [] }
      guard let message = try connection.read(count, deadline) else {
        throw SystemError("read", EPIPE, "a control message")
      }
      return message
    } catch {
      throw Self.translate(error)
    }
  }

  private func head(_ deadline: Deadline) throws(SystemError) -> [UInt8]? {
    do throws(SystemError) {
      return try connection.read(4, deadline)
    } catch  where error.code == ECONNRESET {
      return nil
    } catch {
      throw error
    }
  }

  /// Sends one message.
  package func send(_ message: [UInt8], _ deadline: Deadline) throws(Refusal) {
    guard message.count <= Self.messageLimit else {
      throw Refusal(
        .limit, "the message is too large for the control socket",
        expected: "at most \(Self.messageLimit) bytes", found: "\(message.count)")
    }
    var writer = ByteWriter()
    writer.big(UInt32(message.count))
    writer.append(message)
    do throws(SystemError) {
      try connection.write(writer.bytes, deadline)
    } catch {
      throw Self.translate(error)
    }
  }

  private static func translate(_ error: SystemError) -> Refusal {
    switch error.code {
    case EMSGSIZE:
      Refusal(
        .limit, "a control message is too large", expected: "at most \(messageLimit) bytes")
    case ETIMEDOUT: Refusal(.io, "the other end of the control socket did not answer in time")
    case EPIPE, ECONNRESET:
      Refusal(.io, "the other end closed the control socket in the middle of a message")
    default: error.refusal
    }
  }
}
