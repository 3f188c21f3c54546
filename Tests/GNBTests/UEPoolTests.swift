import PacketIO
import Testing

@testable import GNB

@Suite("UE pool")
struct UEPoolTests {
  @Test func `a pool is read, with one UE by default`() throws {
    let one = try #require(UEPool("10.60.0.1,0x10,257,9"))
    #expect(one.count == 1)
    #expect(one.uplinkTEID == 16)
    #expect(one.downlinkTEID == 257)
    #expect(one.qfi == 9)
    #expect(UEPool("10.60.0.1,1,2,63,64")?.count == 64)
  }

  @Test(arguments: [
    "", "10.60.0.1", "10.60.0.1,1,2", "10.60.0.1,1,2,64", "10.60.0.1,1,2,9,0", "10.60.0.1,1,2,9,-1",
    "10.60.0.1,0xg,2,9", "10.60.0.1,4294967296,2,9", "10.60.0.1,4294967295,2,9,2",
    "255.255.255.255,1,2,9,2", "10.60.0.1,1,2,9,16777217", "10.60.0.1,1,2,9,1,1", "a,1,2,9",
  ])
  func `what is no pool is refused`(text: String) {
    #expect(UEPool(text) == nil)
  }

  @Test func `every UE is found by number, address and tunnel, and nothing beside them is`() throws
  {
    let first = try #require(UEPool("10.60.0.250,100,200,9,10"))
    let second = try #require(UEPool("10.61.0.1,1000,2000,5,3"))
    let directory = UEDirectory([first, second])
    #expect(directory.count == 13)
    for index in 0..<13 {
      let ue = try #require(directory.ue(index))
      let step = UInt32(index < 10 ? index : index - 10)
      #expect(ue.index == index)
      #expect(ue.uplinkTEID == (index < 10 ? 100 : 1000) + step)
      #expect(directory.ue(at: ue.address.rawValue) == ue)
      #expect(directory.ue(downlinkTEID: (index < 10 ? 200 : 2000) + step) == ue)
    }
    #expect(directory.ue(13) == nil)
    #expect(directory.ue(-1) == nil)
    #expect(directory.ue(at: 0x0a3c_00f9) == nil)
    #expect(directory.ue(at: 0x0a3c_0104) == nil)
    #expect(directory.ue(downlinkTEID: 199) == nil)
    #expect(directory.ue(downlinkTEID: 210) == nil)
    #expect(directory.ue(downlinkTEID: .max) == nil)
  }
}
