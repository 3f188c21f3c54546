internal import ArgumentParser
internal import Bytes
internal import DeltaDecoder
internal import DeltaModel
internal import Platform
internal import Refusal

/// `hitless-bench decode`: what a delta takes a process that is running already, as the agent is.
struct DecodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decode",
    abstract: "Decodes a delta file several times in one process, and says how long that takes.")

  @Argument(help: "The file the delta starts from.")
  var old: String

  @Argument(help: "The delta file.")
  var delta: String

  @Option(help: "How often it is decoded.")
  var times = 5

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    guard (1...1000).contains(times) else {
      throw ValidationError("--times is from 1 to 1000, not \(times)")
    }
  }

  func run() throws {
    let limit = Int(DeltaLimits.largestTarget)
    let base = try RegularFile.read(old, limit: limit)
    let bytes = try RegularFile.read(delta, limit: limit + Int(DeltaLimits.largestTables))
    let seconds: Sample
    do throws(FormatError) {
      seconds = try measure(try DeltaFile(parsing: bytes).delta, base)
    } catch {
      throw Refusal(error, in: "'\(delta)'")
    }
    guard json else {
      let (least, median) = (seconds.minimum * 1000, seconds.median * 1000)
      return print("minimum \(least.text(1)) ms, median \(median.text(1)) ms of \(times)")
    }
    print(
      JSON.object([
        ("minimum_seconds", .number(seconds.minimum)), ("median_seconds", .number(seconds.median)),
      ]).text)
  }

  private func measure(_ delta: [UInt8], _ base: [UInt8]) throws(FormatError) -> Sample {
    var seconds: [Double] = []
    for _ in 0..<times {
      let start = ContinuousClock.now
      let target = try AssistantThread.with("hitless-decode") { (thread) throws(FormatError) in
        try DeltaDecoder.decode(delta, base: base, assistant: thread.begin)
      }
      seconds.append((ContinuousClock.now - start) / .seconds(1))
      withExtendedLifetime(target) {}
    }
    return Sample(seconds)
  }
}
