// swift-tools-version: 6.3
import PackageDescription

/// The settings of every Swift target: all checks on, every warning an error.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .treatAllWarnings(as: .error),
]

/// Argument parsing is not our core (tools only).
let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
/// Session files of the reference UPF are YAML (tools only).
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

func library(
  _ group: String, _ name: String, _ dependencies: [Target.Dependency] = [],
  exclude: [String] = [], settings: [SwiftSetting] = [], linker: [LinkerSetting] = []
) -> Target {
  .target(
    name: name, dependencies: dependencies, path: "Sources/\(group)/\(name)", exclude: exclude,
    swiftSettings: strict + settings, linkerSettings: linker)
}

/// What works on every byte or bit of a file is optimised in debug builds as well, with all its checks.
///
/// Tests that take minutes otherwise take seconds. HITLESS_UNOPTIMISED=1 builds it as the compiler would.
let quick: [SwiftSetting] =
  Context.environment["HITLESS_UNOPTIMISED"] == nil
  ? [.unsafeFlags(["-O"], .when(configuration: .debug))] : []

func tool(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(
    name: name, dependencies: dependencies, path: "Sources/Tools/\(name)", swiftSettings: strict)
}

func tests(
  _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []
) -> Target {
  .testTarget(
    name: "\(name)Tests", dependencies: dependencies, path: "Tests/\(name)Tests",
    exclude: exclude, swiftSettings: strict)
}

let ground: [Target] = [
  .systemLibrary(
    name: "CElf", path: "Sources/Ground/CElf", pkgConfig: "libelf",
    providers: [.apt(["libelf-dev"])]),
  .systemLibrary(
    name: "CXXHash", path: "Sources/Ground/CXXHash", pkgConfig: "libxxhash",
    providers: [.apt(["libxxhash-dev"])]),
  .systemLibrary(
    name: "COpenSSL", path: "Sources/Ground/COpenSSL", pkgConfig: "libcrypto",
    providers: [.apt(["libssl-dev"])]),
  .target(name: "CHitless", path: "Sources/Ground/CHitless"),
  .target(name: "CPlatform", path: "Sources/Ground/CPlatform"),
  .target(name: "CGuard", dependencies: ["CHitless"], path: "Sources/Ground/CGuard"),
  library("Ground", "Bytes", settings: quick),
  library("Ground", "Refusal", ["Bytes"]),
  library("Ground", "Platform", ["CPlatform", "Refusal"]),
  library("Ground", "Digests", ["Bytes", "COpenSSL", "CXXHash"]),
  library("Ground", "ElfImage", ["Bytes", "Refusal"], settings: quick),
  library("Ground", "CodeReferences", settings: quick),
  library("Ground", "DeltaModel", ["Bytes", "CodeReferences"], settings: quick),
  library("Ground", "PatchFormat", ["Bytes", "Digests"]),
  library("Ground", "Signing", ["COpenSSL", "Bytes", "Digests", "Refusal"]),
]

let build: [Target] = [
  library(
    "Build", "DeltaEncoder", ["Bytes", "CodeReferences", "DeltaModel", "Platform"], settings: quick),
  library("Build", "Compatibility", ["Bytes", "ElfImage", "Refusal"]),
  library(
    "Build", "Generator",
    [
      "Bytes", "Compatibility", "DeltaEncoder", "DeltaModel", "Digests", "ElfImage", "PatchFormat",
      "Refusal", "Signing",
    ]),
]

