// A host that changes its module again and again under load, and keeps books of everything that must not grow.
//
//   EnduranceHost --modules DIR --state DIR --probe FILE [--swaps N] [--cycles N] [--workers N] [--pause-every N]
//                 [--growth-limit KIB] [--quiet]
//
// Prints one JSON object. tools/endurance builds what it needs, and says what the options mean.
import Glibc

do {
  let parameters = try Parameters(Array(CommandLine.arguments.dropFirst()))
  let outcome = try Endurance(parameters).run()
  print(outcome.json)
  exit(outcome.failures.isEmpty ? 0 : 1)
} catch {
  say("error: \(error)")
  exit(error is Parameters.Mistake ? 2 : 1)
}
