/// The reference UPF's slot interfaces: what it hands to its modules, and what they hand back.
///
/// Everything here belongs to the host. A module reads packets and tables, writes verdicts and bucket
/// updates into the batch, and touches nothing else; the host applies the outputs when every module of
/// the batch has returned (the commit point of hitless/host.h).
#ifndef UPF_SLOTS_H
#define UPF_SLOTS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Interface ids of the two slots, and the version of both.
#define UPF_INTERFACE_CLASSIFY 0x55434c53u
#define UPF_INTERFACE_QER 0x55514552u
#define UPF_INTERFACE_VERSION 1u

/// Schema ids of the host-owned records.
#define UPF_SCHEMA_PDR 0x50445201u
#define UPF_SCHEMA_FILTER 0x53444601u
#define UPF_SCHEMA_QER 0x51455201u
#define UPF_SCHEMA_BUCKET 0x424b5401u
#define UPF_SCHEMA_BUCKET_2 0x424b5402u

/// Most packets in a batch.
#define UPF_BATCH_MAX 32u
/// Entries of a batch's update index: a power of two, twice the most packets.
#define UPF_UPDATE_INDEX_SIZE 64u
/// "No such record."
#define UPF_NONE UINT32_MAX

/// Direction of a packet.
#define UPF_UPLINK 0u
#define UPF_DOWNLINK 1u

/// Gate status (TS 29.244, 8.2.7).
#define UPF_GATE_OPEN 0u
#define UPF_GATE_CLOSED 1u

/// Why a packet goes no further; 0 goes on.
enum {
  UPF_DROP_NONE = 0,
  /// No PDR of the session, or no session, matches.
  UPF_DROP_NO_PDR = 1,
  /// The QER's gate is closed in this direction.
  UPF_DROP_GATE_CLOSED = 2,
  /// The QER's maximum bit rate is used up.
  UPF_DROP_MBR_EXCEEDED = 3,
  /// The FAR says so, or there is none.
  UPF_DROP_FAR = 4
};

/// One packet as the parse stage found it. Addresses are in network byte order, an IPv4 address in the
/// first four bytes; ports are in host byte order, 0 where the packet has none.
struct upf_packet {
  /// First byte of the (inner) IP packet; read only.
  const uint8_t *bytes;
  /// Bytes of the IP packet: what a QER polices and a URR counts.
  uint32_t length;
  /// Uplink: TEID of the tunnel it came through; 0 downlink.
  uint32_t teid;
  /// Uplink: IPv4 address of this end of the tunnel, host byte order; 0 downlink.
  uint32_t tunnel_address;
  uint16_t source_port;
  uint16_t destination_port;
  /// `UPF_UPLINK` or `UPF_DOWNLINK`.
  uint8_t direction;
  /// 4 or 6.
  uint8_t ip_version;
  /// Transport protocol.
  uint8_t protocol;
  /// QoS flow identifier of the PDU session container; 0 when there was none.
  uint8_t qfi;
  uint32_t reserved;
  uint8_t source[16];
  uint8_t destination[16];
};

/// What the pipeline has decided about one packet so far.
struct upf_verdict {
  /// Written by classify: index of the matching PDR and what that PDR names, or `UPF_NONE`.
  uint32_t pdr;
  uint32_t session;
  uint32_t qer;
  uint32_t urr;
  uint32_t far;
  /// One of `UPF_DROP_…`; a stage leaves a packet alone that is already dropped.
  uint16_t drop;
  /// Written by the qer module: its own version, (minor << 8) | patch, on every packet that reached it
  /// undropped, with or without a rule.
  uint16_t qer_mark;
};

/// Filter flags.
#define UPF_FILTER_PROTOCOL 1u
#define UPF_FILTER_REMOTE_PORT 2u
#define UPF_FILTER_UE_PORT 4u

/// One SDF filter (TS 29.244, 5.2.1A.2A), seen from the UE: remote is the data network's side.
struct upf_filter {
  /// `UPF_FILTER_…`: which of the fields below count.
  uint8_t flags;
  uint8_t protocol;
  uint8_t ip_version;
  /// Prefix lengths in bits; 0 matches every address.
  uint8_t remote_prefix;
  uint8_t ue_prefix;
  uint8_t reserved[3];
  uint8_t remote[16];
  uint8_t ue[16];
  /// Inclusive ranges.
  uint16_t remote_port_first;
  uint16_t remote_port_last;
  uint16_t ue_port_first;
  uint16_t ue_port_last;
};

/// One packet detection rule. A PDR without filters matches every packet of its key.
struct upf_pdr {
  /// The lower value wins (TS 29.244, 8.2.11).
  uint32_t precedence;
  uint32_t session;
  uint32_t qer;
  uint32_t urr;
  uint32_t far;
  uint32_t first_filter;
  uint32_t filter_count;
  /// `UPF_UPLINK` or `UPF_DOWNLINK`.
  uint8_t direction;
  /// Only packets of this QoS flow; 0 is any.
  uint8_t qfi;
  uint16_t reserved;
};

