import CodeReferences
import DeltaEncoder
import DeltaModel
import Foundation
import TestSupport
import Testing

/// The smallest change there is: what is foretold has to cost next to nothing.
@Suite("One constant of a library")
struct OneConstantTests {
  private static let library = "/usr/lib/x86_64-linux-gnu/libssl.so.3"

  @Test(
    .enabled(if: FileManager.default.isReadableFile(atPath: Self.library)),
    arguments: [false, true])
  func `a constant of another value takes 60 bytes, with a new build-id 85`(hasNewName: Bool) throws
  {
    let base = try [UInt8](Data(contentsOf: URL(fileURLWithPath: Self.library)))
    var target = base
    var reader = FieldReader(FieldMap(base))
    // A constant in the middle of the code.
    let start = base.count / 2
    let place = try #require(
      (start..<base.count).first {
        let kind = reader.kind(at: $0)
        return kind.isFirst && kind.plain == .immediate32
      })
    target[place] ^= 0x15
    if hasNewName {
      let marker: [UInt8] = Array("GNU\0".utf8)
      let note = try #require(
        (64..<4096).first { base[$0..<$0 + 4].elementsEqual(marker) && base[$0 - 4] == 3 })
      var generator = SeededGenerator(seed: 77)
      target.replaceSubrange(note + 4..<note + 24, with: generator.bytes(20))
    }
    let delta = DeltaEncoder.encode(base: base, target: target)
    #expect(try delta.header.decodeBody(of: delta.bytes, base: base).elementsEqual(target))
    #expect(delta.bytes.count <= (hasNewName ? 85 : 60), "\(delta.bytes.count) bytes")
  }
}
