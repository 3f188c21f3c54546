internal import Bytes
package import Refusal

/// Decides whether a file may be mapped into a running host, before the loader sees it.
///
/// Judged by segments and dynamic tags, because those are what the loader acts on; section and local
/// symbol names only help to say where something is (docs/abi.md, "What a loadable module may contain").
package enum LoadabilityLint {
  /// The largest image in memory.
  package static let imageLimit: UInt64 = 1 << 30
  /// The largest alignment of a segment: the loader reserves address space for it.
  package static let alignmentLimit: UInt64 = 1 << 21

  /// The most violations that are kept of one file.
  package static let violationLimit = 256

  /// Returns every reason against loading `image`, in the order of the file; none when it is fit.
  package static func violations(
    of image: ElfImage, policy: LoadabilityPolicy
  ) -> [LintViolation] {
    var findings = LintFindings(image: image, policy: policy)
    findings.checkSegments()
    // The loader's view of an image that does not fit its file is nobody's; the rest would mislead.
    guard findings.violations.isEmpty else { return findings.violations }
    findings.checkProtection()
    findings.checkDynamicTable()
    findings.checkLoaderRequests()
    findings.checkSymbols()
    findings.checkRelocations()
    findings.checkIdentity()
    return findings.violations
  }

  /// Returns every reason against loading the file `bytes`, which may be anything.
  package static func violations(
    ofFile bytes: [UInt8], policy: LoadabilityPolicy
  ) -> [LintViolation] {
    do throws(FormatError) {
      return violations(of: try ElfImage(parsing: bytes), policy: policy)
    } catch {
      return [malformed(error)]
    }
  }

  /// Returns the parsed image when it may be loaded; `name` is what the refusal calls it.
  package static func check(
    _ bytes: [UInt8], policy: LoadabilityPolicy, name: String
  ) throws(Refusal) -> ElfImage {
    let image: ElfImage
    do throws(FormatError) {
      image = try ElfImage(parsing: bytes)
    } catch {
      throw refusal(malformed(error), of: [malformed(error)], name: name)
    }
    let found = violations(of: image, policy: policy)
    if let first = found.first { throw refusal(first, of: found, name: name) }
    return image
  }

  private static func malformed(_ error: FormatError) -> LintViolation {
    LintViolation(rule: .malformed, message: "\(error)", subject: "byte \(error.offset)")
  }

  /// The refusal names the first violation, counts the others, and carries them all.
  private static func refusal(
    _ first: LintViolation, of found: [LintViolation], name: String
  ) -> Refusal {
    let others = found.count == 1 ? "" : ", and \(found.count - 1) more"
    var refusal = Refusal(
      .badELF,
      "\(name) is not a loadable module: \(first.message) (\(first.rule.rawValue))\(others)",
      at: first.subject, hint: first.mend)
    refusal.violations = found.map(\.json)
    return refusal
  }
}

/// What was found so far, and the helpers that all checks share.
struct LintFindings {
  let image: ElfImage
  let policy: LoadabilityPolicy
  private(set) var violations: [LintViolation] = []

  init(image: ElfImage, policy: LoadabilityPolicy) {
    self.image = image
    self.policy = policy
  }

  var pageSize: UInt64 {
    max(policy.pageSize ?? 0, image.header.machine.pageSize)
  }

  mutating func report(_ rule: LintRule, _ message: String, at subject: String? = nil) {
    guard violations.count < LoadabilityLint.violationLimit else { return }
    violations.append(LintViolation(rule: rule, message: message, subject: subject))
  }

  /// The segments of one kind with the names by which they are reported.
  func segments(
    _ kind: ProgramHeader.Kind
  ) -> [(name: String, segment: ProgramHeader)] {
    image.programHeaders.enumerated().filter { $0.element.kind == kind }.map {
      ("segment \($0.offset) (\($0.element.kind))", $0.element)
    }
  }
}
