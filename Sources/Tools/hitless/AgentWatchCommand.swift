internal import AgentControl
internal import ArgumentParser
internal import Bytes
internal import Glibc
internal import Platform
internal import Refusal

/// Shows what happens: on a terminal as a picture of now, otherwise one line per event.
struct AgentWatchCommand: AgentVerb {
  static let configuration = CommandConfiguration(
    commandName: "watch",
    abstract: "Show what the agent does, as it happens, until interrupted.",
    discussion: """
      On a terminal: workers, modules, the step of a rollout and the time until the next decision, \
      stable's and the candidate's times side by side, and the last events; Ctrl-C ends it. When the \
      output is no terminal, or with --lines, --json, --after or --events: one line per event.

      A host that goes away and comes back is waited for.
      """)

  @Option(help: "Begin after event number N; 0 begins with the oldest that is kept.")
  var after: UInt64?
  @Option(help: "Stop after so many events.") var events: Int?
  @Flag(help: "Print one line per event, also on a terminal.") var lines = false
  @Option(help: "On a terminal: milliseconds from one picture to the next, at least 50.")
  var interval: UInt64 = 500
  @ParentCommand var parent: AgentCommand
  @OptionGroup var connection: AgentConnection
  @Flag(help: "Print one JSON object per event.") var json = false

  func validate() throws {
    guard interval >= 50 && interval <= 3_600_000 else {
      throw ValidationError("an interval is from 50 to 3600000 milliseconds")
    }
  }

  func run() throws {
    let isPicture = !lines && !json && after == nil && events == nil && Terminal.isOutput
    if isPicture { try runPicture() } else { try runLines() }
  }

  private func runLines() throws(Refusal) {
    // An agent that is not there now is an error; one that goes away later is waited for.
    var client = try connect()
    try client.send(Self.request(after: after))
    var count = 0
    while count != events {
      guard let event = try event(of: client) else {
        client = reconnected()
        continue
      }
      try Console.print(json ? CBOR.named(event).json.text : AgentReport.event(event))
      count += 1
    }
  }

  private static func request(after number: UInt64?) -> ControlRequest {
    ControlRequest("watch", number.map { ["after": .unsigned($0)] } ?? [:])
  }

  /// The next event; nil when the host has gone.
  private func event(of client: ControlClient) throws(Refusal) -> [String: CBOR]? {
    do throws(Refusal) {
      return try client.next(within: .max)
    } catch {
      guard error.kind == .io else { throw error }
      return nil
    }
  }

  /// A connection to the next host that listens there, of which every event is told.
  private func reconnected() -> ControlClient {
    while true {
      usleep(Self.pause)
      guard let client = try? connect() else { continue }
      if (try? client.send(Self.request(after: 0))) != nil { return client }
    }
  }

  /// Microseconds from one look for a host to the next.
  private static let pause: UInt32 = 200_000

  /// How many events are kept for the picture.
  private static let keptEvents = 200

  private func runPicture() throws(Refusal) {
    // An agent that is not there now is an error; one that goes away later is waited for.
    var feed: WatchFeed? = try WatchFeed(connect(), connect())
    var events: [String] = []
    var listing: [String: CBOR]?
    let terminal = Terminal()
    defer { terminal.leave() }
    repeat {
      do throws(Refusal) {
        if feed == nil { feed = try WatchFeed(connect(), connect()) }
        listing = try feed?.listing()
        events += try feed?.newEvents() ?? []
        events.removeFirst(max(0, events.count - Self.keptEvents))
      } catch {
        (feed, listing) = (nil, nil)
      }
      let size = terminal.size
      let screen = WatchScreen(
        listing: listing, events: events, width: size.columns, height: size.rows,
        time: "\(UTCTime(seconds: WallClock.now / 1_000_000_000))")
      try terminal.show(screen.lines)
    } while !terminal.isInterrupted(within: interval)
  }
}

/// What a picture is made of: one connection to ask, and one on which events come by themselves.
private struct WatchFeed {
  private let asking: ControlClient
  private let telling: ControlClient

  init(_ asking: ControlClient, _ telling: ControlClient) throws(Refusal) {
    self.asking = asking
    self.telling = telling
    try telling.send(ControlRequest("watch", ["after": .unsigned(0)]))
  }

  func listing() throws(Refusal) -> [String: CBOR] { try asking.ask(ControlRequest("list", [:])) }

  /// The events that have come since; does not wait.
  func newEvents() throws(Refusal) -> [String] {
    var lines: [String] = []
    while telling.hasInput {
      guard let event = try telling.next(within: 1_000_000_000) else {
        throw Refusal(.io, "the agent has closed the connection")
      }
      lines.append(AgentReport.event(event))
    }
    return lines
  }
}
