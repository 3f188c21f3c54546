internal import Bytes
internal import Glibc
package import Platform
package import Refusal
internal import Synchronization

/// Answers the requests that come over a Unix socket.
///
/// Who connects is checked on every connection, by what the kernel vouches for; the socket's mode is
/// only a first line. Each connection has a thread of its own, and there are few of them.
/// Threading: `handler` is called from the connections' threads.
package final class ControlServer: Sendable {
  /// Answers one request; may send more than one response over a stream.
  package typealias Handler = @Sendable (ControlRequest, PeerCredentials, ControlStream) -> Void

  /// Most connections at a time; one more is told so and closed.
  package static let connectionLimit = 16
  /// How long a peer may take between connecting and the end of a request, and for each later one.
  package static let requestTimeout: UInt64 = 30_000_000_000

  private struct State {
    var connections: [Int: UnixConnection] = [:]
    var next = 0
    var isStopping = false
  }

  /// Where it listens.
  package var path: String { listener.path }

  /// Takes note of a connection or a message that was refused before it reached the handler.
  package typealias Witness = @Sendable (Refusal, PeerCredentials) -> Void

  private let listener: UnixListener
  private let handler: Handler
  private let witness: Witness
  private let state = Monitor(State())

  /// Listens at `path` and starts answering, on threads placed as `threads` says.
  package init(
    path: String, threads: ThreadPlacement = .inherited,
    witness: @escaping Witness = { _, _ in }, handler: @escaping Handler
  ) throws(Refusal) {
    listener = try UnixListener(path: path)
    self.handler = handler
    self.witness = witness
    do throws(SystemError) {
      // The connections' threads inherit its place.
      try SystemThread.start("hitless-ctl", at: threads) { [self] in acceptAll() }.detach()
    } catch {
      throw error.refusal
    }
  }

  /// Ends every connection and stops listening; returns when no handler runs any more.
  package func stop() {
    let open = state.withLock { state in
      state.isStopping = true
      return Array(state.connections.values)
    }
    listener.stop()
    for connection in open { connection.stop() }
    _ = state.wait(until: .after(5_000_000_000)) { $0.connections.isEmpty ? true : nil }
  }

  private func acceptAll() {
    while let connection = acceptNext() {
      guard let number = admit(connection) else { continue }
      do throws(SystemError) {
        try SystemThread.start("hitless-ctl-\(number % 1000)") { [self] in
          serve(connection)
          state.withLock { _ = $0.connections.removeValue(forKey: number) }
        }.detach()
      } catch {
        refuse(connection, error.refusal)
        state.withLock { _ = $0.connections.removeValue(forKey: number) }
      }
    }
  }

  /// The next connection; nil once the server stops.
  private func acceptNext() -> UnixConnection? {
    while !state.withLock({ $0.isStopping }) {
      do throws(SystemError) {
        return try listener.accept()
      } catch {
        // Out of descriptors, say: others must end before this can go on.
        usleep(10_000)
      }
    }
    return nil
  }

  private func admit(_ connection: UnixConnection) -> Int? {
    guard connection.peer.isOwnerOrRoot else {
      refuse(
        connection,
        Refusal(
          .untrustedKey, "user \(connection.peer.user) may not speak to this agent",
          expected: "the host's user or root"))
      return nil
    }
    let number = state.withLock { state -> Int? in
      guard state.connections.count < Self.connectionLimit, !state.isStopping else { return nil }
      state.next += 1
      state.connections[state.next] = connection
      return state.next
    }
    if number == nil {
      refuse(
        connection,
        Refusal(
          .busy, "\(Self.connectionLimit) connections are open, which is the most there may be"))
    }
    return number
  }

  private func refuse(_ connection: UnixConnection, _ refusal: Refusal) {
    witness(refusal, connection.peer)
    try? ControlChannel(connection).send(
      ControlResponse.refused(refusal).encoded, .after(1_000_000_000))
  }

  private func serve(_ connection: UnixConnection) {
    let channel = ControlChannel(connection)
    let stream = ControlStream(channel: channel) { [state] in state.withLock { $0.isStopping } }
    while !stream.isStopping {
      do throws(Refusal) {
        guard let message = try channel.receive(.after(Self.requestTimeout)) else { return }
        do throws(FormatError) {
          handler(try ControlRequest(parsing: message), connection.peer, stream)
        } catch {
          let refusal = Refusal(error, in: "the request")
          witness(refusal, connection.peer)
          try stream.send(.refused(refusal))
        }
      } catch {
        refuse(connection, error)
        return
      }
    }
  }
}

/// The way back to one client.
package struct ControlStream: Sendable {
  private let channel: ControlChannel
  private let stopping: @Sendable () -> Bool

  init(channel: ControlChannel, stopping: @escaping @Sendable () -> Bool) {
    self.channel = channel
    self.stopping = stopping
  }

  /// Whether the server wants its handlers to come to an end.
  package var isStopping: Bool { stopping() }

  /// Whether the client has gone, or asks for something else.
  package var isInterrupted: Bool { channel.hasInput }

  /// Sends one response.
  package func send(_ response: ControlResponse) throws(Refusal) {
    try channel.send(response.encoded, .after(ControlServer.requestTimeout))
  }
}
