package import Refusal

/// An SDF filter in the form of an IPFilterRule (TS 29.244, section 5.2.1A.2A; RFC 6733, 4.3.1).
///
/// `permit out PROTOCOL from REMOTE [PORTS] to UE [PORTS]`: it describes the downlink packet, and
/// stands for the uplink one with the ends swapped.
package struct FlowDescription: Equatable, Sendable {
  /// A contiguous range of ports.
  package typealias Ports = ClosedRange<UInt16>

  /// Transport protocol; nil is any.
  package var transport: UInt8?
  /// The data network's side; nil is any.
  package var remote: IPPrefix?
  /// Ports of that side, any of them; empty is any at all.
  package var remotePorts: [Ports]
  /// The user's side; nil is any, and `assigned` is: what the PDR's key says.
  package var ue: IPPrefix?
  /// Ports of the user's side.
  package var uePorts: [Ports]

  /// Most filters that the port lists of one description may multiply to.
  package static let expansionLimit = 256

  /// Creates a description.
  package init(
    transport: UInt8? = nil, remote: IPPrefix? = nil, remotePorts: [Ports] = [],
    ue: IPPrefix? = nil, uePorts: [Ports] = []
  ) {
    self.transport = transport
    self.remote = remote
    self.remotePorts = remotePorts
    self.ue = ue
    self.uePorts = uePorts
  }

  /// Parses the text form.
  package init(parsing text: String) throws(Refusal) {
    var words = Words(text)
    try words.expect("permit")
    try words.expect("out")
    transport = try words.transport()
    try words.expect("from")
    remote = try words.prefix(alias: nil)
    remotePorts = try words.ports()
    try words.expect("to")
    ue = try words.prefix(alias: "assigned")
    uePorts = try words.ports()
    try words.end()
    if let remote, let ue, remote.address.version != ue.address.version {
      throw Refusal(.format, "flow description '\(text)' mixes IPv4 and IPv6")
    }
    guard max(remotePorts.count, 1) * max(uePorts.count, 1) <= Self.expansionLimit else {
      throw Refusal(
        .limit, "flow description '\(text)' stands for more than \(Self.expansionLimit) filters")
    }
  }
}

/// The words of a flow description, taken one after the other.
private struct Words {
  private let text: String
  private var rest: ArraySlice<Substring>

  init(_ text: String) {
    self.text = text
    rest = text.split(whereSeparator: \.isWhitespace)[...]
  }

  private func refusal(_ what: String) -> Refusal {
    Refusal(
      .format, "flow description '\(text)': \(what)",
      hint: "the form is: permit out PROTOCOL from ADDRESS [PORTS] to ADDRESS [PORTS]")
  }

  mutating func expect(_ word: String) throws(Refusal) {
    guard let found = rest.popFirst() else { throw refusal("'\(word)' is missing") }
    guard found == word else { throw refusal("'\(found)' stands where '\(word)' is expected") }
  }

  mutating func end() throws(Refusal) {
    if let more = rest.first { throw refusal("'\(more)' follows where it should have ended") }
  }

  mutating func transport() throws(Refusal) -> UInt8? {
    guard let word = rest.popFirst() else { throw refusal("the protocol is missing") }
    switch word {
    case "ip": return nil
    case "icmp": return 1
    case "tcp": return 6
    case "udp": return 17
    case "icmpv6": return 58
    case "sctp": return 132
    default:
      guard let number = decimal(word, UInt8.self) else {
        throw refusal("'\(word)' is no protocol")
      }
      return number
    }
  }

  mutating func prefix(alias: String?) throws(Refusal) -> IPPrefix? {
    guard let word = rest.popFirst() else { throw refusal("an address is missing") }
    if word == "any" || alias.map({ $0 == word }) == true { return nil }
    guard let prefix = IPPrefix(String(word)) else { throw refusal("'\(word)' is no address") }
    return prefix
  }

  mutating func ports() throws(Refusal) -> [FlowDescription.Ports] {
    guard let word = rest.first, word.first?.isNumber == true else { return [] }
    rest.removeFirst()
    var ranges: [FlowDescription.Ports] = []
    for part in word.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false)
      guard (1...2).contains(ends.count), let first = decimal(ends[0], UInt16.self),
        let last = decimal(ends[ends.count - 1], UInt16.self), first <= last
      else { throw refusal("'\(part)' is no port or range of ports") }
      ranges.append(first...last)
    }
    return ranges
  }

  private func decimal<T: FixedWidthInteger>(_ word: Substring, _: T.Type) -> T? {
    guard word.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return T(word)
  }
}
