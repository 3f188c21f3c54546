internal import Glibc
internal import PacketIO
internal import Platform
internal import Refusal

/// A user plane function that is ended and started anew with all its sessions while packets are offered.
///
/// All sessions come from one entry of its session file. That is less than any control plane would need, which tells
/// them one by one: what is found is a lower bound.
struct RestartMeasurement: Sendable {
  /// The program.
  let upfd: String
  /// Directory with its modules and its helper.
  let modules: String
  let probe: String
  let sessions: UInt32
  let restarts: Int
  let packetsPerSecond: UInt64
  /// Where it runs; the load comes from the other one.
  let options: SwapMeasurement.Processors

  /// What the restarts have shown, in nanoseconds and packets.
  struct Figures: Sendable {
    var ends: [Double] = []
    var outages: [Double] = []
    var lost: [Double] = []
    var steadyLost: UInt64 = 0
    var sessions: UInt32 = 0
    var packetsPerSecond: UInt64 = 0

    /// Adds all figures.
    func add(to report: inout Report) {
      let outage = Sample(outages.map { $0 / 1_000_000 })
      let lost = Sample(lost)
      report.add("restart_sessions", Int64(sessions))
      report.add("restart_samples", Int64(outages.count))
      report.add(
        "restart_ms_p50", outage.median, "from its end until the last session forwards again")
      report.add("restart_ms_max", outage.maximum)
      report.add(
        "restart_end_ms_p50", Sample(ends.map { $0 / 1_000_000 }).median, "of it, to end")
      report.add("restart_offered_pps", Int64(packetsPerSecond))
      report.add("restart_lost_p50", lost.median, places: 0, "packets lost by a restart")
      report.add("restart_lost_max", lost.maximum, places: 0)
      report.add(
        "restart_steady_lost", Int64(steadyLost), "lost in as many spells without a restart")
    }
  }

  /// How long load is offered when nothing happens, and how long what is under way may take.
  private static let spell: UInt64 = 500_000_000
  private static let settling: UInt64 = 200_000_000
  /// Longest start that is waited for.
  private static let startLimit: UInt64 = 120_000_000_000

  private static let upf = IPv4Endpoint(
    address: IPv4Address(rawValue: 0x7f4e_0001), port: 2152)
  private static let accessNode = IPv4Address(rawValue: 0x7f4e_0002)

  /// Measures on a thread of its own.
  func run() throws(Refusal) -> Figures {
    Leftovers.goWithProgram()
    return try runPinned("bench-access", onProcessor: options.agent) { () throws(Refusal) in
      let directory = try ScratchDirectory()
      do throws(SystemError) {
        var load = try OfferedLoad(
          sessions: sessions, packetsPerSecond: packetsPerSecond, path: directory.path("n6"),
          upf: Self.upf, address: Self.accessNode)
        return try measure(directory, &load)
      } catch {
        throw error.refusal
      }
    }
  }

  private func measure(
    _ directory: ScratchDirectory, _ load: inout OfferedLoad
  ) throws(SystemError) -> Figures {
    var figures = Figures(sessions: sessions, packetsPerSecond: packetsPerSecond)
    var process = try start(directory)
    defer { process.kill() }
    try waitForLastSession(&load, process)
    for _ in 0..<restarts {
      load.drain(nanoseconds: Self.settling)
      load.count()
      let deadline = MonotonicClock.now + Self.spell
      while MonotonicClock.now < deadline { try load.turn() }
      load.drain(nanoseconds: Self.settling)
      figures.steadyLost += load.tally.lost
      load.count()
      let begin = MonotonicClock.now
      process.end()
      while process.isRunning { try load.turn() }
      figures.ends.append(Double(MonotonicClock.now - begin))
      process = try start(directory)
      load.forgetArrival()
      let arrival = try waitForLastSession(&load, process)
      load.drain(nanoseconds: Self.settling)
      figures.outages.append(Double(arrival - begin))
      figures.lost.append(Double(load.tally.lost))
    }
    return figures
  }

  @discardableResult
  private func waitForLastSession(
    _ load: inout OfferedLoad, _ process: borrowing UPFProcess
  ) throws(SystemError) -> UInt64 {
    let deadline = MonotonicClock.now + Self.startLimit
    while MonotonicClock.now < deadline, process.isRunning {
      try load.turn()
      if let arrival = load.tally.lastSessionArrival { return arrival }
    }
    throw SystemError("start", process.isRunning ? ETIMEDOUT : ESRCH, upfd)
  }

  private func start(_ directory: ScratchDirectory) throws(SystemError) -> UPFProcess {
    try directory.write("sessions.yaml", sessionFile)
    return try UPFProcess(
      upfd,
      [
        "--config", directory.path("sessions.yaml"), "--n3", "\(Self.upf.address)", "--n6",
        "local:\(directory.path("n6"))", "--state", directory.path("state"), "--modules", modules,
        "--probe", probe, "--pin", "\(options.worker)",
      ], log: directory.path("log"))
  }

  private var sessionFile: String {
    let ue = IPv4Address(rawValue: OfferedLoad.firstUE)
    return """
      sessions:
        - seid: 1
          count: \(sessions)
          pdrs:
            - id: 1
              precedence: 100
              pdi: { source_interface: access, f_teid: { teid: \(OfferedLoad.firstTEID) } }
              far: 1
              qer: 1
              urr: 1
            - id: 2
              precedence: 100
              pdi: { source_interface: core, ue_ip: \(ue) }
              far: 2
              qer: 1
              urr: 1
          fars:
            - { id: 1, apply_action: forward, destination_interface: core }
            - id: 2
              apply_action: forward
              destination_interface: access
              outer_header_creation: { teid: 1, ipv4: \(Self.accessNode) }
          qers: [{ id: 1, qfi: 9 }]
          urrs: [{ id: 1, measurement_method: volume }]

      """
  }
}
