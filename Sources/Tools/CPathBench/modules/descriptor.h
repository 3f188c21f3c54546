// The descriptor of a module, once for all of them: NAME, NUMBER, BUILD and TABLE are its file's. MINOR makes
// another file of the same code.
#include "hitless/module.h"

#ifndef MINOR
#define MINOR 0
#endif

#define FACTS                                                                                       \
  {                                                                                                 \
    .abi_version = HITLESS_ABI_VERSION, .interface_id = PATH_INTERFACE + NUMBER,                    \
    .interface_version = 1, .version_major = BUILD, .version_minor = MINOR,                         \
    .table_size = sizeof TABLE, .name = NAME                                                        \
  }

HITLESS_NOTE static const struct hitless_module_note note = {
    .name_size = 8, .facts_size = 96, .type = HITLESS_NOTE_TYPE, .owner = "Hitless", .facts = FACTS};

HITLESS_EXPORT const struct hitless_module hitless_module = {.size = sizeof(struct hitless_module),
                                                             .abi_version = HITLESS_ABI_VERSION,
                                                             .facts = FACTS,
                                                             .table = &TABLE};
