internal import CodeReferences
internal import DeltaModel

/// Both files with what is known of their fields.
struct PreparedPair: Sendable {
  let base: [UInt8]
  let target: [UInt8]
  let baseFields: FieldMap
  let targetFields: FieldMap
  let front: FrontMatter
  let effort: EncodingEffort
  /// Whether what the bits are spent on is noted.
  let keepsBook: Bool
  /// What is left out, for measuring it.
  let without: DeltaAblation

  init(
    base: [UInt8], target: [UInt8], effort: EncodingEffort, keepsBook: Bool,
    without: DeltaAblation
  ) {
    self.without = without
    self.effort = effort
    self.keepsBook = keepsBook
    self.base = base
    self.target = target
    baseFields = FieldMap(base)
    targetFields = FieldMap(target)
    front = SectionPairing.frontMatter(base: base, baseLayout: baseFields.layout, target: target)
  }

  /// Whether there is enough to foretell the target from that codec 3 has not: a base, or a layout.
  ///
  /// Besides these codec 2 has only the prior.
  var hasModels: Bool { !base.isEmpty || front.layout != nil }

  func map(_ covers: [Cover]) -> AddressMap {
    AddressMap(
      LayoutPair(
        from: baseFields.layout ?? .none, to: front.layout ?? .none,
        counterparts: front.counterparts(baseFields.layout?.sections.count ?? 0),
        positions: PositionMap(covers, baseSize: base.count)))
  }

  /// Of larger files the third round takes more time than it is worth.
  private static let fewRoundsSize = 8 << 20

  /// How often covers are found anew with labels that follow from the covers before.
  var labelRounds: Int {
    let hasLabels = front.layout != nil && baseFields.layout != nil
    guard hasLabels && !without.contains(.labelRounds) else { return 0 }
    return base.count > Self.fewRoundsSize ? 2 : 3
  }

  /// Returns those of `covers` that pay, beginning and ending where instructions do.
  func chosen(_ covers: [Cover], byteCost: (Double, Double)) -> [Cover] {
    let pruning = CoverPruning(
      base: base, target: target, byteCost: byteCost, starts: baseFields.starts,
      baseLayout: baseFields.layout)
    let kept = without.contains(.pruning) ? covers : pruning.pruned(covers)
    return without.contains(.snapping) ? kept : pruning.snapped(kept)
  }
}
