# The sessions of tools/demo, and the UEs that have them.
# shellcheck shell=bash disable=SC2034,SC2154

sink=10.6.0.2:9000
# ADDRESS,UPLINK-TEID,DOWNLINK-TEID,QFI[,COUNT], as gnbsim takes them.
ue_open=10.60.0.1,0x11,0x21,9
ue_gated=10.60.0.2,0x12,0x22,9
ues_counted=10.61.0.1,0x1001,0x2001,9,64
ues_gated=10.62.0.1,0x3001,0x4001,9,8

# Where the report finds the counted sessions.
seid_counted=1000
seid_gated=2000

sessions() {
  echo "sessions:"
  session 1 "$ue_open" open "$n3_gnb"
  session 2 "$ue_gated" closed "$n3_gnb"
  session "$seid_counted" "$ues_counted" open "$n3_generator"
  session "$seid_gated" "$ues_gated" closed "$n3_generator"
}

# One row: session SEID UES DOWNLINK-GATE GNB
session() {
  local address uplink downlink qfi count
  IFS=, read -r address uplink downlink qfi count <<<"$2"
  cat <<YAML
  - seid: $1
    count: ${count:-1}
    pdrs:
      - id: 1
        precedence: 100
        pdi: {source_interface: access, f_teid: {teid: $uplink}}
        far: 1
        qer: 1
        urr: 1
      - id: 2
        precedence: 100
        pdi: {source_interface: core, ue_ip: $address}
        far: 2
        qer: 1
        urr: 1
    fars:
      - {id: 1, apply_action: forward, destination_interface: core}
      - id: 2
        apply_action: forward
        destination_interface: access
        outer_header_creation: {teid: $downlink, ipv4: $4}
    qers:
      - {id: 1, qfi: $qfi, gate_status: {uplink: open, downlink: $3}}
    urrs:
      - {id: 1, measurement_method: volume}
YAML
}
