#define _GNU_SOURCE
#include "hitless_shim_network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/// Room for one control message with one `int`.
union control {
  struct cmsghdr header;
  char room[CMSG_SPACE(sizeof(int))];
};

/// The size at which the kernel glued datagrams together in `message`, or its whole length.
static uint32_t segment_size(struct msghdr *message, uint32_t length) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      int size;
      memcpy(&size, CMSG_DATA(c), sizeof size);
      if (size > 0 && (uint32_t)size < length) return (uint32_t)size;
    }
  }
  return length;
}

/// Describes one received message as packets; returns how many.
static unsigned cut(struct mmsghdr *message, uint8_t *bytes, struct hitless_shim_packet *packets) {
  const struct sockaddr_in *peer = message->msg_hdr.msg_name;
  uint32_t left = message->msg_len, size = segment_size(&message->msg_hdr, left);
  unsigned count = 0;
  // One more than the kernel's limit cannot come; if it did, the rest would be one truncated packet.
  do {
    int last = left <= size || count == HITLESS_SHIM_SEGMENTS_MAX - 1;
    int cut_off = last && (left > size || (message->msg_hdr.msg_flags & MSG_TRUNC));
    uint32_t length = left < size ? left : size;
    packets[count++] = (struct hitless_shim_packet){
        .bytes = bytes, .capacity = length, .length = length,
        .address = ntohl(peer->sin_addr.s_addr), .port = ntohs(peer->sin_port),
        .flags = cut_off ? HITLESS_SHIM_PACKET_TRUNCATED : 0};
    if (last) return count;
    bytes += length;
    left -= length;
  } while (1);
}

int hitless_shim_udp_receive(int socket, uint8_t *region, size_t slot, unsigned messages,
                             struct hitless_shim_packet *packets) {
  struct mmsghdr headers[HITLESS_SHIM_MESSAGES_MAX];
  struct iovec rooms[HITLESS_SHIM_MESSAGES_MAX];
  struct sockaddr_in peers[HITLESS_SHIM_MESSAGES_MAX];
  union control controls[HITLESS_SHIM_MESSAGES_MAX];
  if (messages > HITLESS_SHIM_MESSAGES_MAX) messages = HITLESS_SHIM_MESSAGES_MAX;
  for (unsigned i = 0; i < messages; i++) {
    rooms[i] = (struct iovec){region + i * slot, slot};
    headers[i].msg_hdr = (struct msghdr){
        .msg_name = &peers[i], .msg_namelen = sizeof peers[i], .msg_iov = &rooms[i],
        .msg_iovlen = 1, .msg_control = &controls[i], .msg_controllen = sizeof controls[i]};
  }
  int received = recvmmsg(socket, headers, messages, MSG_DONTWAIT, NULL);
  unsigned count = 0;
  for (int i = 0; i < received; i++) count += cut(&headers[i], region + i * slot, packets + count);
  return received < 0 ? -1 : (int)count;
}

/// How many packets from the first on can go as one message: same peer, same length, the last shorter.
static unsigned run_length(const struct hitless_shim_packet *packets, unsigned count) {
  uint32_t size = packets->length, total = size;
  unsigned run = 1;
  while (size > 0 && run < count && run < HITLESS_SHIM_SEGMENTS_SENT) {
    const struct hitless_shim_packet *next = packets + run;
    if (next->address != packets->address || next->port != packets->port) break;
    if (next->length == 0 || next->length > size || total + next->length > 65000) break;
    total += next->length;
    run++;
    if (next->length < size) break;
  }
  return run;
}

/// Fills one message with a run of packets, and asks for segmentation where it is more than one.
static void fill(struct msghdr *message, struct sockaddr_in *peer, union control *control,
                 struct iovec *parts, const struct hitless_shim_packet *packets, unsigned run) {
  for (unsigned i = 0; i < run; i++) parts[i] = (struct iovec){packets[i].bytes, packets[i].length};
  *peer = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(packets->port),
                               .sin_addr.s_addr = htonl(packets->address)};
  *message = (struct msghdr){
      .msg_name = peer, .msg_namelen = sizeof *peer, .msg_iov = parts, .msg_iovlen = run};
  if (run == 1) return;
  uint16_t size = (uint16_t)packets->length;
  message->msg_control = control;
  message->msg_controllen = CMSG_SPACE(sizeof size);
  control->header = (struct cmsghdr){
      .cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT, .cmsg_len = CMSG_LEN(sizeof size)};
  memcpy(CMSG_DATA(&control->header), &size, sizeof size);
}

int hitless_shim_udp_send(int socket, const struct hitless_shim_packet *packets, unsigned count,
                          int segment) {
  struct mmsghdr headers[HITLESS_SHIM_MESSAGES_MAX];
  struct sockaddr_in peers[HITLESS_SHIM_MESSAGES_MAX];
  union control controls[HITLESS_SHIM_MESSAGES_MAX];
  struct iovec parts[HITLESS_SHIM_MESSAGES_MAX * HITLESS_SHIM_SEGMENTS_SENT];
  unsigned runs[HITLESS_SHIM_MESSAGES_MAX], messages = 0, taken = 0;
  for (; messages < HITLESS_SHIM_MESSAGES_MAX && taken < count; messages++) {
    runs[messages] = segment ? run_length(packets + taken, count - taken) : 1;
    fill(&headers[messages].msg_hdr, &peers[messages], &controls[messages], parts + taken,
         packets + taken, runs[messages]);
    taken += runs[messages];
  }
  int sent = sendmmsg(socket, headers, messages, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) return -1;
  taken = 0;
  for (int i = 0; i < sent; i++) taken += runs[i];
  return (int)taken;
}

int hitless_shim_udp_coalesce(int socket) {
  int on = 1;
  return setsockopt(socket, SOL_UDP, UDP_GRO, &on, sizeof on);
}

int hitless_shim_udp_segmentation(int socket) {
  // Zero is the default, no segmentation: a kernel that takes it knows the option.
  int off = 0;
  return setsockopt(socket, SOL_UDP, UDP_SEGMENT, &off, sizeof off);
}

int64_t hitless_shim_socket_drops(int socket) {
  // The counter behind SO_RXQ_OVFL, which would only come with the next datagram that is not dropped.
  uint32_t info[SK_MEMINFO_VARS];
  socklen_t size = sizeof info;
  if (getsockopt(socket, SOL_SOCKET, SO_MEMINFO, info, &size) != 0) return -1;
  return info[SK_MEMINFO_DROPS];
}

int hitless_shim_poll(struct pollfd *descriptors, unsigned count, int64_t timeout_ns) {
  struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
  return ppoll(descriptors, count, timeout_ns < 0 ? NULL : &timeout, NULL);
}

int hitless_shim_signal_descriptor(const int *signals, unsigned count) {
  sigset_t set;
  sigemptyset(&set);
  for (unsigned i = 0; i < count; i++) sigaddset(&set, signals[i]);
  int code = pthread_sigmask(SIG_BLOCK, &set, NULL);
  if (code != 0) {
    errno = code;
    return -1;
  }
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int hitless_shim_signal_next(int descriptor) {
  struct signalfd_siginfo info;
  return read(descriptor, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}
