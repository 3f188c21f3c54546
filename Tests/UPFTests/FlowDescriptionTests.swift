import Refusal
import Testing
import UPF

@Suite("Flow descriptions")
struct FlowDescriptionTests {
  @Test func `every part is read`() throws {
    let flow = try FlowDescription(
      parsing: "permit out  17 from 10.0.0.0/8 80,1000-2000 to 10.60.0.1/32 5060")
    #expect(
      flow
        == FlowDescription(
          transport: 17, remote: IPPrefix("10.0.0.0/8"), remotePorts: [80...80, 1000...2000],
          ue: IPPrefix("10.60.0.1"), uePorts: [5060...5060]))
  }

  @Test func `any, assigned and ip leave things open`() throws {
    #expect(
      try FlowDescription(parsing: "permit out ip from any to assigned") == FlowDescription())
    #expect(
      try FlowDescription(parsing: "permit out tcp from any 443 to any")
        == FlowDescription(transport: 6, remotePorts: [443...443]))
    #expect(
      try FlowDescription(parsing: "permit out udp from 2001:db8::/32 to assigned").remote
        == IPPrefix("2001:db8::/32"))
  }

  @Test(arguments: [
    "", "permit", "deny out ip from any to any", "permit in ip from any to any",
    "permit out", "permit out xxx from any to any", "permit out 256 from any to any",
    "permit out ip from any", "permit out ip from any to", "permit out ip any to any",
    "permit out ip from 1.2.3 to any", "permit out ip from 1.2.3.4/33 to any",
    "permit out ip from 1.2.3.4/ to any", "permit out ip from 1.2.3.4/+8 to any",
    "permit out ip from any 70000 to any", "permit out ip from any 9-5 to any",
    "permit out ip from any 1, to any", "permit out ip from any 1-2-3 to any",
    "permit out ip from any to any 5 6", "permit out ip from 10.0.0.1 to 2001:db8::1",
    "permit out ip from assigned to any",
  ])
  func `what is none is refused with the text itself`(text: String) {
    let error = #expect(throws: Refusal.self) { try FlowDescription(parsing: text) }
    #expect(error?.message.contains("'\(text)'") == true)
  }

  @Test func `port lists may multiply, up to a cap`() throws {
    let sixteen = (1...16).map(String.init).joined(separator: ",")
    _ = try FlowDescription(parsing: "permit out udp from any \(sixteen) to any \(sixteen)")
    let error = #expect(throws: Refusal.self) {
      try FlowDescription(parsing: "permit out udp from any \(sixteen),17 to any \(sixteen)")
    }
    #expect(error?.kind == .limit)
  }

  @Test func `addresses are written as they are read`() {
    for text in ["10.0.0.1", "255.255.255.255", "2001:db8::1", "::"] {
      #expect(IPAddress(text)?.description == text)
    }
    for text in ["", "10.0.0", "10.0.0.256", "x", "2001::db8::1"] {
      #expect(IPAddress(text) == nil, "\(text)")
    }
  }
}