/// One entry of the PDR hash table; empty when `pdr_count` is 0.
struct upf_pdr_key {
  /// Uplink: address << 32 | teid. Downlink: the UE's IPv4 address in host byte order, or the first
  /// eight bytes of its IPv6 address as a big-endian number.
  uint64_t key;
  /// The key's PDRs lie together, in any order of precedence.
  uint32_t first_pdr;
  uint32_t pdr_count;
};

/// Everything classify looks up. Immutable while a batch can see it.
struct upf_pdr_tables {
  uint32_t size;
  uint32_t pdr_count;
  uint32_t filter_count;
  /// Entries minus one; both tables have a power of two of them and at least one is empty.
  uint32_t uplink_mask;
  uint32_t downlink_mask;
  uint32_t reserved;
  const struct upf_pdr_key *uplink;
  const struct upf_pdr_key *downlink;
  const struct upf_pdr *pdrs;
  const struct upf_filter *filters;
};

/// One QoS enforcement rule; index 0 of each pair is uplink, 1 downlink.
struct upf_qer {
  uint8_t gate[2];
  uint8_t qfi;
  uint8_t reserved[5];
  /// Maximum bit rate in bit/s; 0 is unlimited.
  uint64_t mbr[2];
  /// Largest burst in bytes.
  uint32_t burst[2];
};

/// One token bucket. A nanobit is 1e-9 bit, so that bit/s times nanoseconds is exact.
struct upf_bucket {
  /// Tokens in nanobits at `time`.
  uint64_t tokens;
  /// CLOCK_MONOTONIC nanoseconds; 0: never used, that is full.
  uint64_t time;
};

/// The same, `UPF_SCHEMA_BUCKET_2`: with what it has let through and stopped, in bytes, since it was full.
struct upf_bucket_2 {
  uint64_t tokens;
  uint64_t time;
  uint64_t passed;
  uint64_t stopped;
};

/// Everything qer looks up: `qer_count` rules, and the bucket of QER q in direction d at 2q + d.
///
/// Buckets are of the schema that the module names in its facts, one after another: one that names
/// `UPF_SCHEMA_BUCKET_2` finds `struct upf_bucket_2` there.
struct upf_qer_tables {
  uint32_t size;
  uint32_t qer_count;
  const struct upf_qer *qers;
  const struct upf_bucket *buckets;
};

/// A bucket's new value, applied by the host at the commit point.
struct upf_bucket_update {
  /// Index into `upf_qer_tables.buckets`.
  uint32_t bucket;
  uint32_t reserved;
  struct upf_bucket value;
};

/// The same for `UPF_SCHEMA_BUCKET_2`.
struct upf_bucket_update_2 {
  uint32_t bucket;
  uint32_t reserved;
  struct upf_bucket_2 value;
};

/// Bytes of the largest update of all schemas.
#define UPF_BUCKET_UPDATE_MAX 40u

/// One batch on its way through the pipeline.
struct upf_batch {
  uint32_t size;
  /// Packets in the batch, 1 to `UPF_BATCH_MAX`.
  uint32_t count;
  /// CLOCK_MONOTONIC nanoseconds; one reading serves the batch.
  uint64_t now;
  const struct upf_packet *packets;
  /// `count` verdicts; the host starts them with `UPF_NONE` and `UPF_DROP_NONE`.
  struct upf_verdict *verdicts;
  /// Room for `count` updates, one per bucket touched, of the kind that goes with the module's buckets.
  struct upf_bucket_update *updates;
  /// Written by qer.
  uint32_t update_count;
  uint32_t reserved;
  /// Scratch of qer: finds the update of a bucket within the batch.
  uint8_t update_index[UPF_UPDATE_INDEX_SIZE];
};

/// Table of the `classify` slot.
struct upf_classify_table {
  uint32_t size;
  uint32_t version;
  void (*process)(const struct upf_pdr_tables *tables, struct upf_batch *batch);
};

/// Table of the `qer` slot.
struct upf_qer_table {
  uint32_t size;
  uint32_t version;
  void (*process)(const struct upf_qer_tables *tables, struct upf_batch *batch);
};

/// Returns the hash of a PDR key; entry `hash & mask` is the first to look at, then the next, wrapping.
static inline uint32_t upf_key_hash(uint64_t key) {
  key ^= key >> 33;
  key *= 0xff51afd7ed558ccdull;
  key ^= key >> 33;
  key *= 0xc4ceb9fe1a85ec53ull;
  key ^= key >> 33;
  return (uint32_t)key;
}

#ifdef __cplusplus
}
#endif

#endif
