# Three network namespaces in a row, for tools/demo: radio node, UPF, data network.
#
#   gNB  10.3.0.1 10.3.0.3 ── n3 ── 10.3.0.2  UPF  10.6.0.1 ── n6 ── 10.6.0.2  DN
#
# The namespaces are $prefix-gnb, $prefix-upf and $prefix-dn.
# shellcheck shell=bash disable=SC2034,SC2154

# Whether this user may make namespaces and TUN devices; says why not.
network_permitted() {
  local probe="hitless-$$-probe" reason
  if ((EUID != 0)); then
    echo "network namespaces need root" && return 1
  fi
  if ! reason=$(ip netns add "$probe" 2>&1); then
    echo "no network namespaces: $reason" && return 1
  fi
  if ! reason=$(ip -n "$probe" tuntap add dev probe mode tun 2>&1); then
    ip netns del "$probe"
    echo "no TUN devices: $reason" && return 1
  fi
  ip netns del "$probe"
}

# Leaves in `entry` the words that put a command into one of the namespaces.
enter() {
  entry=(ip netns exec "$prefix-$1")
}

# Runs a command in one of the namespaces: within gnb ping …
within() {
  enter "$1"
  "${entry[@]}" "${@:2}"
}

# Sets a kernel parameter of one namespace, where the kernel has it: parameter gnb net.ipv4.ip_forward=1
parameter() {
  local name=${2%%=*} file
  file=/proc/sys/${name//.//}
  within "$1" test -e "$file" || return 0
  # shellcheck disable=SC2016  # the inner shell expands
  within "$1" sh -c 'echo "$1" >"$2"' sh "${2#*=}" "$file" ||
    fail "$name cannot be set in namespace $1"
}

# Gives each end of a link the other's hardware address for good: no ARP among the counted packets.
neighbours() {
  local here=$1 device=$2 there=$3 peer=$4 address
  address=$(within "$there" cat "/sys/class/net/$peer/address")
  for ip in "${@:5}"; do
    ip -n "$prefix-$here" neigh replace "$ip" lladdr "$address" dev "$device" nud permanent
  done
}

network_up() {
  local space
  n3_gnb=10.3.0.1 n3_upf=10.3.0.2 n3_generator=10.3.0.3
  n6=tun:upf0
  reflect_port=()
  for space in gnb upf dn; do
    ip netns add "$prefix-$space"
    # Nothing but the demo's own packets: no router solicitations, no reverse path surprises.
    parameter "$space" net.ipv6.conf.all.disable_ipv6=1
    parameter "$space" net.ipv6.conf.default.disable_ipv6=1
    parameter "$space" net.ipv4.conf.all.rp_filter=0
    parameter "$space" net.ipv4.conf.default.rp_filter=0
    ip -n "$prefix-$space" link set lo up
  done
  ip link add n3 netns "$prefix-gnb" type veth peer name n3 netns "$prefix-upf"
  ip link add n6 netns "$prefix-upf" type veth peer name n6 netns "$prefix-dn"
  ip -n "$prefix-gnb" address add 10.3.0.1/24 dev n3
  ip -n "$prefix-gnb" address add 10.3.0.3/24 dev n3
  ip -n "$prefix-upf" address add 10.3.0.2/24 dev n3
  ip -n "$prefix-upf" address add 10.6.0.1/24 dev n6
  ip -n "$prefix-dn" address add 10.6.0.2/24 dev n6
  for space in gnb/n3 upf/n3 upf/n6 dn/n6; do
    ip -n "$prefix-${space%/*}" link set "${space#*/}" up txqueuelen 4000
  done
  neighbours gnb n3 upf n3 10.3.0.2
  neighbours upf n3 gnb n3 10.3.0.1 10.3.0.3
  neighbours upf n6 dn n6 10.6.0.2
  neighbours dn n6 upf n6 10.6.0.1
  ip -n "$prefix-dn" route add default via 10.6.0.1
  parameter upf net.ipv4.ip_forward=1
}

# Brings up the TUN device at one end once its program has made it: device SPACE NAME ROUTE...
device_up() {
  local space=$1 name=$2
  # A queue long enough for a burst; the packets are small and few.
  ip -n "$prefix-$space" link set "$name" up mtu 1400 txqueuelen 8000
  for route in "${@:3}"; do ip -n "$prefix-$space" route add "$route" dev "$name"; done
}

network_down() {
  local space
  for space in gnb upf dn; do ip netns del "$prefix-$space" 2>/dev/null || true; done
}
