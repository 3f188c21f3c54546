internal import CHitless
internal import Platform

/// What this host offers to `attach` and `selftest`, in memory that a module may keep a pointer to.
///
/// Threading: immutable; modules may call the services from any thread but a packet path.
@safe
package final class HostServices: @unchecked Sendable {
  /// Receives one line of a module, with a level as in syslog.
  package typealias Log = @Sendable (_ level: Int32, _ message: String) -> Void

  /// Longest line that is taken from a module.
  package static let lineLimit = 1024

  let pointer: UnsafeMutablePointer<hitless_host_services>
  private let log: Log

  /// Creates services whose log lines go to `log`.
  package init(log: @escaping Log = { _, _ in }) {
    self.log = log
    unsafe pointer = .allocate(capacity: 1)
    unsafe pointer.initialize(
      to: hitless_host_services(
        size: UInt32(MemoryLayout<hitless_host_services>.size), abi_version: HITLESS_ABI_VERSION,
        context: nil, log: { unsafe writeLine($0, $1, $2) },
        clock: { _ in MonotonicClock.now }))
    unsafe pointer.pointee.context = Unmanaged.passUnretained(self).toOpaque()
  }

  deinit {
    unsafe pointer.deallocate()
  }

  fileprivate func write(_ level: Int32, _ message: String) { log(level, message) }
}

private func writeLine(
  _ context: UnsafeMutableRawPointer?, _ level: Int32, _ message: UnsafePointer<CChar>?
) {
  guard let context = unsafe context, let message = unsafe message else { return }
  // SAFETY: the context is the services object, which lives as long as a module is attached to it.
  let services = unsafe Unmanaged<HostServices>.fromOpaque(context).takeUnretainedValue()
  var line: [UInt8] = []
  // SAFETY: the module hands over a NUL-terminated line; at most `lineLimit` bytes of it are read.
  while line.count < HostServices.lineLimit, unsafe message[line.count] != 0 {
    line.append(UInt8(bitPattern: unsafe message[line.count]))
  }
  services.write(level, String(decoding: line, as: UTF8.self))
}
