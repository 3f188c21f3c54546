internal import Glibc

/// An IPv4 or IPv6 address as sixteen bytes; an IPv4 address stands in the first four.
package struct IPAddress: Hashable, Sendable {
  /// 4 or 6.
  package let version: UInt8
  /// Bytes 0 to 7, the first the most significant.
  package let high: UInt64
  /// Bytes 8 to 15.
  package let low: UInt64

  /// Creates an IPv4 address from its number in host byte order.
  package init(v4 number: UInt32) {
    version = 4
    high = UInt64(number) << 32
    low = 0
  }

  /// Creates an IPv6 address from its two halves in host byte order.
  package init(v6 high: UInt64, _ low: UInt64) {
    version = 6
    self.high = high
    self.low = low
  }

  /// Parses either family's text form.
  package init?(_ text: String) {
    var v4 = in_addr()
    var v6 = in6_addr()
    // SAFETY: the text is NUL-terminated for the calls; each result is of its family's type.
    if unsafe inet_pton(AF_INET, text, &v4) == 1 {
      self.init(v4: UInt32(bigEndian: v4.s_addr))
    } else if unsafe inet_pton(AF_INET6, text, &v6) == 1 {
      let halves = unsafe withUnsafeBytes(of: v6) { bytes in
        unsafe (bytes.load(as: UInt64.self), bytes.load(fromByteOffset: 8, as: UInt64.self))
      }
      self.init(v6: UInt64(bigEndian: halves.0), UInt64(bigEndian: halves.1))
    } else {
      return nil
    }
  }

  /// The IPv4 number in host byte order.
  package var v4Number: UInt32? { version == 4 ? UInt32(high >> 32) : nil }

  /// Bits of an address of this version.
  package var bitCount: UInt8 { version == 4 ? 32 : 128 }
}

extension IPAddress: CustomStringConvertible {
  /// The usual text form.
  package var description: String {
    var halves = (high.bigEndian, low.bigEndian)
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    // SAFETY: 16 bytes hold either family's address, and the text has room for both.
    let result = unsafe inet_ntop(
      version == 4 ? AF_INET : AF_INET6, &halves, &text, socklen_t(INET6_ADDRSTRLEN))
    guard unsafe result != nil else { return "?" }
    return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}

/// A range of addresses that begin with the same bits.
package struct IPPrefix: Hashable, Sendable {
  /// The first address.
  package let address: IPAddress
  /// How many bits count.
  package let length: UInt8

  /// Creates a prefix; nil when the length is beyond the address.
  package init?(_ address: IPAddress, length: UInt8) {
    guard length <= address.bitCount else { return nil }
    self.address = address
    self.length = length
  }

  /// Parses `10.0.0.0/8`, or an address alone.
  package init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), let address = IPAddress(String(parts[0])) else {
      return nil
    }
    guard parts.count == 2 else {
      self.init(address, length: address.bitCount)
      return
    }
    guard parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let length = UInt8(parts[1])
    else { return nil }
    self.init(address, length: length)
  }
}
