internal import ArgumentParser
internal import Glibc
internal import PacketIO
internal import Platform
internal import Refusal

/// What the data network is: a TUN device, or a local socket in its place.
enum N6Endpoint: ExpressibleByArgument {
  case tun(String)
  case local(String)

  /// Reads `tun:NAME`, `local:PATH`, or a device's name alone.
  init?(argument: String) {
    if argument.hasPrefix("local:") {
      self = .local(String(argument.dropFirst(6)))
    } else {
      self = .tun(argument.hasPrefix("tun:") ? String(argument.dropFirst(4)) : argument)
    }
    switch self {
    case .tun(let text), .local(let text): if text.isEmpty { return nil }
    }
  }

  /// How it is written.
  var text: String {
    switch self {
    case .tun(let name): "tun:\(name)"
    case .local(let path): "local:\(path)"
    }
  }

  /// Opens it for one of `workers` workers.
  func open(workers: Int) throws(Refusal) -> PacketPort {
    do throws(SystemError) {
      switch self {
      case .tun(let name): return try PacketPort.tun(name, multiQueue: workers > 1)
      case .local(let path): return try PacketPort.connect(path)
      }
    } catch {
      throw refusal(error)
    }
  }

  private func refusal(_ error: SystemError) -> Refusal {
    switch self {
    case .tun where [EPERM, EACCES].contains(error.code):
      Refusal(
        .io, "\(error)", hint: "run as root or with CAP_NET_ADMIN, or make the device for this user"
      )
    case .tun where error.code == EBUSY:
      Refusal(
        .io, "\(error)",
        hint: "another program has the device, or it was made with another number of queues")
    case .local where [ENOENT, ECONNREFUSED].contains(error.code):
      Refusal(
        .io, "\(error)",
        hint: "nobody listens there: start the data network first (gnbsim reflect --port PATH)")
    case .tun, .local: error.refusal
    }
  }
}
