/// Cache hints for the host's pipeline: an instruction, which Swift cannot name.
#ifndef UPF_PREFETCH_H
#define UPF_PREFETCH_H

/// Starts loading the cache line of `address`, to be written soon; any address is harmless.
static inline void upf_prefetch_to_write(const void *address) {
  __builtin_prefetch(address, 1);
}

/// Starts loading the cache line of `address`, to be read soon; any address is harmless.
static inline void upf_prefetch_to_read(const void *address) {
  __builtin_prefetch(address, 0);
}

#endif
