/// An IPv4 address; the raw value is in host byte order.
package struct IPv4Address: RawRepresentable, Hashable, Sendable {
  /// The address as a number: 10.0.0.1 is 0x0a000001.
  package let rawValue: UInt32

  /// Every local address.
  package static let any = IPv4Address(rawValue: 0)

  /// Creates an address from its number.
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Parses four decimal numbers with dots between them; nothing else is an address.
  package init?(_ text: some StringProtocol) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var value: UInt32 = 0
    for part in parts {
      // A leading zero would be octal to some readers.
      guard part.utf8.allSatisfy({ (0x30...0x39).contains($0) }), part == "0" || part.first != "0",
        let byte = UInt8(part)
      else { return nil }
      value = value << 8 | UInt32(byte)
    }
    rawValue = value
  }
}

extension IPv4Address: CustomStringConvertible {
  /// Four decimal numbers with dots between them.
  package var description: String {
    "\(rawValue >> 24).\(rawValue >> 16 & 0xff).\(rawValue >> 8 & 0xff).\(rawValue & 0xff)"
  }
}

/// An IPv4 address and a UDP port.
package struct IPv4Endpoint: Hashable, Sendable {
  /// The address.
  package var address: IPv4Address
  /// The port in host byte order.
  package var port: UInt16

  /// Creates an endpoint.
  package init(address: IPv4Address, port: UInt16) {
    self.address = address
    self.port = port
  }

  /// Parses `10.0.0.1:2152`, or `10.0.0.1` with the port that is the default here.
  package init?(_ text: String, defaultPort: UInt16? = nil) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard let first = parts.first, let address = IPv4Address(first) else { return nil }
    switch parts.count {
    case 1:
      guard let defaultPort else { return nil }
      self.init(address: address, port: defaultPort)
    case 2:
      guard parts[1].first != "+", let port = UInt16(parts[1]) else { return nil }
      self.init(address: address, port: port)
    default:
      return nil
    }
  }
}

extension IPv4Endpoint: CustomStringConvertible {
  /// `10.0.0.1:2152`.
  package var description: String { "\(address):\(port)" }
}
