// A worker whose packets change records of a state table, with a book of its own on what they must be.
#ifndef MIGRATION_LOAD_H
#define MIGRATION_LOAD_H

#include <stdint.h>

#include "hitless/host.h"
#include "hitless/state.h"

/// Two layouts of one record; fixture.c has the modules that write them.
#define LOAD_SCHEMA_1 0x4c445201u
#define LOAD_SCHEMA_2 0x4c445202u
/// What a module may keep beside the first, in a table of its own.
#define LOAD_SCHEMA_SIDE 0x4c445301u

struct load_record_1 {
  uint64_t packets;
  uint64_t bytes;
  uint64_t number;
};

struct load_record_2 {
  uint64_t number;
  uint64_t seal;
  uint64_t bytes;
  uint64_t packets;
  uint64_t longest;
};

struct load_side {
  uint64_t packets;
  uint64_t longest;
};

/// Table of the module: what a record is after one packet more, and what stands beside it, if anything does.
struct load_table {
  uint32_t size;
  uint32_t version;
  void (*process)(const void *record, uint64_t number, uint32_t length, void *next);
  void (*note)(const struct load_side *side, uint32_t length, struct load_side *next);
};

/// A packet of this length makes a candidate fail that was told to.
#define LOAD_POISON 666u

struct load {
  struct hitless_worker *worker;
  uint64_t records;
  /// The worker has every `stride`-th record, from `first` on; with 0 all of them, shared with others.
  uint64_t stride;
  uint64_t first;
  /// By record: bytes and packets that were forwarded, for records that are not shared; batches that use a
  /// shared one at this moment, stable's in the low half and the candidate's in the high half.
  uint64_t *bytes;
  uint64_t *packets;
  uint64_t seed;
  uint64_t offered;
  uint64_t forwarded;
  /// Not served: the record was nowhere to be had.
  uint64_t refused;
  /// Served by the candidate's version.
  uint64_t by_candidate;
  /// Batches in which a record was served by both versions at one moment, or by one that could not read it.
  uint64_t torn;
  uint64_t batches;
  uint64_t limit;
  uint32_t is_poisoned;
  uint32_t stop;
  uint64_t numbers[32];
  uint32_t lengths[32];
  uint32_t places[32];
  unsigned char results[32][64];
  /// Where the new record beside goes, and what it is; null where there is none.
  struct load_side *sides[32];
  struct load_side notes[32];
};

/// Runs batches of 32 packets until `stop` or `limit` of them.
void load_run(struct load *load);
/// Runs one batch.
void load_run_once(struct load *load);
/// Lets one of the next packets be poison.
void load_poison(struct load *load);
void load_stop(struct load *load);
uint64_t load_batches(const struct load *load);
uint64_t load_by_candidate(const struct load *load);
/// How many records do not say what the books say, wherever they lie; the worker runs no batch meanwhile.
uint64_t load_wrong(struct load *load);

#endif
