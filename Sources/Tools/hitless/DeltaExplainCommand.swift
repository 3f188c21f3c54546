internal import ArgumentParser
internal import Bytes
internal import DeltaEncoder
internal import DeltaModel
internal import Platform
internal import Refusal

/// Tells what the bytes of a delta are spent on.
struct DeltaExplainCommand: ReportsJSON {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Say which sections, functions and causes the bytes of a delta are spent on.",
    discussion: """
      Encodes the pair and sums up what each piece of NEW costs, most expensive first; no delta is \
      written. The sums agree with the size of the delta: 'header' are its first bytes, 'rounding' \
      is what the coder adds or saves at its end. The causes:

        frame       file header, program headers, section headers
        covers      where what resembles OLD lies
        blocks      whether a stretch of it is as foretold
        references  addresses that became something else than foretold
        values      constants, sizes, and words of instructions that changed
        bytes       single other bytes that changed
        newCode     code that OLD does not have
        newData     other bytes that OLD does not have
        derived     whether tables follow from the rest

      A function that costs much though nobody touched it was moved by its compiler: look at \
      'newCode' and 'references', and build both versions with the same compiler and flags. \
      Functions are those of .symtab, or else of .dynsym; what lies in none stands under the name \
      of its section, in parentheses.

      Examples:
        hitless delta explain qer-1.0.0.so qer-1.0.1.so
        hitless delta explain old.so new.so --all --effort quick
        hitless delta explain old.so new.so --html delta.html
        hitless delta explain old.so new.so --json | jq '.functions[0]'
      """)

  @OptionGroup var pair: DeltaPair

  @Flag(help: "List all sections and functions, not only the most expensive.")
  var all = false

  @Option(
    help: ArgumentHelp("Write a picture as a page that needs nothing else.", valueName: "file"))
  var html: String?

  @Option(help: ArgumentHelp("Write the picture alone, as SVG.", valueName: "file"))
  var svg: String?

  @Flag(help: "Print the result as one JSON object.")
  var json = false

  func run() throws {
    for path in [html, svg].compactMap({ $0 }) {
      try RegularFile.requireOutput(path, besides: [pair.base, pair.target])
    }
    let (old, new) = try pair.read()
    let encoded = pair.encode(old, new, keepsBook: true)
    let report = DeltaReport(
      explanation: DeltaExplanation(encoded, target: new), mode: encoded.mode,
      foresight: DeltaForesight(base: old, target: new), baseSize: old.count)
    let picture = DeltaPicture(report)
    if let html { try RegularFile.replace(html, with: Array(picture.page.utf8)) }
    if let svg { try RegularFile.replace(svg, with: Array(picture.drawing.utf8)) }
    if json { return try Console.print(report.json) }
    for line in report.lines(all: all) { try Console.print(line) }
    for path in [html, svg].compactMap({ $0 }) { try Console.print("wrote '\(path)'") }
  }
}
