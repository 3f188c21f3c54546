/// Parts of the codec that are left out, to measure what each one earns.
///
/// Never part of the format: a delta that was made without a part can only be decoded without it, and
/// nothing in it says so. The product's encoder and decoder leave nothing out; only the benchmark does
/// (`tools/bench delta --ablation`). What is asked while coding is a test of one word, beside the work of a byte or a bit.
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
  /// Places and lengths of covers are counted in bytes, not in instructions and records of the base.
  package static let coverRanks = DeltaAblation(rawValue: 1 << 12)
  /// A cover's place is told from the cover before, never from the one before that.
  package static let earlierDiagonal = DeltaAblation(rawValue: 1 << 13)
  /// Section headers are expected to be the base's.
  package static let sectionForecast = DeltaAblation(rawValue: 1 << 14)
  /// No flag stands for more than one byte of new data.
  package static let runs = DeltaAblation(rawValue: 1 << 15)
  /// Build ids, and hashes in the names of Rust's symbols, are coded like other bytes.
  package static let digests = DeltaAblation(rawValue: 1 << 16)
  /// What call frame instructions came before is not looked at.
  package static let callFrames = DeltaAblation(rawValue: 1 << 17)
  /// Codec 3: nothing is told by where it was before.
  package static let plainRepeats = DeltaAblation(rawValue: 1 << 18)
  /// Codec 3: no flag stands for more than one byte.
  package static let plainRuns = DeltaAblation(rawValue: 1 << 19)
  /// Codec 3: nothing is said to be noise.
  package static let plainNoise = DeltaAblation(rawValue: 1 << 20)
  /// Codec 3: what came after the same bytes before is not guessed to come again.
  package static let plainGuesses = DeltaAblation(rawValue: 1 << 21)
  /// Codec 3: contexts know of no table and its columns.
  package static let plainColumns = DeltaAblation(rawValue: 1 << 22)
  /// Codec 3: contexts know of no lines, fields and words.
  package static let plainText = DeltaAblation(rawValue: 1 << 23)
  /// Codec 3: contexts of the bytes before leave none of these out.
  package static let plainGaps = DeltaAblation(rawValue: 1 << 24)
  /// Codec 3: what the mixers say is not corrected by how it turned out.
  package static let plainMaps = DeltaAblation(rawValue: 1 << 25)
  /// Covers are not tuned; with one alignment (`EncodingEffort.quick`) they never are.
  package static let tuning = DeltaAblation(rawValue: 1 << 26)
  /// The models start without knowing anything.
  package static let prior = DeltaAblation(rawValue: 1 << 27)

  /// All parts of codec 2 by name, in the order of the work.
  package static let parts: [(name: String, part: DeltaAblation)] = [
    ("label-rounds", .labelRounds), ("pruning", .pruning), ("snapping", .snapping),
    ("section-forecast", .sectionForecast), ("cover-ranks", .coverRanks),
    ("earlier-diagonal", .earlierDiagonal),
    ("fields", .fields), ("code-models", .codeModels),
    ("learned-addresses", .learnedAddresses), ("learned-values", .learnedValues),
    ("renamed-registers", .renamedRegisters),
    ("rehearsal", .rehearsal), ("derived-tables", .derivedTables),
    ("frame-walk", .frameWalk), ("call-frames", .callFrames),
    ("runs", .runs), ("digests", .digests),
    ("final-mixer", .finalMixer), ("prior", .prior),
  ]

  /// All parts of codec 3, which codes a file by itself.
  package static let plainParts: [(name: String, part: DeltaAblation)] = [
    ("plain-repeats", .plainRepeats), ("plain-runs", .plainRuns), ("plain-noise", .plainNoise),
    ("plain-guesses", .plainGuesses), ("plain-columns", .plainColumns),
    ("plain-text", .plainText), ("plain-gaps", .plainGaps), ("plain-maps", .plainMaps),
  ]
}
