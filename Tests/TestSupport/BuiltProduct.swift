internal import Foundation

/// The programs and libraries that were built with the tests.
package enum BuiltProduct {
  /// The path of `name` in the directory in which the running test bundle lies.
  package static func path(_ name: String) throws -> String {
    // The bundle is an executable of the same directory, started directly or by its helper with the
    // bundle's path as an argument.
    let candidates =
      CommandLine.arguments.filter { $0.contains(".xctest") } + [CommandLine.arguments[0]]
    for candidate in candidates {
      let directory = URL(fileURLWithPath: candidate).deletingLastPathComponent()
      let product = directory.appendingPathComponent(name).path
      if FileManager.default.isReadableFile(atPath: product) { return product }
    }
    throw MissingProduct(name: name, places: candidates)
  }

  /// A product that is not where the tests run.
  package struct MissingProduct: Error, CustomStringConvertible {
    let name: String
    let places: [String]

    package var description: String {
      "no '\(name)' beside \(places.joined(separator: ", ")): 'swift build' makes it"
    }
  }
}
