import TestSupport

/// Files of kinds that are found everywhere, made without their tools.
enum SampleFiles {
  /// Chunks as those of a PNG: text, then what a compressor made of pixels, with lengths and checksums.
  static let picture: [UInt8] = {
    var generator = SeededGenerator(seed: 31)
    var bytes: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]
    bytes += chunk("IHDR", [0, 0, 1, 0, 0, 0, 1, 0, 8, 6, 0, 0, 0], &generator)
    for key in ["Title", "Author", "Software", "Creation Time"] {
      bytes += chunk("tEXt", Array("\(key)\0the \(key) of a picture".utf8), &generator)
    }
    for _ in 0..<3 { bytes += chunk("IDAT", generator.bytes(2000), &generator) }
    return bytes + chunk("IEND", [], &generator)
  }()

  private static func chunk(
    _ name: String, _ contents: [UInt8], _ generator: inout SeededGenerator
  ) -> [UInt8] {
    big(contents.count, 4) + Array(name.utf8) + contents + generator.bytes(4)
  }

  /// Two channels of 24 bits, the lowest byte first: a string that was plucked, and its echo.
  static let sound: [UInt8] = {
    var generator = SeededGenerator(seed: 32)
    let length = 84
    var string = (0..<length).map { _ in Int.random(in: -(1 << 20)...1 << 20, using: &generator) }
    var bytes: [UInt8] = Array("RIFF....WAVEfmt ................data....".utf8)
    for index in 0..<1200 {
      let sample = string[index % length]
      string[index % length] = (sample + string[(index + 1) % length]) / 2
      for value in [sample, string[(index + 40) % length] / 2] {
        bytes += big(value, 3).reversed()
      }
    }
    return bytes
  }()

  /// Icons of several sizes as in an ICNS: three planes of run lengths each, then one of alpha.
  static let icons: [UInt8] = {
    var bytes: [UInt8] = Array("icns....".utf8)
    for (name, size) in [("is32", 16), ("il32", 32), ("ih32", 48)] {
      let planes = (0..<3).flatMap { packed(plane($0, size)) }
      let alpha = (0..<size * size).map { inside($0, size) ? UInt8(255) : 0 }
      bytes += Array(name.utf8) + big(planes.count + 8, 4) + planes
      bytes += Array("x8mk".utf8) + big(alpha.count + 8, 4) + alpha
    }
    return bytes
  }()

  private static func inside(_ index: Int, _ size: Int) -> Bool {
    let (x, y) = (2 * (index % size) - size + 1, 2 * (index / size) - size + 1)
    return x * x + y * y < size * size
  }

  private static func plane(_ number: Int, _ size: Int) -> [UInt8] {
    (0..<size * size).map { index in
      let (x, y) = (index % size * 48 / size, index / size * 48 / size)
      return inside(index, size) ? UInt8(x * (number + 1) + y * (3 - number)) : 0
    }
  }

  /// Lengths of runs, and of what is none, before the bytes.
  private static func packed(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var others: [UInt8] = []
    var place = 0
    while place < bytes.count {
      let count = min(130, bytes[place...].prefix { $0 == bytes[place] }.count)
      if count >= 3 || others.count == 128 {
        result += others.isEmpty ? [] : [UInt8(others.count - 1)] + others
        others = []
      }
      if count >= 3 {
        result += [UInt8(count + 125), bytes[place]]
        place += count
      } else {
        others.append(bytes[place])
        place += 1
      }
    }
    return result + (others.isEmpty ? [] : [UInt8(others.count - 1)] + others)
  }

  /// A library as `ar` makes it: an index, and many members that have little in them.
  static let archive: [UInt8] = {
    var generator = SeededGenerator(seed: 33)
    var members: [UInt8] = []
    var index = big(40, 4)
    for number in 0..<40 {
      index += big(members.count, 4)
      var object: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]
      for _ in 0..<6 {
        object += [0x48, 0x8b, 0x05]
        object += generator.bytes(2)
        object += [0, 0]
      }
      members += member("part\(number).o/", object)
    }
    let names = (0..<40).flatMap { Array("library_part_\($0)\0".utf8) }
    return Array("!<arch>\n".utf8) + member("/", index + names) + members
  }()

  private static func member(_ name: String, _ contents: [UInt8]) -> [UInt8] {
    let fields = [(name, 16), ("1700000000", 12), ("0", 6), ("0", 6), ("644", 8)]
    let text = (fields + [("\(contents.count)", 10)])
      .map { $0.0 + String(repeating: " ", count: $0.1 - $0.0.count) }.joined()
    let padded = contents.count % 2 == 0 ? contents : contents + [10]
    return Array(text.utf8) + [0x60, 10] + padded
  }

  private static func big(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * (count - 1 - $0))) }
  }
}
