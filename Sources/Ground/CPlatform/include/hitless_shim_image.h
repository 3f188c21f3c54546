// Facts about loaded images: <link.h> shows them only as GNU extensions, which Swift's Glibc module hides.
#ifndef HITLESS_SHIM_IMAGE_H
#define HITLESS_SHIM_IMAGE_H

#include <stdint.h>

/// Where the dynamic loader has put an image.
struct hitless_shim_image {
  /// What is added to the file's virtual addresses.
  uintptr_t bias;
  /// The program headers as they lie in memory.
  const void *_Nullable headers;
  uint32_t header_count;
};

/// Finds the image behind a handle of `dlopen`. Returns 0, or -1 when the loader does not list it.
int hitless_shim_image_of_handle(void *_Nonnull handle, struct hitless_shim_image *_Nonnull image);
/// Returns 1 while the loader lists an image under exactly this name, else 0.
int hitless_shim_image_is_listed(const char *_Nonnull name);
/// The name under which the loader knows the image that this code is part of; null when it does not say.
const char *_Nullable hitless_shim_own_image_path(void);

#endif
