// The five stages, for one packet and for a batch. Compiled with the same flags wherever this is included:
// what differs between the measured variants is only how the code is reached.
#ifndef PATH_STAGES_H
#define PATH_STAGES_H

#include <stdint.h>
#include <string.h>

#include "path.h"

#define STAGE static inline __attribute__((always_inline))

enum { IPV4 = 20, UDP = 8, GTPU = 8, OPTIONAL = 4, CONTAINER = 4 };
enum { NO_UPDATE = 0xff };

STAGE uint32_t read32(const uint8_t *bytes) {
  uint32_t value;
  memcpy(&value, bytes, sizeof value);
  return __builtin_bswap32(value);
}

STAGE uint16_t read16(const uint8_t *bytes) { return (uint16_t)(bytes[0] << 8 | bytes[1]); }

STAGE void write32(uint8_t *bytes, uint32_t value) {
  value = __builtin_bswap32(value);
  memcpy(bytes, &value, sizeof value);
}

STAGE uint32_t teid_hash(uint32_t teid) {
  teid *= 0x9e3779b1u;
  return teid ^ teid >> 15;
}

// 0: outer IPv4, UDP and GTP-U with its extension headers (TS 29.281, 5.1 and 5.2).
STAGE void decapsulate(struct path_batch *batch, uint32_t i) {
  const uint8_t *outer = batch->packets[i];
  const uint8_t *gtpu = outer + IPV4 + UDP;
  uint32_t declared = read16(outer + 2);
  uint32_t total = declared <= PATH_BUFFER ? declared : 0;
  uint32_t offset = IPV4 + UDP + GTPU;
  int is_packet = outer[0] == 0x45 && outer[9] == 17 && (gtpu[0] & 0xf0) == 0x30 && gtpu[1] == 255;
  if (is_packet && (gtpu[0] & 7) != 0) {
    uint8_t next = gtpu[GTPU + 3];
    offset += OPTIONAL;
    while (next != 0 && offset + 4 <= total && outer[offset] != 0) {
      uint32_t size = (uint32_t)outer[offset] * 4;
      next = outer[offset + size - 1];
      offset += size;
    }
  }
  is_packet = is_packet && offset < total;
  batch->teid[i] = read32(gtpu + 4);
  batch->offset[i] = (uint16_t)offset;
  batch->length[i] = (uint16_t)(total - offset);
  batch->drop[i] = is_packet ? PATH_DROP_NONE : PATH_DROP_MALFORMED;
}

STAGE void prefetch_teid(const struct path_tables *tables, const struct path_batch *batch, uint32_t i) {
  __builtin_prefetch(&tables->teids[teid_hash(batch->teid[i]) & tables->mask]);
}

// 1: from the TEID to the session.
STAGE void look_up(const struct path_tables *tables, struct path_batch *batch, uint32_t i) {
  uint32_t teid = batch->teid[i];
  uint32_t place = teid_hash(teid) & tables->mask;
  while (tables->teids[place].teid != teid && tables->teids[place].session != PATH_NONE) {
    place = (place + 1) & tables->mask;
  }
  uint32_t session = tables->teids[place].session;
  batch->session[i] = session;
  if (session == PATH_NONE) {
    batch->drop[i] = batch->drop[i] ? batch->drop[i] : PATH_DROP_NO_SESSION;
    return;
  }
  __builtin_prefetch(&tables->sessions[session]);
  __builtin_prefetch(&tables->buckets[session]);
  __builtin_prefetch(&tables->usage[session]);
}

STAGE struct path_bucket *bucket_of(const struct path_tables *tables, struct path_batch *batch,
                                    uint32_t session) {
  uint32_t place = session & (PATH_INDEX - 1);
  while (batch->update_index[place] != NO_UPDATE) {
    uint32_t known = batch->update_index[place];
    if (batch->update_session[known] == session) {
      return &batch->update[known];
    }
    place = (place + 1) & (PATH_INDEX - 1);
  }
  uint32_t fresh = batch->update_count++;
  batch->update_index[place] = (uint8_t)fresh;
  batch->update_session[fresh] = session;
  batch->update[fresh] = tables->buckets[session];
  return &batch->update[fresh];
}

STAGE void begin_enforcing(struct path_batch *batch) {
  batch->update_count = 0;
  memset(batch->update_index, NO_UPDATE, sizeof batch->update_index);
}

