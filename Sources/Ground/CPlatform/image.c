#define _GNU_SOURCE
#include "hitless_shim_image.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

struct search {
  const struct link_map *wanted;
  const char *name;
  struct hitless_shim_image *image;
};

static int same_link_map(struct dl_phdr_info *info, size_t size, void *argument) {
  const struct search *search = argument;
  (void)size;
  if (info->dlpi_addr != search->wanted->l_addr || strcmp(info->dlpi_name, search->wanted->l_name) != 0) {
    return 0;
  }
  search->image->bias = info->dlpi_addr;
  search->image->headers = info->dlpi_phdr;
  search->image->header_count = info->dlpi_phnum;
  return 1;
}

static int same_name(struct dl_phdr_info *info, size_t size, void *argument) {
  const struct search *search = argument;
  (void)size;
  return strcmp(info->dlpi_name, search->name) == 0;
}

int hitless_shim_image_of_handle(void *handle, struct hitless_shim_image *image) {
  struct link_map *map = 0;
  if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0 || map == 0) {
    return -1;
  }
  struct search search = {map, 0, image};
  return dl_iterate_phdr(same_link_map, &search) == 1 ? 0 : -1;
}

int hitless_shim_image_is_listed(const char *name) {
  struct search search = {0, name, 0};
  return dl_iterate_phdr(same_name, &search);
}

const char *hitless_shim_own_image_path(void) {
  Dl_info info;
  return dladdr((const void *)(uintptr_t)&hitless_shim_own_image_path, &info) != 0 ? info.dli_fname : 0;
}
