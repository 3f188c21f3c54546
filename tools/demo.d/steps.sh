# The steps of tools/demo, in the order in which it takes them; tools/demo says what is shared.
# shellcheck shell=bash disable=SC2154

# --- words

say() {
  printf '%6.1f s  %s\n' "$(elapsed)" "$1"
}

elapsed() {
  awk -v now="$EPOCHREALTIME" -v began="${began-$EPOCHREALTIME}" 'BEGIN { print now - began }'
}

fail() {
  echo "demo: error: $1" >&2
  local log
  for log in "$work"/*.log; do
    [[ -s $log ]] && tail -n 5 "$log" | sed "s|^|demo: ${log##*/}: |" >&2
  done
  exit 1
}

# Waits until a command succeeds: wait_for SECONDS WHAT COMMAND...
wait_for() {
  local deadline=$((SECONDS + $1)) what=$2
  until "${@:3}" >/dev/null 2>&1; do
    ((SECONDS <= deadline)) || fail "$what did not happen within $1 s"
    sleep 0.05
  done
}

# Starts a program in the background: start NAME SPACE COMMAND...; its pid is in pid_NAME.
start() {
  local name=$1
  enter "$2"
  # In the place of this shell, so that its pid is the program's.
  exec_with "$name" "${entry[@]}" "${@:3}" &
  pids+=($!)
  printf -v "pid_$name" '%s' $!
}

exec_with() {
  trap - EXIT
  exec "${@:2}" >"$work/$1.json" 2>"$work/$1.log" </dev/null
}

# Ends a program and waits for its last words: finish NAME [SIGNAL]
finish() {
  local variable=pid_$1 pid status=0
  pid=${!variable}
  kill "-${2-TERM}" "$pid" 2>/dev/null || fail "$1 has ended before it was told to"
  wait "$pid" || status=$?
  local left=() other
  for other in "${pids[@]}"; do [[ $other == "$pid" ]] || left+=("$other"); done
  pids=("${left[@]}")
  return "$status"
}

# Leaves nothing behind, however the demo ends.
leave() {
  local status=$?
  trap '' HUP INT TERM
  end_programs
  network_down
  rm -rf "$work"
  exit "$status"
}

