// A qer for tests: marks packets with its version, and fails as its macros say at a packet to port 6666.
//
// PATCH is its version. FAILURE names the way to fail, nothing for none; IN_SWIFT has failure.swift do it.
// With WRITES it writes to the packet instead, with DECIDES it decides otherwise; with LEAVES it fails
// after its end. TIME is what it puts into buckets, its version unless that is said.
#include <stdint.h>

#include "failure.h"
#include "hitless/module.h"
#include "upf/slots.h"

enum { TRIGGER = 6666 };

#ifndef FAILURE
#define FAILURE nothing
#endif
#ifndef TIME
#define TIME PATCH
#endif
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#ifdef IN_SWIFT
void fail_in_swift(uint32_t failure, uint64_t number);
#define FAIL(number) fail_in_swift(JOIN(failure_, FAILURE), number)
#else
#define FAIL(number) JOIN(fail_, FAILURE)(number)
#endif

HITLESS_PATCHABLE static void process(const struct upf_qer_tables *tables, struct upf_batch *batch) {
  (void)tables;
  uint32_t count = 0;
  for (uint32_t index = 0; index < batch->count; index++) {
    struct upf_verdict *verdict = &batch->verdicts[index];
    if (verdict->drop != UPF_DROP_NONE) {
      continue;
    }
    verdict->qer_mark = PATCH;
    batch->updates[count++] = (struct upf_bucket_update){
        .bucket = 2 * verdict->qer + batch->packets[index].direction, .value = {.time = TIME}};
    batch->update_count = count;
    if (batch->packets[index].destination_port == TRIGGER) {
      // What the batch holds now is half of the work; nobody may ever see it.
      verdict->drop = UPF_DROP_GATE_CLOSED;
#ifdef WRITES
      // To a packet, which no module may.
      *(volatile uint8_t *)(uintptr_t)batch->packets[index].bytes = 0;
#elif defined(DECIDES)
      verdict->drop = UPF_DROP_MBR_EXCEEDED;
      continue;
#else
      FAIL(batch->now | 1);
#endif
      verdict->drop = UPF_DROP_NONE;
    }
  }
}

// The last thing that it does is a jump to the C library, so that nothing of the module is on the stack.
static __attribute__((unused)) void process_and_leave(const struct upf_qer_tables *tables,
                                                      struct upf_batch *batch) {
  process(tables, batch);
  for (uint32_t index = 0; index < batch->count; index++) {
    if (batch->packets[index].destination_port == TRIGGER) {
      memcpy((void *)(uintptr_t)(batch->now & 8), batch, 1 + (batch->now & 63));
      return;
    }
  }
}

#ifdef LEAVES
#define PROCESS process_and_leave
#else
#define PROCESS process
#endif
static const struct upf_qer_table table = {sizeof table, UPF_INTERFACE_VERSION, PROCESS};

#define FACTS                                                                                       \
  {                                                                                                 \
    .abi_version = HITLESS_ABI_VERSION, .interface_id = UPF_INTERFACE_QER,                          \
    .interface_version = UPF_INTERFACE_VERSION, .version_major = 1, .version_patch = PATCH,         \
    .table_size = sizeof table, .name = "qer"                                                       \
  }

HITLESS_NOTE static const struct hitless_module_note note = {
    .name_size = 8, .facts_size = 96, .type = HITLESS_NOTE_TYPE, .owner = "Hitless", .facts = FACTS};

HITLESS_EXPORT const struct hitless_module hitless_module = {.size = sizeof(struct hitless_module),
                                                             .abi_version = HITLESS_ABI_VERSION,
                                                             .facts = FACTS,
                                                             .table = &table};
