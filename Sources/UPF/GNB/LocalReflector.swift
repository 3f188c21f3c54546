package import Bytes
internal import CPlatform
internal import Glibc
package import PacketIO
package import Platform

/// The sink behind local packet ports, where there is no TUN device: what comes are whole IP packets,
/// and they go back on the connection on which they came.
///
/// Threading: one thread.
@safe package struct LocalReflector: ~Copyable {
  /// Connections at once: one for each worker of a UPF.
  private static let connectionLimit = 64

  /// An array cannot hold values that are not copyable.
  private final class Connection {
    let port: PacketPort
    var isOpen = true

    init(_ port: consuming PacketPort) { self.port = port }
  }

  private let listener: PacketPortListener
  private let sink: IPv4Endpoint
  private let arena = PacketArena(count: packetBatchLimit, room: 9001)
  private var connections: [Connection] = []
  /// Whether the last turn made or ended a connection.
  private var hasChanged = false
  private var book = ReflectorBook()

  /// Listens at `path` for packets to `sink`.
  package init(path: String, sink: IPv4Endpoint) throws(SystemError) {
    listener = try PacketPortListener(path: path)
    self.sink = sink
  }

  /// Reflects until one of `ending` comes; `answer` is called for every other signal.
  package mutating func run(
    signals: borrowing SignalQueue, ending: [Int32], answer: (JSON) -> Void
  ) throws(SystemError) {
    var poller = makePoller(signals)
    while true {
      let moved = try turn()
      if hasChanged { poller = makePoller(signals) }
      if moved == 0 && !hasChanged { _ = try poller.wait(nanoseconds: nil) }
      while let signal = signals.next() {
        if ending.contains(signal) { return }
        answer(json)
      }
    }
  }

  /// Reflects what waits, without waiting; returns how many packets came.
  package mutating func turn() throws(SystemError) -> Int {
    var moved = 0
    for connection in connections { moved += try reflect(connection) }
    hasChanged = try acceptAndForget()
    return moved
  }

  /// All counters as they are now; a local port drops nothing.
  package var json: JSON { book.json(kernelDrops: 0) }

  private func makePoller(_ signals: borrowing SignalQueue) -> Poller {
    var poller = Poller()
    _ = poller.add(signals.descriptor, .readable)
    _ = poller.add(listener.descriptor, .readable)
    for connection in connections { _ = poller.add(connection.port.descriptor, .readable) }
    return poller
  }

  /// Takes new connections and lets go of those whose other end has gone.
  private mutating func acceptAndForget() throws(SystemError) -> Bool {
    let before = connections.count
    connections.removeAll { !$0.isOpen }
    var hasChanged = connections.count != before
    while connections.count < Self.connectionLimit, let port = try listener.accept() {
      connections.append(Connection(port))
      hasChanged = true
    }
    return hasChanged
  }

  private mutating func reflect(_ connection: Connection) throws(SystemError) -> Int {
    arena.restore()
    let result = unsafe connection.port.read(into: arena.packets)
    if result.code != 0 && result.code != EAGAIN { connection.isOpen = false }
    var ready = 0
    for index in 0..<result.count where check(index) {
      unsafe arena.packets[ready] = arena.packets[index]
      ready += 1
    }
    try sendBack(ready, on: connection)
    return result.count
  }

  /// Notes packet `index`; true when it is to be sent back, and then is turned around.
  private mutating func check(_ index: Int) -> Bool {
    let content = unsafe arena.packets[index].mutableContent
    book.noteArrival(bytes: content.count)
    // SAFETY: the port has just filled these bytes, and nobody else uses them.
    var bytes = unsafe MutableSpan(_unsafeElements: content)
    do throws(ProbeRecord.Fault) {
      let packet = try ProbePacket(parsing: bytes.span)
      guard packet.destination == sink else { throw .foreign }
      guard book.note(packet.record) else { return false }
      ProbePacket.turnAround(&bytes)
      return true
    } catch {
      book.note(error)
      return false
    }
  }

  private mutating func sendBack(
    _ count: Int, on connection: Connection
  ) throws(SystemError) {
    var writable = Poller()
    _ = writable.add(connection.port.descriptor, .writable)
    var done = 0
    while done < count {
      let result = unsafe connection.port.write(
        UnsafeBufferPointer(rebasing: arena.packets[done..<count]))
      book.returned += UInt64(result.count)
      done += result.count
      if result.code == EAGAIN {
        _ = try writable.wait(nanoseconds: 1_000_000)
      } else if result.code != 0 {
        book.returnFailed += UInt64(count - done)
        connection.isOpen = false
        return
      }
    }
  }
}