# Ends everything that still runs: politely, and after two seconds by force.
end_programs() {
  ((${#pids[@]} > 0)) || return 0
  kill "${pids[@]}" 2>/dev/null || true
  local round
  for round in {1..40}; do
    kill -0 "${pids[@]}" 2>/dev/null || break
    ((round < 40)) || kill -KILL "${pids[@]}" 2>/dev/null || true
    sleep 0.05
  done
  wait "${pids[@]}" 2>/dev/null || true
}

# --- what is needed

build_everything() {
  echo "demo: installing what is missing, building (this takes minutes the first time)"
  tools/setup
  local product
  for product in hitless hitless-probe upfd gnbsim; do
    echo "demo: building $product"
    swift build -c release --product "$product" >"$work/build.log" 2>&1 || {
      grep -E 'error:' "$work/build.log" | head -n 20 >&2 || true
      fail "'$product' does not build"
    }
  done
  tools/build-modules
}

find_programs() {
  local bin name
  bin=$PWD/.build/release
  for name in hitless hitless-probe upfd gnbsim; do
    [[ -x $bin/$name ]] || fail "'$bin/$name' is not there: run without --no-build"
  done
  hitless=$bin/hitless upfd=$bin/upfd gnbsim=$bin/gnbsim
  modules=$PWD/.build/modules
  for name in classify-1.0.0 qer-1.0.0 qer-1.0.1; do
    [[ -e $modules/$name.so ]] || fail "'$modules/$name.so' is not there: run without --no-build"
  done
}

# --- the patch

# Two patches: the fix, and one that goes back, so that swaps can alternate between both builds later.
make_patches() {
  say "making keys and patches"
  "$hitless" keygen --out "$work/vendor" >/dev/null
  "$hitless" diff "$modules/qer-1.0.0.so" "$modules/qer-1.0.1.so" -o "$work/fix.hlp" \
    --key "$work/vendor.key" --product upf --sequence 1 --resolves HL-2026-0001 --json \
    >"$work/patch.json"
  "$hitless" diff "$modules/qer-1.0.1.so" "$modules/qer-1.0.0.so" -o "$work/back.hlp" \
    --key "$work/vendor.key" --product upf --sequence 2 >/dev/null
  say "verifying the patch"
  "$hitless" verify "$work/fix.hlp" --trust "$work/vendor.pub" --product upf \
    --base "$modules/qer-1.0.0.so" | sed 's/^/          /'
}

# --- the programs

start_capture() {
  [[ -n $capture ]] || return 0
  ((memory == 0)) || fail "--capture needs network namespaces"
  # Packets of one message would be captured as one: let the kernel cut them up before the device.
  ip -n "$prefix-gnb" link set n3 gso_max_segs 1
  ip -n "$prefix-upf" link set n3 gso_max_segs 1
  start capture upf dumpcap -q -i n3 -B 128 -w "$capture"
  wait_for 10 "the start of the capture" grep -q '^File: ' "$work/capture.log"
}

start_programs() {
  say "starting the UPF, the radio node and the sink"
  sessions >"$work/sessions.yaml"
  mkdir -m 700 "$work/state"
  # Nobody coalesces what it receives, so that sockets count what they drop packet by packet.
  start reflect dn "$gnbsim" reflect --local "$sink" --no-coalescing "${reflect_port[@]}"
  wait_for 10 "the start of the sink" grep -q reflecting "$work/reflect.log"
  start upfd upf "$upfd" run --config "$work/sessions.yaml" --n3 "$n3_upf" --n6 "$n6" --no-coalescing \
    --state "$work/state" --control "$work/agent.sock" --trust "$work/vendor.pub" --product upf \
    --classify "$modules/classify-1.0.0.so" --qer "$modules/qer-1.0.0.so" --stats "$work/stats.sock"
  wait_for 20 "the start of the UPF" ask accounting
  agent doctor >"$work/doctor.txt" || fail "the agent cannot install: $(cat "$work/doctor.txt")"
  ((memory)) && return
  device_up upf upf0 10.60.0.0/14
  start tunnel gnb "$gnbsim" tunnel --local "$n3_gnb" --upf "$n3_upf" --tun ue0 --echo 3600 \
    --no-coalescing --ue "$ue_open" --ue "$ue_gated"
  wait_for 10 "the start of the radio node" ip -n "$prefix-gnb" link show ue0
  device_up gnb ue0 10.6.0.0/24
  ip -n "$prefix-gnb" address add 10.60.0.1/32 dev ue0
  ip -n "$prefix-gnb" address add 10.60.0.2/32 dev ue0
  wait_for 10 "an echo response of the UPF" echo_answered
}

# One question to the UPF's statistics.
ask() {
  "$upfd" query --stats "$work/stats.sock" "$@"
}

# One request to the agent.
agent() {
  "$hitless" agent --socket "$work/agent.sock" "$@"
}

# Asks a program of ours for its counters: counters NAME prints a line written after the question.
counters() {
  local variable=pid_$1 before
  before=$(wc -l <"$work/$1.json")
  kill -USR1 "${!variable}"
  wait_for 10 "an answer of $1" test_lines "$work/$1.json" "$before"
  tail -n 1 "$work/$1.json"
}

test_lines() {
  (($(wc -l <"$1") > $2))
}

# A number out of a JSON object on stdin: field generate sent
field() {
  /usr/bin/python3 -c 'import functools, json, sys
print(functools.reduce(lambda value, key: value[key], sys.argv[1:], json.load(sys.stdin)))' "$@"
}

echo_answered() {
  (($(counters tunnel | field n3 echo_responses) > 0))
}

# --- what users see

try_ping() {
  local line
  line=$(within gnb ping -q -c 5 -i 0.1 -W 1 -I 10.60.0.1 10.6.0.2 | tail -n 1) ||
    fail "no answer to ping through the tunnel"
  say "ping through the tunnel: ${line#rtt }"
}

try_iperf() {
  start iperf_server dn iperf3 -s
  wait_for 10 "the start of iperf3" listens_for_iperf
  iperf tcp_up "TCP, uplink"
  iperf tcp_down "TCP, downlink" -R
  iperf udp_up "UDP, uplink" -u -b 50M -l 1200
}

listens_for_iperf() {
  within dn ss -Hltn | grep -q ':5201 '
}

# One measurement: iperf NAME WORDS OPTIONS...
iperf() {
  within gnb iperf3 -c 10.6.0.2 -B 10.60.0.1 -t "$seconds" --json "${@:3}" >"$work/iperf_$1.json" ||
    fail "iperf3 ($2): $(field error <"$work/iperf_$1.json")"
  say "iperf3 $2: $(tools/demo.d/report --iperf "$work/iperf_$1.json")"
}

# How many of 5 packets come back to the UE whose downlink gate is closed.
gated_replies() {
  if ((memory)); then
    gate_runs=$((gate_runs + 1))
    "$gnbsim" generate --local "$n3_gnb" --upf "$n3_upf" --ue "$ue_gated" --sink "$sink" \
      --count 5 --patience 400 --no-coalescing 2>/dev/null >"$work/generate_gate_$gate_runs.json" || true
    field windowed received <"$work/generate_gate_$gate_runs.json"
  else
    # Silence is an answer here, and a failure for ping.
    { within gnb ping -q -c 5 -i 0.1 -W 1 -I 10.60.0.2 10.6.0.2 || true; } |
      sed -n 's/.* \([0-9]*\) received.*/\1/p'
  fi
}
gate_runs=0

# expect_gate open|closed WORDS
expect_gate() {
  local replies wanted
  gated_replies >"$work/replies"
  replies=$(<"$work/replies")
  case $1 in open) wanted=5 ;; closed) wanted=0 ;; esac
  say "$2: $replies of 5 packets pass the closed gate"
  [[ $replies == "$wanted" ]] || fail "expected $wanted"
}

show_bug() {
  expect_gate open "the bug (qer 1.0.0)"
}

# --- load

start_load() {
  say "starting the load: counted packets of 64 UEs in a closed loop, and of 8 behind the closed gate"
  # What is captured shall be readable in a reasonable time.
  local rate=()
  [[ -z $capture ]] || rate=(--rate 5000)
  start generate gnb "$gnbsim" generate --local "$n3_generator" --upf "$n3_upf" --sink "$sink" \
    --ue "$ues_counted" --free-ue "$ues_gated" --free-every 100 --window 256 --size 200 --no-coalescing \
    "${rate[@]}"
  ((memory)) || start iperf_load gnb iperf3 -c 10.6.0.2 -B 10.60.0.1 -u -b 10M -l 1000 -t 600 --json
  wait_for 10 "the start of the load" grep -q generating "$work/generate.log"
  wait_for 10 "a counted packet" has_sent 1000
}

has_sent() {
  (($(counters generate | field windowed sent) >= $1))
}

# Counts batches for a while, without swaps.
measure_batches() {
  ask >"$work/upf_$1_begin.json"
  sleep "$seconds"
  ask >"$work/upf_$1_end.json"
}

install_patch() {
  agent install "$work/$1.hlp" --json >"$work/install_$1.json"
  say "installed $1.hlp under load: $(tools/demo.d/report --staged "$work/install_$1.json")"
}

activate_patch() {
  agent activate --json >"$work/activate.json"
  say "activated: $(tools/demo.d/report --swap "$work/activate.json")"
}

roll_back() {
  agent rollback --json >"$work/rollback.json"
  say "rolled back: $(tools/demo.d/report --swap "$work/rollback.json")"
}

confirm_patch() {
  agent confirm --json >"$work/confirm.json"
  say "confirmed: qer 1.0.1 is stable, also for the next start"
}

swap_under_load() {
  install_patch back
  say "swapping $swaps times between qer 1.0.1 and 1.0.0 under load"
  ask >"$work/upf_swapping_begin.json"
  agent exercise --count "$swaps" --interval 2 --json >"$work/exercise.json"
  ask >"$work/upf_swapping_end.json"
  agent rollback --reason "end of the demo" >/dev/null
}

finish_load() {
  say "going on until $packets packets were sent"
  wait_for 300 "the last packet" has_sent "$packets"
  if ((memory == 0)); then
    # iperf3 prints its report when interrupted, and then exits with 1.
    finish iperf_load INT || true
    finish iperf_server INT || true
  fi
  finish generate || true
  wait_for 10 "quiet in the UPF" is_quiet
}

# Whether nothing moves any more: two equal answers in a row.
is_quiet() {
  local answer
  answer=$(ask accounting)
  sleep 0.2
  [[ $answer == "$(ask accounting)" ]]
}

# --- what they have counted

collect() {
  local space
  say "collecting counters"
  if ((memory == 0)); then
    for space in gnb upf dn; do
      ip -n "$prefix-$space" -s -j link show >"$work/links_$space.json"
      within "$space" cat /proc/net/snmp >"$work/snmp_$space.txt"
    done
    finish tunnel
  fi
  ask >"$work/upf.json"
  ask sessions 0 10000 >"$work/sessions.json"
  agent list --json >"$work/agent.json"
  finish reflect
  finish upfd
  [[ -z $capture ]] || finish capture
  [[ -z $keep ]] || { mkdir -p "$keep" && cp "$work"/*.json "$work"/*.txt "$keep"; }
}
