internal import Bytes
internal import Platform
internal import Refusal
internal import Synchronization
internal import UPF

/// Answers questions about the user plane over a Unix socket: one line in, one JSON object out.
///
/// Requests: `stats` (also when the client says nothing), `accounting`, `sessions [FROM [LIMIT]]`,
/// `session SEID`, `reload`. One connection at a time; a client that dawdles is cut off.
///
/// Threading: its own thread; `stop` may be called from any.
final class StatisticsServer: Sendable {
  private let listener: UnixListener
  private let thread: Mutex<SystemThread?>

  /// Listens at `path` and starts answering.
  init(path: String, plane: UserPlane, reload: Reload) throws(Refusal) {
    do throws(Refusal) {
      listener = try UnixListener(path: path)
    } catch {
      guard error.kind == .busy else { throw error }
      throw Refusal(
        .busy, "somebody listens at '\(path)' already", hint: "give every upfd a socket of its own")
    }
    let service = StatisticsService(listener: listener, plane: plane, reload: reload)
    do throws(SystemError) {
      thread = Mutex(try SystemThread.start("upf-stats") { service.serve() })
    } catch {
      throw error.refusal
    }
  }

  /// Ends the listening, and returns when nobody is being answered any more.
  func stop() {
    listener.stop()
    if let thread = thread.withLock({ $0.take() }) { thread.join() }
  }
}

/// What the statistics server's thread does.
private struct StatisticsService: Sendable {
  /// Longest request.
  private static let requestLimit = 128
  /// How long a client may take.
  private static let patience: UInt64 = 2_000_000_000

  let listener: UnixListener
  let plane: UserPlane
  let reload: Reload

  /// Answers until the listening ends.
  func serve() {
    while true {
      do throws(SystemError) {
        guard let connection = try listener.accept() else { return }
        try answer(connection)
      } catch {
        // A client that went away or dawdled; the next one may do better.
        continue
      }
    }
  }

  private func answer(_ connection: UnixConnection) throws(SystemError) {
    let deadline = Deadline.after(Self.patience)
    guard connection.peer.isOwnerOrRoot else {
      let refusal = Refusal(.untrustedKey, "user \(connection.peer.user) may not ask here")
      return try send(.object([("error", refusal.json)]), connection)
    }
    var line: [UInt8] = []
    while line.count <= Self.requestLimit, let byte = try connection.read(1, deadline)?.first,
      byte != 0x0a
    {
      line.append(byte)
    }
    let reply: JSON
    do throws(Refusal) {
      reply = try self.reply(to: String(decoding: line, as: UTF8.self))
    } catch {
      reply = .object([("error", error.json)])
    }
    try send(reply, connection)
  }

  private func send(_ reply: JSON, _ connection: UnixConnection) throws(SystemError) {
    try connection.write(Array((reply.text + "\n").utf8), .after(Self.patience))
  }

  private func reply(to request: String) throws(Refusal) -> JSON {
    let words = request.split(separator: " ").map(String.init)
    switch (words.first ?? "stats", words.count) {
    case ("stats", 0...1): return plane.report()
    case ("accounting", 1): return plane.accountingReport()
    case ("sessions", 1...3):
      let first = words.count > 1 ? try number(words[1]) : 0
      let limit = words.count > 2 ? try number(words[2]) : 100
      return plane.sessionsReport(from: first, limit: Int(clamping: limit))
    case ("session", 2):
      let seid = try number(words[1])
      guard let report = plane.sessionReport(seid) else {
        throw Refusal(.state, "there is no session with SEID \(words[1])")
      }
      return report
    case ("reload", 1): return .object([("tables", try reload.run().json)])
    default:
      throw Refusal(
        .usage, "'\(request)' is no request",
        expected: "stats, accounting, sessions [FROM [LIMIT]], session SEID or reload")
    }
  }

  private func number(_ text: String) throws(Refusal) -> UInt64 {
    let value = text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
    guard let value else { throw Refusal(.usage, "'\(text)' is no number") }
    return value
  }
}
