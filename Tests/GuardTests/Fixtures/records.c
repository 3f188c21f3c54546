// A qer for tests that keeps a book in token buckets: packets and bytes that it has seen. SCHEMA says in
// which of the two layouts, which have them in different places; the second one is sealed, so that no other
// record passes for it.
//
// A packet to port 6666 puts a sign on a bucket of the first layout, for good. In the second, with POISONED,
// it is a fault. FAILS, FAULTS or LOOPS say what comes of a bucket with the sign on its way to the second
// layout, or with BACK from it. With HOOKED the first one can be gone back to, by a patch. With BENT it
// counts a byte too many.
#include <stdint.h>

#include "hitless/module.h"
#include "upf/slots.h"

enum { TRIGGER = 6666 };
#define SEAL 0x5ea1ed0000000000ull
#define SIGN (1ull << 63)

#if defined(FAILS)
#define GO_WRONG return 7
#elif defined(FAULTS)
#define GO_WRONG __builtin_trap()
#elif defined(LOOPS)
#define GO_WRONG \
  for (;;) __asm__ volatile("")
#else
#define GO_WRONG (void)0
#endif
#ifdef BACK
#define GO_WRONG_FORWARD (void)0
#define GO_WRONG_BACK GO_WRONG
#else
#define GO_WRONG_FORWARD GO_WRONG
#define GO_WRONG_BACK (void)0
#endif

/// What a bucket says, whatever its layout.
struct book {
  uint64_t packets;
  uint64_t bytes;
};

static struct book book_of_1(const struct upf_bucket *bucket) {
  return (struct book){bucket->tokens, bucket->time};
}

static struct upf_bucket bucket_1(struct book book) {
  return (struct upf_bucket){.tokens = book.packets, .time = book.bytes};
}

static struct book book_of_2(const struct upf_bucket_2 *bucket) {
  uint64_t seal = bucket->stopped ^ bucket->passed ^ bucket->time;
  // One that nobody has used yet is all zeros. What is neither has no book.
  return seal == SEAL || seal == 0 ? (struct book){bucket->time, bucket->passed}
                                   : (struct book){1ull << 62, 0};
}

static struct upf_bucket_2 bucket_2(struct book book) {
  return (struct upf_bucket_2){
      .time = book.packets, .passed = book.bytes, .stopped = SEAL ^ book.bytes ^ book.packets};
}

#if SCHEMA == 1
typedef struct upf_bucket record;
typedef struct upf_bucket_update update;
#define BOOK_OF book_of_1
#define RECORD_OF bucket_1
#else
typedef struct upf_bucket_2 record;
typedef struct upf_bucket_update_2 update;
#define BOOK_OF book_of_2
#define RECORD_OF bucket_2
#endif

static __attribute__((unused)) int32_t migrate(const void *old, uint32_t from, void *new, uint32_t to) {
  if (from == UPF_SCHEMA_BUCKET && to == UPF_SCHEMA_BUCKET_2) {
    struct book book = book_of_1(old);
    if ((book.packets & SIGN) != 0) {
      GO_WRONG_FORWARD;
    }
    *(struct upf_bucket_2 *)new = bucket_2(book);
    return 0;
  }
  if (from == UPF_SCHEMA_BUCKET_2 && to == UPF_SCHEMA_BUCKET) {
    struct book book = book_of_2(old);
    if ((book.packets & SIGN) != 0) {
      GO_WRONG_BACK;
    }
    *(struct upf_bucket *)new = bucket_1(book);
    return 0;
  }
  return 9;
}

/// The batch's one update of a bucket.
static record *value_of(const struct upf_qer_tables *tables, struct upf_batch *batch, uint32_t bucket) {
  update *updates = (update *)(void *)batch->updates;
  for (uint32_t index = 0; index < batch->update_count; index++) {
    if (updates[index].bucket == bucket) {
      return &updates[index].value;
    }
  }
  update *fresh = &updates[batch->update_count++];
  *fresh = (update){.bucket = bucket, .value = ((const record *)(const void *)tables->buckets)[bucket]};
  return &fresh->value;
}

HITLESS_PATCHABLE static void process(const struct upf_qer_tables *tables, struct upf_batch *batch) {
  batch->update_count = 0;
  for (uint32_t index = 0; index < batch->count; index++) {
    struct upf_verdict *verdict = &batch->verdicts[index];
    const struct upf_packet *packet = &batch->packets[index];
    if (verdict->drop != UPF_DROP_NONE || verdict->qer >= tables->qer_count) {
      continue;
    }
    verdict->qer_mark = SCHEMA;
    record *value = value_of(tables, batch, 2 * verdict->qer + packet->direction);
    struct book book = BOOK_OF(value);
    book.packets++;
    book.bytes += packet->length;
#ifdef BENT
    book.bytes++;
#endif
    if (packet->destination_port == TRIGGER) {
#if SCHEMA == 1
      book.packets |= SIGN;
#elif defined(POISONED)
      // What the batch holds now is half of the work; nobody may ever see it.
      verdict->drop = UPF_DROP_GATE_CLOSED;
      __builtin_trap();
#endif
    }
    *value = RECORD_OF(book);
  }
}

static const struct upf_qer_table table = {sizeof table, UPF_INTERFACE_VERSION, process};

#define FACTS                                                                                       \
  {                                                                                                 \
    .abi_version = HITLESS_ABI_VERSION, .interface_id = UPF_INTERFACE_QER,                          \
    .interface_version = UPF_INTERFACE_VERSION, .version_major = 1, .version_patch = SCHEMA,        \
    .table_size = sizeof table, .state_count = 1,                                                   \
    .states = {{SCHEMA == 1 ? UPF_SCHEMA_BUCKET : UPF_SCHEMA_BUCKET_2, sizeof(record)}},            \
    .name = "qer"                                                                                   \
  }

HITLESS_NOTE static const struct hitless_module_note note = {
    .name_size = sizeof note.owner,
    .facts_size = sizeof note.facts,
    .type = HITLESS_NOTE_TYPE,
    .owner = "Hitless",
    .facts = FACTS,
};

HITLESS_EXPORT const struct hitless_module hitless_module = {
    .size = sizeof hitless_module,
    .abi_version = HITLESS_ABI_VERSION,
    .facts = FACTS,
    .table = &table,
#if SCHEMA == 2 || defined(HOOKED)
    .migrate = migrate,
#endif
};
