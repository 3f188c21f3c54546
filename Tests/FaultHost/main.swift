// A host of one slot that does what its standard input says, a word per line, and answers each with a line:
// `ok …`, or `refused CODE MESSAGE: HINT`. Made to be killed and lied to at any system call.
//
//   FaultHost KIND STATE-DIRECTORY MODULE TRUSTED-KEY HELPER BREAKER-WAIT-MILLISECONDS [RECORDS]
//
// KIND is `plain`, `always` (confirmed code is guarded, too) or `ledger` (its module keeps records, which lie in
// the file RECORDS if there is one).
import Glibc

let host = Host(CommandLine.arguments)
while let line = readLine() {
  host.say(host.answer(to: line.split(separator: " ", maxSplits: 1).map(String.init)))
}
