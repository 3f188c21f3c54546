internal import Bytes
internal import Platform
package import Refusal

/// One line of what happened.
package struct AgentEvent: Equatable, Sendable {
  /// Rises by one with every event, from 1.
  package let number: UInt64
  /// Nanoseconds since 1970 (UTC).
  package let time: UInt64
  /// Verb in the past tense, as in the audit log.
  package let kind: String
  /// The transaction it belongs to; 0 for none.
  package let transaction: UInt64
  /// A sentence.
  package let detail: String
  /// The class of a refusal.
  package let refusal: RefusalClass?
}

/// The last events, for whoever watches.
///
/// Threading: any thread; `next` blocks until its deadline.
final class EventLog: Sendable {
  /// How many events are kept; a watcher that is further behind misses some and sees it by the numbers.
  static let limit = 1024

  private struct Contents {
    var events: [AgentEvent] = []
    var count: UInt64 = 0
  }

  private let contents = Monitor(Contents())

  /// Adds an event and wakes who waits for it.
  @discardableResult
  func append(
    _ kind: String, time: UInt64, transaction: UInt64, detail: String,
    refusal: RefusalClass? = nil
  ) -> AgentEvent {
    contents.withLock { contents in
      contents.count += 1
      let event = AgentEvent(
        number: contents.count, time: time, kind: kind, transaction: transaction, detail: detail,
        refusal: refusal)
      contents.events.append(event)
      if contents.events.count > Self.limit { contents.events.removeFirst() }
      return event
    }
  }

  /// The first event after number `number`; nil when none came before the deadline.
  func next(after number: UInt64, _ deadline: Deadline) -> AgentEvent? {
    contents.wait(until: deadline) { $0.events.first { $0.number > number } }
  }

  /// The number of the newest event.
  var last: UInt64 { contents.withLock { $0.count } }
}
