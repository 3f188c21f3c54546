// A module that keeps a book in the host's records; SCHEMA says in which of two layouts. With SIDE it keeps
// more beside the first of them.
#include "hitless/module.h"

#ifndef SCHEMA
#define SCHEMA 1
#endif

#ifndef SCHEMA_1
#define SCHEMA_1 0x4c445201u
#define SCHEMA_2 0x4c445202u
#endif
#define SCHEMA_SIDE 0x4c445301u
#define SEAL 0x5ea1ed0000000000u
#define POISON 666u
/// On a record's number: the hook is looking at it.
#define SIGN (1ull << 63)
#ifndef NAME
#define NAME "ledger"
#endif
#ifndef REVISION
#define REVISION 0
#endif

struct record_1 {
  uint64_t packets;
  uint64_t bytes;
  uint64_t number;
};

struct record_2 {
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

struct load_table {
  uint32_t size;
  uint32_t version;
  void (*process)(const void *record, uint64_t number, uint32_t length, void *next);
  void (*note)(const struct load_side *side, uint32_t length, struct load_side *next);
};

/// What goes wrong with one record, in one direction.
#if defined(FAILS)
#define GO_WRONG return 7
#elif defined(FAULTS)
#define GO_WRONG __builtin_trap()
#elif defined(LOOPS)
#define GO_WRONG \
  for (;;) __asm__ volatile("")
#elif defined(HELD)
// With an even number of packets it puts a sign on the record, and returns HELD when somebody has written the
// number without it; with an odd one it returns NEXT. 0 is to go on.
#define GO_WRONG                                           \
  int32_t status = look(&record->number, record->packets); \
  if (status != 0) return status
static int32_t look(const uint64_t *place, uint64_t packets) {
  volatile uint64_t *number = (volatile uint64_t *)(uintptr_t)place;
  if (packets % 2 != 0) {
    return NEXT;
  }
  *number |= SIGN;
  while ((*number & SIGN) != 0) {
    __asm__ volatile("" ::: "memory");
  }
  return HELD;
}
#else
#define GO_WRONG (void)0
#endif
#ifndef FORWARD_AT
#define FORWARD_AT UINT64_MAX
#endif
#ifndef BACK_AT
#define BACK_AT UINT64_MAX
#endif

#if SCHEMA == 1
HITLESS_PATCHABLE static void process(const void *record, uint64_t number, uint32_t length, void *next) {
#ifdef POISONED
  if (length == POISON) {
    __builtin_trap();
  }
#endif
  const struct record_1 *old = record;
  *(struct record_1 *)next = (struct record_1){old->packets + 1, old->bytes + length, number};
}
#else
HITLESS_PATCHABLE static void process(const void *record, uint64_t number, uint32_t length, void *next) {
#ifdef POISONED
  if (length == POISON) {
    __builtin_trap();
  }
#endif
  const struct record_2 *old = record;
  uint64_t longest = length > old->longest ? length : old->longest;
  *(struct record_2 *)next =
      (struct record_2){number, SEAL ^ number, old->bytes + length, old->packets + 1, longest};
}

static int32_t migrate(const void *old, uint32_t from, void *new, uint32_t to) {
  if (from == SCHEMA_1 && to == SCHEMA_2) {
    const struct record_1 *record = old;
    if (record->number == FORWARD_AT) {
      GO_WRONG;
    }
    *(struct record_2 *)new =
        (struct record_2){record->number, SEAL ^ record->number, record->bytes, record->packets, 0};
    return 0;
  }
  if (from == SCHEMA_2 && to == SCHEMA_1) {
    const struct record_2 *record = old;
    if (record->number == BACK_AT) {
      GO_WRONG;
    }
    if (record->seal != (SEAL ^ record->number)) {
      return 8;
    }
    *(struct record_1 *)new = (struct record_1){record->packets, record->bytes, record->number};
    return 0;
  }
  return 9;
}
#endif

#ifdef SIDE
static void note_side(const struct load_side *side, uint32_t length, struct load_side *next) {
  *next = (struct load_side){side->packets + 1, length > side->longest ? length : side->longest};
}
#define NOTE note_side
#define SIDE_COUNT 1
#define SIDE_STATE , {SCHEMA_SIDE, sizeof(struct load_side)}
#else
#define NOTE 0
#define SIDE_COUNT 0
#define SIDE_STATE
#endif

static const struct load_table table = {sizeof table, SCHEMA, process, NOTE};

#define FACTS                                                                                       \
  {                                                                                                 \
    .abi_version = HITLESS_ABI_VERSION, .interface_id = 7, .interface_version = 1,                  \
    .version_major = SCHEMA, .version_minor = REVISION, .table_size = sizeof(struct load_table),    \
    .state_count = 1 + SIDE_COUNT,                                                                  \
    .states = {{SCHEMA == 1 ? SCHEMA_1 : SCHEMA_2,                                                  \
                SCHEMA == 1 ? sizeof(struct record_1) : sizeof(struct record_2)} SIDE_STATE},       \
    .name = NAME                                                                                    \
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
#if SCHEMA == 2
    .migrate = migrate,
#endif
};
