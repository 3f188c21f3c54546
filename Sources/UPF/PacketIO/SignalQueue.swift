internal import CPlatform
package import Platform

/// Signals as something to read: no handler runs, so none can run at the wrong moment.
///
/// Threading: make it on the first thread, before others start, because they inherit that the signals
/// are blocked; a thread that does not block them would be ended by them.
package struct SignalQueue: ~Copyable, Sendable {
  /// Readable when a signal is pending; for a `Poller`.
  package let descriptor: FileDescriptor

  /// Blocks `signals` and queues them here instead.
  package init(_ signals: [Int32]) throws(SystemError) {
    // SAFETY: the array is read for the call only.
    let number = unsafe signals.withUnsafeBufferPointer { buffer -> Int32 in
      guard let first = buffer.baseAddress else { return -1 }
      return unsafe hitless_shim_signal_descriptor(first, UInt32(buffer.count))
    }
    guard number >= 0 else { throw SystemError.last("signalfd", "\(signals)") }
    descriptor = FileDescriptor(owning: number)
  }

  /// Returns the next pending signal, nil when there is none; does not block.
  package borrowing func next() -> Int32? {
    let signal = hitless_shim_signal_next(descriptor.number)
    return signal == 0 ? nil : signal
  }
}
