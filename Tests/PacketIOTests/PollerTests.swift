import Glibc
import PacketIO
import Platform
import Testing

@Suite("Poller")
struct PollerTests {
  @Test func `it says which descriptor is ready, and passes over what is not asked for`() throws {
    let loopback = IPv4Endpoint(address: IPv4Address(rawValue: 0x7f00_0001), port: 0)
    let quiet = try UDPSocket(binding: loopback)
    let busy = try UDPSocket(binding: loopback)
    var sender = try UDPSocket(binding: loopback)
    var poller = Poller()
    let first = poller.add(quiet.descriptor, .readable)
    let second = poller.add(busy.descriptor, .readable)
    #expect(try poller.wait(nanoseconds: 0) == 0)
    let output = Buffers(count: 1, stride: 16)
    output.put([1], at: 0, to: busy.local)
    #expect(unsafe sender.send(output.first(1)).count == 1)
    #expect(try poller.wait(nanoseconds: nil) == 1)
    let ready = [poller.isReady(first), poller.isReady(second)]
    #expect(ready == [false, true])
    poller.enable(second, false)
    #expect(try poller.wait(nanoseconds: 1000) == 0)
    poller.enable(second, true)
    #expect(try poller.wait(nanoseconds: 1000) == 1)
  }

  @Test func `a writable descriptor is ready at once`() throws {
    let loopback = IPv4Endpoint(address: IPv4Address(rawValue: 0x7f00_0001), port: 0)
    let socket = try UDPSocket(binding: loopback)
    var poller = Poller()
    let index = poller.add(socket.descriptor, .writable)
    #expect(try poller.wait(nanoseconds: nil) == 1)
    let ready = poller.isReady(index)
    #expect(ready)
  }
}

@Suite("Signal queue")
struct SignalQueueTests {
  @Test func `a signal becomes something to read instead of an interruption`() async {
    // In a process of its own: which signals are blocked is nobody else's business.
    await #expect(processExitsWith: .success) {
      let queue = try SignalQueue([SIGUSR1, SIGTERM])
      guard queue.next() == nil else { exit(1) }
      pthread_kill(pthread_self(), SIGTERM)
      var poller = Poller()
      _ = poller.add(queue.descriptor, .readable)
      guard try poller.wait(nanoseconds: 1_000_000_000) == 1 else { exit(2) }
      guard queue.next() == SIGTERM, queue.next() == nil else { exit(3) }
    }
  }
}
