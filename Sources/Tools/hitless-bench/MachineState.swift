internal import CPathBench
internal import Glibc
internal import Platform
internal import Refusal

/// What else the machine did during a measurement.
struct MachineState: Sendable {
  /// Of the last minute, at the beginning and at the end.
  private(set) var loads: [Double] = []
  private var stolen: [UInt64] = []
  private var times: [Double] = []

  /// Looks now; the figures are between the first look and the last.
  mutating func look(atProcessor processor: Int32, time: UInt64) {
    var load = 0.0
    // SAFETY: one number is asked for, and there is room for one.
    loads.append(unsafe getloadavg(&load, 1) == 1 ? load : .nan)
    stolen.append(path_stolen(UInt32(processor)))
    times.append(Double(time))
  }

  /// Adds load and stolen time.
  func add(to report: inout Report) {
    report.add("load_1m_begin", loads.first ?? .nan, places: 2, "the two threads alone make 2")
    report.add("load_1m_end", loads.last ?? .nan, places: 2)
    guard let first = stolen.first, let last = stolen.last, last != .max, last >= first,
      let begin = times.first, let end = times.last, end > begin
    else { return }
    report.add(
      "stolen_share", Double(last - first) * 1e7 / (end - begin), places: 4,
      "of the worker's processor, by the hypervisor")
  }
}

/// Counts what interrupts a processor.
struct InterruptCounter: ~Copyable {
  private let file: FileDescriptor
  private let processor: UInt32

  /// Opens the kernel's counters.
  init(processor: Int32) throws(Refusal) {
    file = try Self.open()
    self.processor = UInt32(processor)
  }

  private static func open() throws(Refusal) -> FileDescriptor {
    do throws(SystemError) {
      return try FileDescriptor.open("/proc/interrupts", O_RDONLY)
    } catch {
      throw error.refusal
    }
  }

  /// Throws unless the kernel counts what interrupts this processor.
  func check() throws(Refusal) {
    guard count != .max else {
      throw Refusal(.state, "'/proc/interrupts' does not count for processor \(processor)")
    }
  }

  /// Interrupts of all kinds so far.
  var count: UInt64 { path_interrupts(file.number, processor) }
}
