// Unix sockets: what is GNU-only or built from macros.
#ifndef HITLESS_SHIM_UNIX_H
#define HITLESS_SHIM_UNIX_H

#include <sys/types.h>

/// A stream socket that is close-on-exec and does not block; the flags are enum constants that Swift
/// imports as another type. Returns a descriptor or -1 with `errno`.
int hitless_shim_unix_socket(void);
/// `accept4` is a GNU extension. The connection is close-on-exec and does not block.
int hitless_shim_unix_accept(int socket);
/// `struct ucred` is a GNU extension. Returns 0, or -1 with `errno`.
int hitless_shim_unix_peer(int socket, pid_t *_Nonnull process, uid_t *_Nonnull user,
                           gid_t *_Nonnull group);
/// Binds to `path`, which must fit the address (107 bytes); the file gets mode 0600 less the umask.
int hitless_shim_unix_bind(int socket, const char *_Nonnull path);
/// Connects to `path`, which must fit the address.
int hitless_shim_unix_connect(int socket, const char *_Nonnull path);

#endif
