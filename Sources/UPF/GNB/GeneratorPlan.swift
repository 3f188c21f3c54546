package import PacketIO

/// What a generator is to do.
package struct GeneratorPlan: Sendable {
  /// Where the reflector listens.
  package var sink: IPv4Endpoint
  /// Bytes of an IP packet.
  package var packetSize = 128
  /// Most packets of the windowed stream under way.
  package var window = 256
  /// Most packets sent at once.
  package var batch = 32
  /// Packets per second, both streams together; nil: as fast as the window permits.
  package var rate: UInt64?
  /// Packets of the windowed stream to send; nil: until told to end.
  package var count: UInt64?
  /// One packet of the free stream after so many of the windowed one; 0: none.
  package var freeEvery: UInt64 = 0
  /// After so long without an arrival, packets under way count as missing.
  package var patience: UInt64 = 2_000_000_000
  /// UEs of the windowed stream are the directory's first so many, those of the free stream the rest.
  package var windowedUEs: Int

  /// A plan with the defaults.
  package init(sink: IPv4Endpoint, windowedUEs: Int) {
    self.sink = sink
    self.windowedUEs = windowedUEs
  }
}
