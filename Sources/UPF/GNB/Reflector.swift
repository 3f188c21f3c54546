package import Bytes
internal import CPlatform
internal import Glibc
package import PacketIO
package import Platform

/// The sink in the data network: receives counted packets on a UDP socket, checks them and sends them
/// back to where they came from.
///
/// Threading: one thread.
@safe package struct Reflector: ~Copyable {
  private var socket: UDPSocket
  private let arena: PacketArena
  private var book = ReflectorBook()
  private var poller = Poller()
  private var writable = Poller()

  /// Listens at `local`.
  package init(
    local: IPv4Endpoint, options: UDPSocket.Options = UDPSocket.Options()
  ) throws(SystemError) {
    let socket = try UDPSocket(binding: local, options: options)
    arena = PacketArena(receiving: socket)
    _ = poller.add(socket.descriptor, .readable)
    _ = writable.add(socket.descriptor, .writable)
    self.socket = socket
  }

  /// Where it listens.
  package var local: IPv4Endpoint { socket.local }

  /// Reflects until one of `ending` comes; `answer` is called for every other signal.
  package mutating func run(
    signals: borrowing SignalQueue, ending: [Int32], answer: (JSON) -> Void
  ) throws(SystemError) {
    _ = poller.add(signals.descriptor, .readable)
    while true {
      if try turn() == 0 { _ = try poller.wait(nanoseconds: nil) }
      while let signal = signals.next() {
        if ending.contains(signal) { return }
        answer(json)
      }
    }
  }

  /// All counters as they are now.
  package var json: JSON { book.json(kernelDrops: socket.kernelDrops()) }

  /// Reflects what waits, without waiting; returns how many packets came.
  package mutating func turn() throws(SystemError) -> Int {
    let count = unsafe socket.receive(into: arena.region, packets: arena.packets).count
    var ready = 0
    for index in 0..<count where check(index) {
      unsafe arena.packets[ready] = arena.packets[index]
      ready += 1
    }
    try sendBack(ready)
    return count
  }

  /// Notes packet `index`; true when it is to be sent back, and then is marked so.
  private mutating func check(_ index: Int) -> Bool {
    let content = unsafe arena.packets[index].mutableContent
    book.noteArrival(bytes: content.count)
    // SAFETY: the socket has just filled these bytes, and nobody else uses them.
    var bytes = unsafe MutableSpan(_unsafeElements: content)
    do throws(ProbeRecord.Fault) {
      guard book.note(try ProbeRecord(parsing: bytes.span, at: 0)) else { return false }
      ProbeRecord.markReturned(&bytes, at: 0)
      return true
    } catch {
      book.note(error)
      return false
    }
  }

  private mutating func sendBack(_ count: Int) throws(SystemError) {
    var done = 0
    while done < count {
      let result = unsafe socket.send(UnsafeBufferPointer(rebasing: arena.packets[done..<count]))
      book.returned += UInt64(result.count)
      done += result.count
      if result.code == EAGAIN || result.code == ENOBUFS {
        _ = try writable.wait(nanoseconds: 1_000_000)
      } else if result.code != 0 {
        book.returnFailed += 1
        done += 1
      }
    }
  }
}
