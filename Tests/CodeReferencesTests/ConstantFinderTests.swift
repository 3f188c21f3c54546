import TestSupport
import Testing

@testable import CodeReferences

/// Where the constants stand of which code takes the address.
@Suite("Constants that code takes")
struct ConstantFinderTests {
  /// Two sections of a page each with constants, the second moved in memory to the middle of the first.
  private static let overlapping = Result { () throws -> (ElfLayout, first: Int, second: Int) in
    let directory = try TemporaryDirectory()
    let source = try directory.write(
      "data.s",
      Array(".section .first, \"a\"\n.zero 4096\n.section .second, \"a\"\n.zero 4096\n".utf8))
    let object = directory.path("data.so")
    let built = try run("/usr/bin/gcc", ["-shared", "-nostdlib", "-o", object, source])
    try #require(built.status == 0, "\(built.errors)")
    var elf = EditedElf(try directory.bytes("data.so"))
    let sections = (0..<elf.sectionCount).filter { elf[$0].size == 4096 && elf[$0].flags == 2 }
    try #require(sections.count == 2)
    elf[sections[1]].address = elf[sections[0]].address + 2048
    return (try #require(layoutOf(elf.bytes)), sections[0], sections[1])
  }

  @Test
  func `where sections overlap in memory, the first has the constants, whatever was asked before`()
    throws
  {
    let (layout, first, second) = try Self.overlapping.get()
    let address = layout.address(of: first)
    let places = [0, 2044, 2048, 3000, 4092, 4096, 5000, 6140, 6144, 9000]
    func expected(_ place: Int) -> Int? {
      switch place {
      case ..<4096: layout.range(of: first).lowerBound + place
      case ..<6144: layout.range(of: second).lowerBound + place - 2048
      default: nil
      }
    }
    for before in places {
      for place in places {
        var finder = ConstantFinder(layout: layout)
        _ = finder.offset(of: address + UInt64(before))
        let found = finder.offset(of: address + UInt64(place))
        #expect(found == expected(place), "\(place) after \(before)")
      }
    }
  }

  @Test func `what is no multiple of four, and what is no constant, is not found`() throws {
    let (layout, first, _) = try Self.overlapping.get()
    var finder = ConstantFinder(layout: layout)
    let address = layout.address(of: first)
    for target in [address + 1, address + 2, address + 3, 0, .max, address &- 4] {
      #expect(finder.offset(of: target) == nil)
    }
  }
}
