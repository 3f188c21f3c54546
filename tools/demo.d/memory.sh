# The demo without network namespaces: N3 on the loopback interface, and a local socket for N6 on which
# whole IP packets come and go. The same programs, the same counting; no ping and no iperf3.
# shellcheck shell=bash disable=SC2034,SC2154

memory_up() {
  local network=127.$((RANDOM % 200 + 20)).$((RANDOM % 250))
  n3_gnb=$network.1 n3_upf=$network.2 n3_generator=$network.3
  n6=local:$work/n6.sock
  reflect_port=(--port "$work/n6.sock")
  # Every program runs where the demo runs.
  # shellcheck disable=SC2317
  enter() { entry=(); }
}