let device: [Target] = [
  library("Device", "DeltaDecoder", ["Bytes", "CodeReferences", "DeltaModel"], settings: quick),
  library(
    "Device", "Verification",
    [
      "Bytes", "CodeReferences", "DeltaDecoder", "DeltaModel", "Digests", "ElfImage", "PatchFormat",
      "Refusal", "Signing",
    ]),
  library("Device", "Guard", ["CGuard", "CHitless", "CPlatform", "Platform", "Refusal"]),
  library(
    "Device", "HotSwap", ["Bytes", "CHitless", "CPlatform", "Guard", "Platform", "Refusal"]),
  library(
    "Device", "Staging",
    [
      "Bytes", "CHitless", "Digests", "ElfImage", "HotSwap", "PatchFormat", "Platform", "Refusal",
      "Verification",
    ]),
  library(
    "Device", "Journal", ["Bytes", "Digests", "Platform", "Refusal", "Signing", "Verification"]),
  library("Device", "Probation", ["Bytes"]),
  library(
    "Device", "Agent",
    [
      "AgentControl", "Bytes", "CHitless", "Digests", "ElfImage", "Guard", "HotSwap", "Journal",
      "PatchFormat", "Platform", "Probation", "Refusal", "Signing", "Staging", "Verification",
    ]),
  library("Device", "AgentControl", ["Bytes", "Platform", "Refusal"]),
  library(
    "Device", "AgentLibrary",
    [
      "Agent", "Bytes", "CHitless", "CPlatform", "Guard", "HotSwap", "Platform", "Probation",
      "Refusal", "Staging",
    ],
    exclude: ["exports.map", "hitless.pc.in"],
    linker: [
      // The Swift runtime is linked in, and nothing but the documented C symbols leaves the library:
      // a C host must not need Swift installed, and must not meet its symbols.
      .unsafeFlags([
        "-static-stdlib", "-Xlinker", "-soname=libhitless_agent.so.1", "-Xlinker",
        "--version-script=\(Context.packageDirectory)/Sources/Device/AgentLibrary/exports.map",
      ])
    ]),
]

let upf: [Target] = [
  .target(name: "CUPF", path: "Sources/UPF/CUPF"),
  library("UPF", "GTPU"),
  library("UPF", "PacketIO", ["CPlatform", "Platform"]),
  library("UPF", "GNB", ["Bytes", "CPlatform", "GTPU", "PacketIO", "Platform"]),
  library(
    "UPF", "UPF",
    ["Bytes", "CHitless", "CPlatform", "CUPF", "GTPU", "PacketIO", "Platform", "Refusal"]),
]

let tools: [Target] = [
  tool(
    "hitless",
    [
      "AgentControl", "Bytes", "Compatibility", "DeltaDecoder", "DeltaEncoder", "DeltaModel",
      "Digests", "ElfImage", "Generator", "Journal", "PatchFormat", "Platform", "Probation",
      "Refusal", "Signing", "Verification", argumentParser,
    ]),
  .target(
    name: "CPathBench", dependencies: ["CHitless"], path: "Sources/Tools/CPathBench",
    // Compiled by tools/bench with the flags of modules, because that is what they are.
    exclude: ["modules"]),
  tool(
    "hitless-bench",
    [
      "Bytes", "CGuard", "CHitless", "CPathBench", "CPlatform", "DeltaDecoder", "DeltaEncoder",
      "DeltaModel", "ElfImage", "GTPU", "Guard", "HotSwap", "PacketIO", "Platform", "Refusal",
      argumentParser,
    ]),
  tool("hitless-probe", ["Bytes", "HotSwap", "Refusal"]),
  tool(
    "upfd",
    [
      "Agent", "Bytes", "CHitless", "CUPF", "GTPU", "Guard", "HotSwap", "PacketIO", "Platform",
      "Probation", "Refusal", "Staging", "UPF", argumentParser, yams,
    ]),
  tool("gnbsim", ["Bytes", "GNB", "GTPU", "PacketIO", "Platform", "Refusal", argumentParser]),
]

