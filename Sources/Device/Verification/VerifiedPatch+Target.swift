internal import Bytes
package import CodeReferences
internal import DeltaDecoder
internal import DeltaModel
internal import Digests
internal import PatchFormat
package import Refusal

extension VerifiedPatch {
  /// Returns the target of component number `component`, decoded from `base`.
  ///
  /// The digest of the base is checked before a byte of it is used, that of the target before a byte
  /// of it is handed on. Memory: the target and what the manifest declares. `assistant` works for the
  /// decoder meanwhile.
  package func target(
    of component: Int, base: [UInt8], assistant: Assistant? = nil
  ) throws(Refusal) -> [UInt8] {
    try checkBase(of: component, base)
    let expected = manifest.components[component].target
    let limits = DeltaLimits(
      targetSize: expected.size, memory: manifest.components[component].delta.memory)
    let target: [UInt8]
    do throws(FormatError) {
      target = try DeltaDecoder.decode(
        deltas[component], base: base, limits: limits, assistant: assistant)
    } catch {
      throw Refusal(error, in: "the delta of \(name(of: component))")
    }
    let digest = SHA256Digest(of: target)
    guard digest == expected.digest else {
      throw Refusal(
        .integrity, "what the delta yields is not the target", expected: expected.digest.hex,
        found: digest.hex, at: name(of: component))
    }
    return target
  }

  /// Throws unless `base` is, byte for byte, what component number `component` starts from.
  package func checkBase(of component: Int, _ base: [UInt8]) throws(Refusal) {
    precondition(manifest.components.indices.contains(component), "no such component")
    let expected = manifest.components[component].base
    let hint = "this patch is for another build of the module; 'hitless inspect' shows which"
    guard UInt64(base.count) == expected.size else {
      throw Refusal(
        .wrongBase, "the base has another size", expected: "\(expected.size) bytes",
        found: "\(base.count)", at: name(of: component), hint: hint)
    }
    let digest = SHA256Digest(of: base)
    guard digest == expected.digest else {
      throw Refusal(
        .wrongBase, "the base is another file", expected: expected.digest.hex, found: digest.hex,
        at: name(of: component), hint: hint)
    }
  }

  private func name(of component: Int) -> String {
    "component \(component) (\(manifest.components[component].module))"
  }
}
