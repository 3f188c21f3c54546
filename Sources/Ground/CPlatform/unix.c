#define _GNU_SOURCE
#include "hitless_shim_unix.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

int hitless_shim_unix_socket(void) {
  return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int hitless_shim_unix_accept(int socket) {
  return accept4(socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int hitless_shim_unix_peer(int socket, pid_t *process, uid_t *user, gid_t *group) {
  struct ucred credentials = {0};
  socklen_t size = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return -1;
  *process = credentials.pid;
  *user = credentials.uid;
  *group = credentials.gid;
  return 0;
}

static int address_of(const char *path, struct sockaddr_un *address) {
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof address->sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  memcpy(address->sun_path, path, length + 1);
  return 0;
}

int hitless_shim_unix_bind(int socket, const char *path) {
  struct sockaddr_un address;
  // The mode of the socket is that of the file that bind makes; the umask belongs to the host.
  if (address_of(path, &address) != 0 || fchmod(socket, 0600) != 0) return -1;
  return bind(socket, (const struct sockaddr *)&address, sizeof address);
}

int hitless_shim_unix_connect(int socket, const char *path) {
  struct sockaddr_un address;
  if (address_of(path, &address) != 0) return -1;
  return connect(socket, (const struct sockaddr *)&address, sizeof address);
}