let package = Package(
  name: "hitless",
  products: [
    .executable(name: "hitless", targets: ["hitless"]),
    .executable(name: "hitless-probe", targets: ["hitless-probe"]),
    .executable(name: "hitless-bench", targets: ["hitless-bench"]),
    .executable(name: "upfd", targets: ["upfd"]),
    .executable(name: "gnbsim", targets: ["gnbsim"]),
    .library(name: "hitless_agent", type: .dynamic, targets: ["AgentLibrary"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: ground + build + device + upf + tools + [
    tests("Bytes", ["Bytes"]),
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
    tests("Platform", ["Platform", "Refusal", "TestSupport"]),
    tests(
      "Journal",
      ["Bytes", "Digests", "Journal", "Platform", "Refusal", "TestSupport", "Verification"]),
    tests("Digests", ["Digests"]),
    // Hostile patch files with the answer that is expected, for everybody who is given patch files.
    .target(
      name: "AttackCorpus",
      dependencies: [
        "Bytes", "DeltaEncoder", "DeltaModel", "Digests", "PatchFormat", "Refusal", "Signing",
      ], path: "Tests/AttackCorpus", swiftSettings: strict),
    tests(
      "Attack",
      [
        "Agent", "AttackCorpus", "ElfImage", "Generator", "PatchFormat", "Refusal", "Signing",
        "Staging",
        "TestSupport", "Verification",
      ]),
    tests("CommandLine", ["Bytes", "Journal", "TestSupport"]),
    tests("Compatibility", ["Bytes", "Compatibility", "ElfImage", "Refusal", "TestSupport"]),
    tests(
      "Generator",
      [
        "Bytes", "Compatibility", "Digests", "ElfImage", "Generator", "PatchFormat", "Refusal",
        "Signing", "TestSupport", "Verification",
      ]),
    tests("Probation", ["Bytes", "CHitless", "Probation"]),
    tests("Refusal", ["Bytes", "CHitless", "Refusal"]),
    tests("PatchFormat", ["Bytes", "Digests", "PatchFormat"]),
    tests("Signing", ["Bytes", "Refusal", "Signing", "TestSupport"]),
    tests(
      "Verification",
      [
        "Bytes", "DeltaEncoder", "DeltaModel", "Digests", "PatchFormat", "Refusal", "Signing",
        "TestSupport", "Verification",
      ], exclude: ["Judges"]),
    tests("CodeReferences", ["CodeReferences", "TestSupport"], exclude: ["Judges"]),
    tests("DeltaModel", ["Bytes", "DeltaModel", "TestSupport"]),
    tests(
      "DeltaEncoder",
      ["Bytes", "CodeReferences", "DeltaDecoder", "DeltaEncoder", "DeltaModel", "TestSupport"]),
    tests(
      "DeltaDecoder",
      [
        "Bytes", "CodeReferences", "DeltaDecoder", "DeltaEncoder", "DeltaModel", "Digests",
        "Platform", "TestSupport",
      ]),
    tests("DeltaCommand", ["TestSupport"]),
    tests("ElfImage", ["Bytes", "CElf", "ElfImage", "Refusal", "TestSupport"]),
    tests("Module", ["CHitless", "CUPF", "ElfImage", "TestSupport"]),
    tests("Header", ["CHitless", "Refusal", "TestSupport"]),
    tests("GTPU", ["GTPU"]),
    .target(name: "CAllocationCounter", path: "Tests/CAllocationCounter"),
    tests(
      "UPF",
      [
        "Bytes", "CAllocationCounter", "CHitless", "CPlatform", "CUPF", "GTPU", "PacketIO",
        "Platform", "Refusal",
        "TestSupport", "UPF",
      ]),
    tests("Upfd", ["CPlatform", "GTPU", "PacketIO", "Platform", "TestSupport"]),
    .target(
      name: "CSwapTestSupport", dependencies: ["CHitless"], path: "Tests/CSwapTestSupport"),
    tests(
      "HotSwap",
      [
        "CHitless", "CPlatform", "CSwapTestSupport", "HotSwap", "Platform", "Refusal",
        "TestSupport",
      ],
      exclude: ["Fixtures"]),
    tests(
      "Staging",
      ["ElfImage", "HotSwap", "PatchFormat", "Platform", "Refusal", "Staging", "TestSupport"]),
    tests(
      "Guard",
      [
        "Agent", "CGuard", "CHitless", "CPlatform", "CUPF", "DeltaEncoder", "ElfImage", "GTPU",
        "Generator", "Guard", "HotSwap", "Journal", "PacketIO", "Platform", "Probation", "Refusal",
        "Signing", "Staging", "TestSupport", "UPF",
      ], exclude: ["Fixtures"]),
    // Records that move between two schemas under load.
    .target(
      name: "CMigrationLoad", dependencies: ["CHitless"], path: "Tests/CMigrationLoad"),
    tests(
      "Migration",
      [
        "Agent", "CHitless", "CMigrationLoad", "DeltaEncoder", "ElfImage", "Generator", "Guard",
        "HotSwap", "PatchFormat", "Platform", "Probation", "Refusal", "Signing", "Staging",
        "TestSupport",
      ], exclude: ["Fixtures"]),
    // Read-only mounts and permissions that hold for root, of one thread.
    .target(name: "CTestSystem", path: "Tests/CTestSystem"),
    tests("AgentControl", ["AgentControl", "Bytes", "Platform", "Refusal", "TestSupport"]),
    tests(
      "Agent",
      [
        "Agent", "AgentControl", "AttackCorpus", "Bytes", "CHitless", "CTestSystem", "Digests",
        "ElfImage", "Generator", "Guard", "HotSwap", "Journal", "PatchFormat", "Platform",
        "Probation", "Refusal", "Signing", "Staging", "TestSupport", "Verification",
      ]),
    // Faults at every system call: a filter that announces them, a host that meets them, and the tests.
    .target(name: "CFaultTracer", path: "Tests/CFaultTracer"),
    .target(name: "CFaultLoad", dependencies: ["CHitless"], path: "Tests/CFaultLoad"),
    .executableTarget(
      name: "FaultHost",
      dependencies: [
        "Agent", "CFaultLoad", "CHitless", "CMigrationLoad", "Guard", "HotSwap", "Probation",
        "Refusal", "Staging",
      ], path: "Tests/FaultHost", swiftSettings: strict),
    tests(
      "FaultInjection",
      [
        "Bytes", "CFaultTracer", "Digests", "FaultHost", "Generator", "Journal", "Refusal",
        "Signing",
        "TestSupport",
      ]),
    // A host that swaps for hours under load; a short form of it is part of the tests.
    .target(
      name: "CEnduranceLoad", dependencies: ["CHitless", "CUPF"], path: "Tests/CEnduranceLoad"),
    .executableTarget(
      name: "EnduranceHost",
      dependencies: [
        "Agent", "CEnduranceLoad", "CHitless", "CUPF", "DeltaEncoder", "Generator", "HotSwap",
        "Platform", "Refusal", "Signing", "Staging", "TestSupport",
      ], path: "Tests/EnduranceHost", swiftSettings: strict),
    tests("Endurance", ["TestSupport", "EnduranceHost"]),
    tests("Tool", ["TestSupport"]),
    tests("PacketIO", ["CPlatform", "PacketIO", "Platform"]),
    tests("GNB", ["Bytes", "CPlatform", "GNB", "GTPU", "PacketIO", "Platform"]),
  ]
)

/// Names of those of `targets` that `names` need, and they themselves.
func closure(of names: Set<String>, in targets: [Target]) -> Set<String> {
  var found = names
  for target in targets where names.contains(target.name) {
    for dependency in target.dependencies {
      switch dependency {
      case .byNameItem(let name, _), .targetItem(let name, _): found.insert(name)
      default: break
      }
    }
  }
  return found == names ? found : closure(of: found, in: targets)
}

// HITLESS_SUITES=HotSwap,Agent leaves in the package what these tests need, and nothing else: what a sanitizer
// is built for takes less than half the time of everything.
if let suites = Context.environment["HITLESS_SUITES"]?.split(separator: ",") {
  let names = suites.map { "\($0)Tests" } + ["hitless-probe"]
  let needed = closure(of: Set(names), in: package.targets)
  package.targets.removeAll { !needed.contains($0.name) }
  package.products = []
  package.dependencies = []
}
