package import Bytes
internal import Glibc
internal import Platform
package import Refusal

/// One connection to an agent.
///
/// Threading: one thread at a time; blocks until the agent has answered.
package struct ControlClient: Sendable {
  /// How long an answer may take: staging runs a helper program.
  package static let defaultTimeout: UInt64 = 120_000_000_000

  private let channel: ControlChannel
  private let timeout: UInt64

  /// Connects to the agent that listens at `path`.
  package init(path: String, timeout: UInt64 = defaultTimeout) throws(Refusal) {
    do throws(SystemError) {
      channel = ControlChannel(try UnixConnection.connect(to: path))
    } catch {
      var refusal = error.refusal
      switch error.code {
      case ENOENT: refusal.hint = "no agent listens there: is the host running, is the path right?"
      case ECONNREFUSED: refusal.hint = "the host that made this socket is not running any more"
      case EACCES: refusal.hint = "only the host's user and root may speak to its agent"
      default: break
      }
      throw refusal
    }
    self.timeout = timeout
  }

  /// Asks, and waits for the answer.
  package func ask(_ request: ControlRequest) throws(Refusal) -> [String: CBOR] {
    do throws(Refusal) {
      try channel.send(request.encoded, .after(timeout))
    } catch {
      // Who refuses a connection says why and closes it, maybe before the request was written.
      guard channel.hasInput, let answer = try next(within: timeout) else { throw error }
      return answer
    }
    guard let response = try next(within: timeout) else {
      throw Refusal(.io, "the agent closed the connection without an answer")
    }
    return response
  }

  /// Asks for a stream whose messages are taken by `next`, without waiting for the first.
  package func send(_ request: ControlRequest) throws(Refusal) {
    try channel.send(request.encoded, .after(timeout))
  }

  /// Whether `next` has something at once, the end of the connection included.
  package var hasInput: Bool { channel.hasInput }

  /// Waits for the next message of a stream that an earlier request began; nil at its end.
  package func next(within nanoseconds: UInt64) throws(Refusal) -> [String: CBOR]? {
    guard let message = try channel.receive(.after(nanoseconds)) else { return nil }
    let response: ControlResponse
    do throws(FormatError) {
      response = try ControlResponse(parsing: message)
    } catch {
      throw Refusal(error, in: "the agent's answer")
    }
    switch response {
    case .done(let values): return values
    case .refused(let refusal): throw refusal
    }
  }
}
