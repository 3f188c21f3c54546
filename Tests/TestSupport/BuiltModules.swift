internal import Foundation

/// The modules of the reference UPF, in every version that the source patches make.
package enum BuiltModules {
  /// The path of one version, built when it is not there yet.
  package static func path(_ name: String, _ version: String) throws -> String {
    "\(try directory.get())/\(name)-\(version).so"
  }

  /// The file of one version.
  package static func bytes(_ name: String, _ version: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: try path(name, version))))
  }

  /// Every version there is, as (name, version).
  package static let all = [
    ("classify", "1.0.0"), ("classify", "1.0.1"),
    ("qer", "1.0.0"), ("qer", "1.0.1"), ("qer", "1.0.2"), ("qer", "1.1.0"),
  ]

  /// Where they are, built once for the test process.
  private static let directory: Result<String, any Error> = Result {
    let built = try run("\(TestModule.root)/tools/build-modules", [])
    guard built.status == 0 else { throw TestModule.BuildFailure(description: built.errors) }
    return "\(TestModule.root)/.build/modules"
  }
}
