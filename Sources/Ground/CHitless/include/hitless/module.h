/// What a module tells its host about itself. Included by modules; needs nothing but C11 or C++17.
///
/// A module is a shared library that fills one slot of a host with a function table. It exports
/// exactly one symbol, `hitless_module`, keeps no state of its own and has no writable data. See
/// docs/abi.md for what a loadable module may contain, and `hitless lint` to check one.
#ifndef HITLESS_MODULE_H
#define HITLESS_MODULE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Version of this contract.
#define HITLESS_ABI_VERSION 1u
/// Longest module or slot name, with its terminating NUL; names match `[a-z0-9][a-z0-9._-]*` and
/// do not end in a dot.
#define HITLESS_NAME_SIZE 32
/// How many kinds of per-record state one module may read or write.
#define HITLESS_STATE_MAX 4
/// Type number of the note; its owner is "Hitless".
#define HITLESS_NOTE_TYPE 1u

/// Marks a function that a hot patch is expected to change.
///
/// The function gets a section of its own, so that tools see, without symbols, whether a change
/// stayed inside what was marked. The whole module is replaced in any case: this is policy, not ABI.
#define HITLESS_PATCHABLE __attribute__((noinline, section("hitless_patchable")))

/// Exports the one symbol of a module from a build with hidden visibility.
#define HITLESS_EXPORT __attribute__((visibility("default"), used))

/// Puts the note where the host and the tools look for it.
#define HITLESS_NOTE __attribute__((used, section(".note.hitless"), aligned(4)))

/// Layout of one kind of host-owned record that a module reads or writes.
struct hitless_state_schema {
  /// Changes whenever the meaning or the layout of the record does.
  uint32_t id;
  /// Size of one record in bytes.
  uint32_t size;
};

/// The facts about a module that tools can read without running code (96 bytes, no padding).
struct hitless_module_facts {
  /// `HITLESS_ABI_VERSION` of the headers the module was built with.
  uint32_t abi_version;
  /// Interface of the slot it fills; the host defines the numbers.
  uint32_t interface_id;
  /// Version of that interface.
  uint32_t interface_version;
  /// Version of the module: major.minor.patch.
  uint32_t version_major;
  uint32_t version_minor;
  uint32_t version_patch;
  /// Size of the function table in bytes.
  uint32_t table_size;
  /// How many entries of `states` are in use.
  uint32_t state_count;
  /// Every kind of per-record state that the module reads or writes.
  struct hitless_state_schema states[HITLESS_STATE_MAX];
  /// Name of the module, NUL-terminated and NUL-padded.
  char name[HITLESS_NAME_SIZE];
};

/// The facts once more, as an ELF note (owner "Hitless", type `HITLESS_NOTE_TYPE`).
struct hitless_module_note {
  uint32_t name_size;
  uint32_t facts_size;
  uint32_t type;
  char owner[8];
  struct hitless_module_facts facts;
};

/// What a host offers to `attach` and `selftest`; never to the packet path.
struct hitless_host_services {
  uint32_t size;
  uint32_t abi_version;
  /// Handed back to every call below.
  void *context;
  /// Writes one line to the host's log; `level` as in syslog.
  void (*log)(void *context, int32_t level, const char *message);
  /// Nanoseconds of CLOCK_MONOTONIC.
  uint64_t (*clock)(void *context);
};

/// Inputs for `selftest` that the host supplies; may be absent.
struct hitless_selftest_vectors {
  uint32_t size;
  uint32_t count;
  /// `count` vectors in the layout that the slot's interface defines.
  const void *vectors;
};

/// The one exported object of a module.
///
/// Every hook may be null and returns 0 for success. Fields are only ever appended; `size` tells an
/// older host how much to read.
struct hitless_module {
  uint32_t size;
  uint32_t abi_version;
  /// The same bytes as in the note.
  struct hitless_module_facts facts;
  /// The function table of the slot's interface, or null when the table lies inside this object.
  const void *table;
  /// Offset of the table from the start of this object when `table` is null.
  uint64_t table_offset;
  /// Called once after mapping, off the packet path.
  int32_t (*attach)(const struct hitless_host_services *services, void *control,
                    void **private_data);
  /// Called once before the module is let go; never while a worker can still reach it.
  void (*detach)(void *private_data);
  /// Rewrites one record from one schema to another; must know both directions.
  int32_t (*migrate)(const void *old_record, uint32_t old_schema, void *new_record,
                     uint32_t new_schema);
  /// Checks the module against known answers; runs in another process first.
  int32_t (*selftest)(const struct hitless_host_services *services,
                      const struct hitless_selftest_vectors *vectors);
};

#ifdef __cplusplus
}
#endif

#endif
