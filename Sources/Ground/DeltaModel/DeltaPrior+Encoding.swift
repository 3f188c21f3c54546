extension DeltaPrior {
  /// The bytes of the prior, rounded to what they can hold.
  package var encoded: [UInt8] { encodedSlots + encodedWeights }

  /// The first part of the bytes: adaptive bits.
  package var encodedSlots: [UInt8] { starts.flatMap { Self.encoded($0.slots) } }

  /// The second part of the bytes: weights.
  package var encodedWeights: [UInt8] { starts.flatMap { Self.encoded($0.weights) } }

  private static func encoded(_ slots: [(key: UInt32, state: UInt32)]) -> [UInt8] {
    var bytes = LEB128.bytes(UInt64(slots.count))
    var last: UInt32 = 0
    for (key, state) in slots {
      let stretched = Int(CodingTables.shared.stretch[Int(state >> 16)])
      bytes += LEB128.bytes(UInt64(key - last))
      bytes.append(byte(stretched, unit: units.stretch))
      bytes.append(UInt8(min(255, state & CodingTables.countLimit)))
      last = key
    }
    return bytes
  }

  /// Weights that follow each other are a run: how many places after the last one, how many, their bytes.
  private static func encoded(_ weights: [(place: Int, value: Int32)]) -> [UInt8] {
    var runs: [(start: Int, bytes: [UInt8])] = []
    for (place, value) in weights {
      let stored = byte(Int(value), unit: units.weight)
      if let last = runs.last, last.start + last.bytes.count == place {
        runs[runs.count - 1].bytes.append(stored)
      } else {
        runs.append((place, [stored]))
      }
    }
    var bytes = LEB128.bytes(UInt64(runs.count))
    var place = 0
    for run in runs {
      bytes += LEB128.bytes(UInt64(run.start - place)) + LEB128.bytes(UInt64(run.bytes.count))
      bytes += run.bytes
      place = run.start + run.bytes.count
    }
    return bytes
  }

  /// The nearest multiple of `unit` as a signed byte.
  private static func byte(_ value: Int, unit: Int) -> UInt8 {
    let rounded = value < 0 ? -((-value + unit / 2) / unit) : (value + unit / 2) / unit
    return UInt8(bitPattern: Int8(max(-127, min(127, rounded))))
  }
}
