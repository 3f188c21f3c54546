import Foundation
import TestSupport
import Testing

/// The command line is the surface: what a session file is told to be, and with which words.
@Suite("Session files")
struct SessionFileTests {
  static let sound = """
    sessions:
      - seid: 0x1
        count: 3
        pdrs:
          - id: 1
            precedence: 100
            pdi: { source_interface: access, f_teid: { teid: 0x1_000 }, ue_ip: 10.60.0.1 }
            far: 1
            qer: 1
            urr: 1
          - id: 2
            precedence: 100
            pdi:
              source_interface: core
              ue_ip: [10.60.0.1, "2001:db8:0:1::/64"]
              sdf_filters: ["permit out ip from any to assigned"]
            far: 2
        fars:
          - { id: 1, apply_action: forward, destination_interface: core }
          - id: 2
            apply_action: forward
            destination_interface: access
            outer_header_creation: { teid: 0x101, ipv4: 127.77.0.2, port: 2152 }
        qers:
          - { id: 1, qfi: 9, gate_status: { uplink: open }, mbr: { uplink: 10M }, burst: { uplink: 20000 } }
        urrs:
          - { id: 1, measurement_method: volume }

    """

  private func check(_ text: String) throws -> ProgramRun {
    let directory = try TemporaryDirectory()
    let file = try directory.write("s.yaml", Array(text.utf8))
    return try run(BuiltProduct.path("upfd"), ["check", "--json", "--config", file])
  }

  @Test func `a sound file is counted`() throws {
    let checked = try check(Self.sound)
    #expect(checked.status == 0, "\(checked.errors)")
    #expect(
      checked.output
        == #"{"sequence":0,"sessions":3,"pdrs":9,"filters":5,"fars":6,"qers":3,"urrs":3,"overdue":0}"#
        + "\n")
  }

  /// What is replaced by what, and what the message must name.
  static let wrong: [(from: String, to: String, words: [String])] = [
    ("seid: 0x1", "seid: -1", [":2:11:", "sessions[0].seid", "'-1'"]),
    ("far: 1\n", "far: x\n", [":8:", "sessions[0].pdrs[0].far", "'x'"]),
    ("urr: 1\n", "urrr: 1\n", ["'urrr' is not known", "precedence"]),
    ("precedence: 100\n        pdi: {", "pdi: {", ["'precedence' is missing"]),
    ("source_interface: core", "source_interface: moon", ["'moon'", "access, core"]),
    ("ue_ip: 10.60.0.1 }", "ue_ip: 10.60.0.0/24 }", ["single address"]),
    ("2001:db8:0:1::/64", "2001:db8:0:1::/48", ["/64"]),
    ("permit out ip", "permit in ip", ["sdf_filters[0]", "'in'"]),
    ("ipv4: 127.77.0.2", "ipv4: 127.77.0", ["outer_header_creation.ipv4"]),
    ("uplink: 10M", "uplink: 10T", ["mbr.uplink", "'10T'"]),
    ("far: 2\n", "far: 7\n", ["names FAR 7", "s.yaml:2:5"]),
    ("method: volume", "method: time", ["'time'"]),
    ("sessions:", "session:", ["'session' is not known"]),
    ("  - seid", "    seid", ["s.yaml"]),
  ]

  @Test(arguments: wrong.indices)
  func `what is wrong is said with its place`(index: Int) throws {
    let (from, to, words) = Self.wrong[index]
    let place = try #require(Self.sound.firstRange(of: from))
    let checked = try check(Self.sound.replacingCharacters(in: place, with: to))
    #expect(checked.status == 10, "\(checked.errors)")
    #expect(checked.errors.hasPrefix("upfd: error: "))
    for word in words { #expect(checked.errors.contains(word), "\(word): \(checked.errors)") }
    #expect(checked.output.isEmpty)
  }

  @Test(arguments: ["", "sessions", "- 1", "a: [", "sessions: 5"])
  func `what is no session file is refused`(text: String) throws {
    #expect(try check(text).status == 10)
  }

  @Test func `a file that is not there is an error of its own`() throws {
    let checked = try run(
      BuiltProduct.path("upfd"), ["check", "--config", "/nowhere/s.yaml"])
    #expect(checked.status == 61)
    #expect(checked.errors.contains("'/nowhere/s.yaml'"))
  }
}
