import Foundation
import GTPU
import Testing

/// Two programs that know GTP-U and not this code: Wireshark's dissector reads what is written here,
/// and Scapy writes what is read here.
@Suite("GTP-U against independent judges")
struct JudgeTests {
  private static let payload: [UInt8] =
    [0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0xb4, 0xc8, 192, 0, 2, 2, 1, 2, 3, 4]
    + [0, 53, 0, 53, 0, 8, 0x39, 0x6c]

  @Test func `tshark reads every field of a G-PDU as it was written`() throws {
    let headers = [
      GTPUHeader(.packet, teid: 0x0102_0304, pduSession: PDUSessionContainer(.uplink, qfi: 9)),
      GTPUHeader(
        .packet, teid: 1,
        pduSession: PDUSessionContainer(.downlink, qfi: 63, reflectiveQoS: true, pagingPolicy: 5)),
      GTPUHeader(.packet, teid: 2, sequenceNumber: 0xfffe, nPDUNumber: 7, udpPort: 40_000),
      GTPUHeader(.packet, teid: 0xffff_ffff),
    ]
    var capture = Capture()
    for header in headers { capture.add(header.message(Self.payload)) }
    let rows = try capture.judged([
      "gtp.teid", "gtp.ext_hdr.pdu_ses_con.pdu_type", "gtp.ext_hdr.pdu_ses_con.qos_flow_id",
      "gtp.ext_hdr.pdu_ses_cont.ppi", "gtp.seq_number", "gtp.ext_hdr.udp_port", "ip.dst",
      "_ws.malformed", "_ws.expert.message",
    ])
    #expect(
      rows == [
        ["0x01020304", "1", "9", "", "", "", "10.0.0.2,1.2.3.4", "", ""],
        ["0x00000001", "0", "63", "5", "", "", "10.0.0.2,1.2.3.4", "", ""],
        ["0x00000002", "", "", "", "0xfffe", "40000", "10.0.0.2,1.2.3.4", "", ""],
        ["0xffffffff", "", "", "", "", "", "10.0.0.2,1.2.3.4", "", ""],
      ])
  }

  @Test func `tshark reads every control message as it was written`() throws {
    var capture = Capture()
    for sample in ControlMessageTests.samples { capture.add(sample.encoded) }
    let rows = try capture.judged([
      "gtp.message", "gtp.seq_number", "gtp.recovery", "gtp.teid_data", "gtp.gsn_ipv4",
      "gtp.gsn_ipv6", "_ws.malformed", "_ws.expert.message",
    ])
    #expect(
      rows == [
        ["0x01", "0x1234", "", "", "", "", "", ""], ["0x02", "0x1234", "0", "", "", "", "", ""],
        ["0x1a", "0x0000", "", "0x01020304", "10.0.0.1", "", "", ""],
        ["0x1a", "0x0000", "", "0x01020304", "10.0.0.1", "", "", ""],
        ["0x1a", "0x0000", "", "0xffffffff", "", "2001:db8:0:1:203:405:607:809", "", ""],
        ["0x1f", "0x0000", "", "", "", "", "", ""], ["0x1f", "0x0000", "", "", "", "", "", ""],
        ["0xfe", "", "", "", "", "", "", ""], ["0xfe", "", "", "", "", "", "", ""],
      ])
  }

  /// The judge is not blind: a container whose length is wrong is malformed for it, too.
  @Test func `tshark calls a broken message malformed`() throws {
    var capture = Capture()
    capture.add(Array(ControlMessageTests.samples[2].encoded.dropLast(3)))
    let rows = try capture.judged(["_ws.malformed"])
    #expect(rows.first?.first?.isEmpty == false)
  }

  @Test func `what Scapy writes is read`() throws {
    let script = """
      from scapy.contrib.gtp import *
      from scapy.all import IP, UDP
      inner = IP(src="192.0.2.2", dst="1.2.3.4") / UDP()
      for message in [
          GTP_U_Header(teid=5, next_ex=0x85)/GTPPDUSessionContainer(type=1, QFI=9)/inner,
          GTP_U_Header(teid=6, next_ex=0x85)/GTPPDUSessionContainer(type=0, PPP=1, PPI=3, QFI=8, \
      ExtHdrLen=2, padding=b"\\0\\0\\0")/inner,
          GTP_U_Header(teid=7, S=1, seq=77, PN=1, npdu=5)/inner,
          GTP_U_Header(teid=8, gtp_type=255, E=1, next_ex=0x40)/GTP_UDPPort_ExtensionHeader(udp_port=4711)/inner,
          GTP_U_Header(teid=0, S=1, seq=3)/GTPEchoRequest(),
          GTP_U_Header(teid=0, S=1, seq=4)/GTPEchoResponse(IE_list=[IE_Recovery(restart_counter=6)]),
          GTP_U_Header(teid=0, S=1)/GTPErrorIndication(IE_list=[
              IE_TEIDI(TEIDI=99), IE_GSNAddress(length=4, ipv4_address="10.1.2.3")]),
          GTP_U_Header(teid=9, gtp_type=254),
      ]:
          print(bytes(message).hex())
      """
    let lines = try output(of: "/usr/bin/python3", ["-c", script]).split(separator: "\n")
    let messages = try lines.map { try bytes(hex: $0) }
    try #require(messages.count == 8)
    let packets = try messages.prefix(4).map(parseHeader)
    #expect(
      packets.map(\.teid) == [5, 6, 7, 8] && packets.map(\.payloadOffset) == [16, 20, 12, 16])
    #expect(packets[0].pduSession == PDUSessionContainer(.uplink, qfi: 9))
    #expect(packets[1].pduSession == PDUSessionContainer(.downlink, qfi: 8, pagingPolicy: 3))
    #expect(packets[2].sequenceNumber == 77 && packets[2].nPDUNumber == 5)
    #expect(packets[3].udpPort == 4711)
    #expect(
      try messages.dropFirst(4).map(parseMessage) == [
        .echoRequest(sequenceNumber: 3), .echoResponse(sequenceNumber: 4, restartCounter: 6),
        .errorIndication(teid: 99, peer: .v4(0x0a01_0203), udpPort: nil),
        .endMarker(teid: 9, pduSession: nil),
      ])
  }

  private func bytes(hex: Substring) throws -> [UInt8] {
    let digits = Array(hex.utf8)
    return try stride(from: 0, to: digits.count, by: 2).map { index in
      try #require(UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16))
    }
  }
}
