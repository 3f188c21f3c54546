internal import DeltaEncoder
internal import DeltaModel

/// A picture of what a delta is spent on: a bar per section and per function, coloured by cause.
///
/// It refers to nothing outside itself and runs no script. Names come from files that anybody may have
/// made; they are escaped wherever they stand.
struct DeltaPicture {
  private static let barLimit = 30
  private static let (labelWidth, barWidth, sumWidth) = (330, 620, 90)
  private static let (rowHeight, barHeight, margin) = (24, 16, 16)

  private let report: DeltaReport

  init(_ report: DeltaReport) { self.report = report }

  /// The picture in a page, with one line of text above it.
  var page: String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'">
    <title>\(Self.escaped(report.title))</title>
    </head>
    <body>
    <h1>\(Self.escaped(report.title))</h1>
    \(report.foresight.line.map { "<p>\(Self.escaped($0))</p>" } ?? "")
    \(drawing)
    </body>
    </html>

    """
  }

  /// The picture alone.
  var drawing: String {
    let groups = [
      ("Sections", report.explanation.sections), ("Functions", report.explanation.functions),
    ]
    var top = Self.margin
    var body = legend(&top)
    for (title, shares) in groups {
      body += heading(title, &top)
      let longest = shares.first?.bytes ?? 0
      for share in shares.prefix(Self.barLimit) { body += bar(share, longest: longest, &top) }
      if shares.count > Self.barLimit {
        let rest = shares.dropFirst(Self.barLimit)
        let bytes = DeltaReport.decimal(rest.reduce(0) { $0 + $1.bytes })
        body += text(Self.margin, &top, "and \(rest.count) more with \(bytes) bytes")
      }
    }
    let width = 2 * Self.margin + Self.labelWidth + Self.barWidth + Self.sumWidth
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(top + Self.margin)" \
      viewBox="0 0 \(width) \(top + Self.margin)" font-family="sans-serif" font-size="13" role="img">
      <title>\(Self.escaped(report.title))</title>
      <rect width="100%" height="100%" fill="#fff"/>
      \(body)</svg>
      """
  }

  private func legend(_ top: inout Int) -> String {
    var result = ""
    for (number, cause) in report.causes.enumerated() {
      let left = Self.margin + number % 4 * 255
      let bytes = DeltaReport.decimal(report.explanation.whole.bytes(cause))
      if number > 0 && number % 4 == 0 { top += Self.rowHeight }
      result += """
        <rect x="\(left)" y="\(top)" width="14" height="14" fill="\(Self.color(cause))"/>\
        <text x="\(left + 20)" y="\(top + 12)">\(cause): \(bytes) bytes</text>

        """
    }
    top += Self.rowHeight
    return result
  }

  private func heading(_ title: String, _ top: inout Int) -> String {
    top += Self.rowHeight / 2
    defer { top += Self.rowHeight }
    return """
      <text x="\(Self.margin)" y="\(top + 13)" font-weight="bold">\(Self.escaped(title))</text>

      """
  }

  private func text(_ left: Int, _ top: inout Int, _ text: String) -> String {
    defer { top += Self.rowHeight }
    return "<text x=\"\(left)\" y=\"\(top + 13)\">\(Self.escaped(text))</text>\n"
  }

  private func bar(
    _ share: DeltaExplanation.Share, longest: Double, _ top: inout Int
  ) -> String {
    let name = Self.escaped(DeltaReport.clipped(share.name))
    var result = """
      <text x="\(Self.margin)" y="\(top + 13)"><title>\(Self.escaped(share.name))</title>\(name)</text>

      """
    let start = Double(Self.margin + Self.labelWidth)
    var left = start
    for cause in CostCause.allCases where share.bytes(cause) > 0 {
      let width = share.bytes(cause) / max(longest, 1e-9) * Double(Self.barWidth)
      let bytes = DeltaReport.decimal(share.bytes(cause))
      result += """
        <rect x="\(DeltaReport.decimal(left))" y="\(top)" width="\(DeltaReport.decimal(width))" \
        height="\(Self.barHeight)" fill="\(Self.color(cause))">\
        <title>\(name): \(cause), \(bytes) bytes</title></rect>

        """
      left += width
    }
    let sum = DeltaReport.decimal(share.bytes)
    result += "<text x=\"\(DeltaReport.decimal(left + 6))\" y=\"\(top + 13)\">\(sum)</text>\n"
    top += Self.rowHeight
    return result
  }

  /// Colours that people who see few colours can tell apart (Okabe and Ito, 2008).
  private static func color(_ cause: CostCause) -> String {
    switch cause {
    case .frame: "#999999"
    case .covers: "#e69f00"
    case .blocks: "#f0e442"
    case .references: "#56b4e9"
    case .values: "#0072b2"
    case .bytes: "#cc79a7"
    case .newCode: "#d55e00"
    case .newData: "#009e73"
    case .derived: "#222222"
    }
  }

  /// `text` without what a terminal or a browser would obey.
  static func escaped(_ text: String) -> String {
    var result = ""
    for character in text.printable.unicodeScalars {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(character)
      }
    }
    return result
  }
}
