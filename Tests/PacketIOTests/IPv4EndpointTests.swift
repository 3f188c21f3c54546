import PacketIO
import Testing

@Suite("IPv4 endpoint")
struct IPv4EndpointTests {
  @Test func `an address and a port are read and written alike`() throws {
    let endpoint = try #require(IPv4Endpoint("10.0.200.255:2152"))
    #expect(endpoint.address.rawValue == 0x0a00_c8ff)
    #expect(endpoint.port == 2152)
    #expect("\(endpoint)" == "10.0.200.255:2152")
  }

  @Test func `a missing port is the default, if there is one`() {
    #expect(IPv4Endpoint("1.2.3.4", defaultPort: 7)?.port == 7)
    #expect(IPv4Endpoint("1.2.3.4") == nil)
  }

  @Test(arguments: [
    "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1..2.3", "01.2.3.4", "+1.2.3.4", " 1.2.3.4", "1.2.3.4:",
    "1.2.3.4:65536", "1.2.3.4:+1", "1.2.3.4:1:2", "a.b.c.d:1", "1.2.3.4:-1", "::1",
  ])
  func `what is not exactly an endpoint is none`(text: String) {
    #expect(IPv4Endpoint(text, defaultPort: 1) == nil)
  }
}
