import Digests
import Foundation
import Signing
import Testing

/// The agent's thread that looks at modules in memory hashes, and nobody waits for it where a host just ends.
@Suite("OpenSSL at the end of a process")
struct ProcessEndTests {
  @Test func `a process that has made a key first ends by itself while a thread hashes`() async {
    await #expect(processExitsWith: .exitCode(7)) {
      // Called after what is registered later: by then OpenSSL would have been taken down.
      atexit { _ = usleep(100_000) }
      _ = try SigningKey.generate()
      Thread {
        // Made by `printf '\1\2\3' | sha256sum`.
        let digest = "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81"
        while true {
          if SHA256Digest(of: [1, 2, 3]).hex != digest { _exit(8) }
        }
      }.start()
      usleep(20_000)
      exit(7)
    }
  }
}
