#define _GNU_SOURCE
#include "hitless_shim_tun.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int hitless_shim_tun_attach(int descriptor, const char *name, int multi_queue) {
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  if (multi_queue) request.ifr_flags |= IFF_MULTI_QUEUE;
  if (strlen(name) >= sizeof request.ifr_name) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(request.ifr_name, name);
  return ioctl(descriptor, TUNSETIFF, &request);
}

unsigned hitless_shim_packets_read(int descriptor, struct hitless_shim_packet *packets,
                                   unsigned count, int *code) {
  unsigned done = 0;
  *code = 0;
  while (done < count) {
    ssize_t length = read(descriptor, packets[done].bytes, packets[done].capacity);
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) {
      // A socket whose peer has gone reads as empty; a device never does.
      *code = length == 0 ? ENOTCONN : errno;
      break;
    }
    packets[done].length = (uint32_t)length;
    // The calls do not tell whether they cut something off, only that there was no room left.
    packets[done].flags = length < packets[done].capacity ? 0 : HITLESS_SHIM_PACKET_TRUNCATED;
    done++;
  }
  return done;
}

unsigned hitless_shim_packets_write(int descriptor, const struct hitless_shim_packet *packets,
                                    unsigned count, int is_socket, int *code) {
  unsigned done = 0;
  *code = 0;
  while (done < count) {
    const struct hitless_shim_packet *next = packets + done;
    ssize_t length = is_socket ? send(descriptor, next->bytes, next->length, MSG_NOSIGNAL)
                               : write(descriptor, next->bytes, next->length);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) {
      *code = errno;
      break;
    }
    done++;
  }
  return done;
}
