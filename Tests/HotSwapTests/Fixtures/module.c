// A module for tests; macros make variants of it, right ones and wrong ones.
#include "hitless/module.h"

#ifndef ANSWER
#define ANSWER 1
#endif
#ifndef ABI
#define ABI HITLESS_ABI_VERSION
#endif

struct answer_table {
  uint32_t size;
  uint32_t version;
  uint32_t (*answer)(void);
  uint32_t (*private_value)(void *private_data);
};

#define FACTS(minor)                                                                              \
  {                                                                                               \
    .abi_version = ABI, .interface_id = 7, .interface_version = 1, .version_major = 1,            \
    .version_minor = minor, .version_patch = ANSWER, .table_size = sizeof(struct answer_table),   \
    .name = "answer"                                                                              \
  }

#ifdef OTHER_NOTE
#define NOTE_MINOR 9
#else
#define NOTE_MINOR 2
#endif

HITLESS_NOTE static const struct hitless_module_note note = {
    .name_size = 8, .facts_size = 96, .type = HITLESS_NOTE_TYPE, .owner = "Hitless",
    .facts = FACTS(NOTE_MINOR)};

HITLESS_PATCHABLE static uint32_t answer(void) { return ANSWER; }

static uint32_t private_value(void *private_data) { return *(uint32_t *)private_data; }

static int32_t attach(const struct hitless_host_services *services, void *control, void **private_data) {
  uint32_t *counter = control;
#ifdef ATTACH_HANGS
  // Until the test has seen enough.
  while (*(volatile uint32_t *)counter == 0) {
    services->clock(services->context);
  }
#endif
  *counter += 1;
  *private_data = counter;
  services->log(services->context, 6, "attached");
#ifdef ATTACH_FAILS
  return -5;
#else
  return services->clock(services->context) == 0;
#endif
}

static void detach(void *private_data) {
  uint32_t *counter = private_data;
#ifdef DETACH_HANGS
  // Until the test has seen enough.
  while (*(volatile uint32_t *)counter < 50) {
  }
#endif
  *counter += 100;
}

static int32_t selftest(const struct hitless_host_services *services,
                        const struct hitless_selftest_vectors *vectors) {
#ifdef SELFTEST_HANGS
  for (;;) {
    services->clock(services->context);
  }
#endif
#ifdef SELFTEST_CRASHES
  __builtin_trap();
#endif
  services->log(services->context, 6, vectors == 0 ? "no vectors" : "vectors");
#ifdef SELFTEST_FAILS
  return 3;
#else
  return answer() == ANSWER ? 0 : 1;
#endif
}

static const struct answer_table table = {
    .size = sizeof(struct answer_table), .version = 1, .answer = answer, .private_value = private_value};

#ifdef FOREIGN_TABLE
#define TABLE ((const void *)16)
#else
#define TABLE &table
#endif
#ifdef FOREIGN_HOOK
typedef int32_t (*selftest_hook)(const struct hitless_host_services *,
                                 const struct hitless_selftest_vectors *);
#define SELFTEST ((selftest_hook)&table)
#else
#define SELFTEST selftest
#endif

#ifndef NO_DESCRIPTOR
HITLESS_EXPORT const struct hitless_module hitless_module = {
#ifdef SMALL
    .size = 64,
#else
    .size = sizeof(struct hitless_module),
#endif
    .abi_version = ABI,
    .facts = FACTS(2),
    .table = TABLE,
    .attach = attach,
    .detach = detach,
    .selftest = SELFTEST};
#else
HITLESS_EXPORT const int something_else = 1;
void *const keep[] = {(void *)&table, (void *)attach, (void *)detach, (void *)selftest};
#endif

#ifdef PADDING
// Code that nobody calls.
#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
__asm__(".text\n.skip " TEXT(PADDING) ", 0xcc\n");
#endif
