import CodeReferences
import Testing

@Suite("Words and what disassemblers and linkers say of them")
struct WordJudgeTests {
  @Test(arguments: WordVector.files)
  func `every address that llvm-objdump prints is the one found, and there are no others`(
    path: String
  ) throws {
    var total = 0
    var isJudged = false
    for vector in try WordVector.load(path) {
      guard let targets = vector.targets else { continue }
      isJudged = true
      let code = try #require(WordCode(machine: vector.machine))
      let marked = MarkedCode(code, vector.bytes, address: vector.address)
      var expected: [Int: UInt64] = [:]
      for entry in targets { expected[Int(entry[0])] = entry[1] }
      var found = 0
      for offset in marked.kinds.indices {
        guard let kind = marked.start(offset), MarkedCode.isReference(kind),
          !MarkedCode.isLow(kind)
        else { continue }
        let target = marked.target(offset, alone: true)
        found += 1
        if expected[offset] != target {
          Issue.record("\(path): \(kind) at \(offset) names \(target)")
        }
      }
      #expect(found == expected.count, "\(path)")
      total += found
    }
    // A section may have none, like that of the code that runs first.
    #expect(total > 0 || !isJudged)
  }

  @Test(arguments: WordVector.files)
  func `halves that name one address for the linker are partners`(path: String) throws {
    var right = 0
    var wrong = 0
    var missed = 0
    for vector in try WordVector.load(path) {
      guard let pages = vector.pages, let lows = vector.lows else { continue }
      let code = try #require(WordCode(machine: vector.machine))
      let marked = MarkedCode(code, vector.bytes)
      let pageNames = Dictionary(pages.map { ($0[0], $0[1]) }) { first, _ in first }
      let lowNames = Dictionary(lows.map { ($0[0], $0[1]) }) { first, _ in first }
      for offset in marked.kinds.indices {
        guard let kind = marked.start(offset), MarkedCode.isLow(kind) else { continue }
        let page = pageNames[offset + marked.partner(offset)]
        if page != nil && page == lowNames[offset] { right += 1 } else { wrong += 1 }
      }
      missed += lowNames.keys.filter { marked.start($0).map(MarkedCode.isLow) != true }.count
    }
    if right + missed > 0 {
      print("\(path): \(right) pairs right, \(wrong) wrong, \(missed) missed")
    }
    #expect(wrong * 200 <= right)
    #expect(missed * 20 <= right)
  }

  @Test(arguments: WordVector.files)
  func `a word made to name what it names is the same word`(path: String) throws {
    for vector in try WordVector.load(path) {
      let code = try #require(WordCode(machine: vector.machine))
      let marked = MarkedCode(code, vector.bytes, address: vector.address)
      var changed = 0
      for offset in marked.kinds.indices {
        guard let kind = marked.start(offset), MarkedCode.isReference(kind) else { continue }
        let again = WordCode.word(
          kind, old: marked.word(offset), target: marked.target(offset),
          place: marked.place(offset), partnerPlace: marked.place(offset + marked.partner(offset)))
        if again != marked.word(offset) { changed += 1 }
      }
      #expect(changed == 0, "\(path)")
    }
  }
}