// 2: gate and maximum bit rate (TS 29.244, 5.4.3).
STAGE void enforce(const struct path_tables *tables, struct path_batch *batch, uint32_t i) {
  if (batch->drop[i]) {
    return;
  }
  const struct path_session *session = &tables->sessions[batch->session[i]];
  if (session->gate) {
    batch->drop[i] = PATH_DROP_GATE;
    return;
  }
  if (session->rate == 0) {
    return;
  }
  struct path_bucket *bucket = bucket_of(tables, batch, batch->session[i]);
  uint64_t capacity = (uint64_t)session->burst * 8000000000u;
  uint64_t tokens = bucket->tokens + (batch->now - bucket->time) * session->rate;
  uint64_t price = (uint64_t)batch->length[i] * 8000000000u;
  tokens = tokens > capacity ? capacity : tokens;
  bucket->time = batch->now;
  if (tokens < price) {
    batch->drop[i] = PATH_DROP_RATE;
    bucket->tokens = tokens;
    return;
  }
  bucket->tokens = tokens - price;
}

// 3: whose usage the packet counts for (TS 29.244, 5.2.2).
STAGE void charge(struct path_batch *batch, uint32_t i) {
  batch->charged[i] = batch->drop[i] ? PATH_NONE : batch->session[i];
}

STAGE uint32_t checksum(uint32_t length, uint32_t own, uint32_t peer) {
  // The constant words of the header below: version and protocol.
  uint32_t sum = 0x4500u + 0x4000u + 0x4011u + length;
  sum += (own >> 16) + (own & 0xffff) + (peer >> 16) + (peer & 0xffff);
  sum = (sum & 0xffff) + (sum >> 16);
  return ~(sum + (sum >> 16)) & 0xffff;
}

// 4: the headers towards the next node, in words of 32 bits.
STAGE void encapsulate(const struct path_tables *tables, struct path_batch *batch, uint32_t i) {
  if (batch->drop[i]) {
    return;
  }
  const struct path_session *session = &tables->sessions[batch->session[i]];
  uint8_t *header = batch->header[i];
  uint32_t length = batch->length[i];
  uint32_t total = PATH_OUTER + length;
  uint32_t own = session->own_address;
  uint32_t peer = session->peer_address;
  write32(header, 0x45000000u | total);
  write32(header + 4, 0x00004000u);
  write32(header + 8, 0x40110000u | checksum(total, own, peer));
  write32(header + 12, own);
  write32(header + 16, peer);
  write32(header + 20, 0x08680868u);
  write32(header + 24, (total - IPV4) << 16);
  write32(header + 28, 0x34ff0000u | (OPTIONAL + CONTAINER + length));
  write32(header + 32, session->peer_teid);
  write32(header + 36, 0x00000085u);
  write32(header + 40, 0x01000000u | (uint32_t)session->qfi << 8);
}

STAGE void decapsulate_all(const struct path_tables *tables, struct path_batch *batch, uint32_t build) {
  (void)tables;
  for (uint32_t i = 0; i < PATH_BATCH; i++) {
    decapsulate(batch, i);
  }
  batch->mark[0] = build;
}

STAGE void look_up_all(const struct path_tables *tables, struct path_batch *batch, uint32_t build) {
  for (uint32_t i = 0; i < PATH_BATCH; i++) {
    prefetch_teid(tables, batch, i);
  }
  for (uint32_t i = 0; i < PATH_BATCH; i++) {
    look_up(tables, batch, i);
  }
  batch->mark[1] = build;
}

STAGE void enforce_all(const struct path_tables *tables, struct path_batch *batch, uint32_t build) {
  begin_enforcing(batch);
  for (uint32_t i = 0; i < PATH_BATCH; i++) {
    enforce(tables, batch, i);
  }
  batch->mark[2] = build;
}

STAGE void charge_all(const struct path_tables *tables, struct path_batch *batch, uint32_t build) {
  (void)tables;
  for (uint32_t i = 0; i < PATH_BATCH; i++) {
    charge(batch, i);
  }
  batch->mark[3] = build;
}

STAGE void encapsulate_all(const struct path_tables *tables, struct path_batch *batch, uint32_t build) {
  for (uint32_t i = 0; i < PATH_BATCH; i++) {
    encapsulate(tables, batch, i);
  }
  batch->mark[4] = build;
}

#endif
