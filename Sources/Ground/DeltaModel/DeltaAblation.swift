/// Parts of the codec that are left out, to measure what each one earns.
///
/// Never part of the format: a delta that was made without a part can only be decoded without it, and
/// nothing in it says so. The product's encoder and decoder leave nothing out; only the benchmark does
/// (`tools/bench delta --ablation`). What is asked while coding is asked where something rare happens,
/// or beside a test that is made anyway.
package struct DeltaAblation: OptionSet, Sendable {
  package let rawValue: UInt32

  package init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Covers are found once, with addresses left out, and not again by what addresses name.
  package static let labelRounds = DeltaAblation(rawValue: 1 << 0)
  /// Covers stay that cost more than they save.
  package static let pruning = DeltaAblation(rawValue: 1 << 1)
  /// Covers begin and end where bytes agree, not where instructions begin.
  package static let snapping = DeltaAblation(rawValue: 1 << 2)
  /// No byte of the base is known to be part of an address, a size or a constant.
  package static let fields = DeltaAblation(rawValue: 1 << 3)
  /// Code that no cover has is coded like data.
  package static let codeModels = DeltaAblation(rawValue: 1 << 4)
  /// Addresses that were foretold wrongly are foretold wrongly again.
  package static let learnedAddresses = DeltaAblation(rawValue: 1 << 5)
  /// Constants that changed are expected to be the old ones wherever they stand.
  package static let learnedValues = DeltaAblation(rawValue: 1 << 6)
  /// The models of new code start without having seen code of the base.
  package static let rehearsal = DeltaAblation(rawValue: 1 << 7)
  /// Tables that follow from the rest are coded like others.
  package static let derivedTables = DeltaAblation(rawValue: 1 << 8)
  /// The next record of `.eh_frame` is not expected to go on where the last one ended.
  package static let frameWalk = DeltaAblation(rawValue: 1 << 9)
  /// The opinions of the mixers of a byte count the same.
  package static let finalMixer = DeltaAblation(rawValue: 1 << 10)
  /// Registers are expected to keep their numbers (AArch64, LoongArch64, x86-64).
  package static let renamedRegisters = DeltaAblation(rawValue: 1 << 11)
  /// The models start without knowing anything.
  package static let prior = DeltaAblation(rawValue: 1 << 31)

  /// All parts by name, in the order of the work.
  package static let parts: [(name: String, part: DeltaAblation)] = [
    ("label-rounds", .labelRounds), ("pruning", .pruning), ("snapping", .snapping),
    ("fields", .fields), ("code-models", .codeModels),
    ("learned-addresses", .learnedAddresses), ("learned-values", .learnedValues),
    ("renamed-registers", .renamedRegisters),
    ("rehearsal", .rehearsal), ("derived-tables", .derivedTables), ("frame-walk", .frameWalk),
    ("final-mixer", .finalMixer), ("prior", .prior),
  ]
}
