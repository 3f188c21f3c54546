internal import CHitless
internal import CPathBench
internal import ElfImage
internal import Guard
internal import HotSwap
internal import Platform
internal import Refusal

/// The modules of the measured path: a driver, and two builds of each stage as two generations.
///
/// Of each build there is another generation, in which one module is another file with the same code.
///
/// Threading: immutable; the driver's table lives as long as its module.
@safe
struct PathModules: @unchecked Sendable {
  let domain: SwapDomain
  /// The guards of the domain's workers.
  let room: GuardRoom
  let generations: [Generation]
  /// `generations`, in the same order, with one module replaced.
  let variants: [Generation]
  /// The first of `generations` with one module that fails as a batch says, in each language.
  let failing: [FaultKind.Language: Generation]
  let driver: UnsafePointer<path_driver_table>
  private let driverModule: MappedModule

  /// Names of the stages, in the order of their slots.
  static let stages = ["decap", "lookup", "qer", "urr", "encap"]
  /// What a guarded batch may take, in nanoseconds of processor time: less than by default, so that many loops
  /// can be measured.
  private static let budget: UInt64 = 2_000_000

  /// Maps what lies in `directory` the way the agent does: linted, sealed, mapped, compared.
  init(in directory: String) throws(Refusal) {
    var ordinal: UInt32 = 0
    driverModule = try Self.map("\(directory)/path-driver.so", &ordinal)
    unsafe driver = driverModule.table.assumingMemoryBound(to: path_driver_table.self)
    var options = GuardOptions()
    options.batchBudget = Self.budget
    room = try GuardRoom(options)
    let domain = SwapDomain(slotCount: Self.stages.count, room: room)
    let replaced = Self.stages.firstIndex(of: "qer") ?? 0
    var (generations, variants) = ([Generation](), [Generation]())
    for build in ["a", "b"] {
      var modules: [MappedModule] = []
      for stage in Self.stages {
        modules.append(try Self.map("\(directory)/path-\(stage)-\(build).so", &ordinal))
      }
      generations.append(try domain.makeGeneration(modules))
      modules[replaced] = try Self.map("\(directory)/path-qer-\(build)2.so", &ordinal)
      variants.append(try domain.makeGeneration(modules))
    }
    var failing: [FaultKind.Language: Generation] = [:]
    for language in FaultKind.Language.allCases {
      var modules = generations[0].modules
      let name = "path-qer-fails-\(language).so"
      modules[replaced] = try Self.map("\(directory)/\(name)", &ordinal)
      failing[language] = try domain.makeGeneration(modules)
    }
    self.failing = failing
    _ = try domain.publish(stable: generations[0])
    self.domain = domain
    self.generations = generations
    self.variants = variants
  }

  private static func map(_ path: String, _ ordinal: inout UInt32) throws(Refusal) -> MappedModule {
    let bytes = try RegularFile.read(path, limit: 1 << 24)
    let image = try LoadabilityLint.check(bytes, policy: .standard, name: "'\(path)'")
    guard let buildID = image.buildID, let facts = image.moduleFactsBytes else {
      throw Refusal(.badELF, "'\(path)' has no note or no build-id")
    }
    let file: SealedMemoryFile
    do throws(SystemError) {
      file = try SealedMemoryFile.seal(bytes, name: "hitless:bench")
    } catch {
      throw error.refusal
    }
    let module = try MappedModule.map(
      descriptor: file.descriptor.number,
      expecting: ModuleExpectation(buildID: buildID, facts: facts), ordinal: ordinal)
    try module.compare(with: bytes)
    try module.prefault()
    ordinal += 1
    return module
  }
}
