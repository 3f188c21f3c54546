internal import CodeReferences
internal import DeltaModel

/// The functions of a file by where their bytes stand.
///
/// From `.symtab`, or else from `.dynsym`; of several names of one place the first counts, and where
/// functions overlap the one that starts last.
struct FunctionIndex {
  private struct Function {
    let range: Range<Int>
    /// Number of the record in the symbol table.
    let symbol: Int
  }

  /// Of larger tables only so many symbols are looked at.
  private static let symbolLimit = 4 << 20
  private static let recordSize = 24
  /// `STT_FUNC` and `STT_GNU_IFUNC` (ELF gABI, "Symbol Table").
  private static let functionTypes: [UInt8] = [2, 10]

  private let names: SectionNames
  private let bytes: [UInt8]
  private var functions: [Function] = []
  private var symbols = 0..<0
  private var strings = 0..<0

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    names = SectionNames(bytes)
    guard let layout = ElfLayout(bytes.span), let table = Self.table(layout) else { return }
    symbols = layout.range(of: table)
    strings = layout.range(of: Int(layout.sections[table].link))
    let count = min(symbols.count / Self.recordSize, Self.symbolLimit)
    for symbol in 0..<count {
      guard let range = range(symbol, layout) else { continue }
      functions.append(Function(range: range, symbol: symbol))
    }
    functions.sort { left, right in
      (left.range.lowerBound, left.symbol) < (right.range.lowerBound, right.symbol)
    }
    var last = -1
    functions.removeAll { function in
      defer { last = function.range.lowerBound }
      return function.range.lowerBound == last
    }
  }

  private static func table(_ layout: ElfLayout) -> Int? {
    let types = [SectionHeader.typeSymbols, SectionHeader.typeDynamicSymbols]
    return types.lazy.compactMap { type in
      layout.sections.indices.first {
        layout.sections[$0].type == type && !layout.range(of: $0).isEmpty
      }
    }.first
  }

  /// The bytes of the file that `symbol` names, if it names a function that has some.
  private func range(_ symbol: Int, _ layout: ElfLayout) -> Range<Int>? {
    let record = symbols.lowerBound + symbol * Self.recordSize
    let section = Int(bytes.span.little(record + 6, 2))
    let size = bytes.span.little(record + 16, 8)
    guard Self.functionTypes.contains(bytes[record + 4] & 15),
      layout.sections.indices.contains(section), section > 0, size > 0
    else { return nil }
    var address = bytes.span.little(record + 8, 8)
    if layout.isRelocatable { address &+= layout.sections[section].offset }
    guard let start = layout.offset(ofAddress: address) else { return nil }
    return start..<start + Int(min(size, UInt64(bytes.count - start)))
  }

  /// The number of the function that has the byte at `place`, or nil.
  ///
  /// - Complexity: O(log n).
  func find(_ place: Int) -> Int? {
    var low = 0
    var high = functions.count
    while low < high {
      let middle = (low + high) / 2
      if functions[middle].range.lowerBound <= place { low = middle + 1 } else { high = middle }
    }
    guard low > 0, functions[low - 1].range.contains(place) else { return nil }
    return low - 1
  }

  func size(_ function: Int) -> Int { functions[function].range.count }

  func name(_ function: Int) -> String {
    let symbol = functions[function].symbol
    let record = symbols.lowerBound + symbol * Self.recordSize
    let name = names.text(strings, bytes.span.little(record, 4))
    return name.isEmpty ? "symbol \(symbol)" : name
  }
}
