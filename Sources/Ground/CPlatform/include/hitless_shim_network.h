// Packet input and output in batches: calls of the C library that exist only under _GNU_SOURCE, which
// the Glibc module is compiled without, and control messages, whose accessors are macros.
#ifndef HITLESS_SHIM_NETWORK_H
#define HITLESS_SHIM_NETWORK_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

/// Most system-call messages in one batch.
#define HITLESS_SHIM_MESSAGES_MAX 32u
/// Most packets that one coalesced message can carry (the kernel's UDP_MAX_SEGMENTS).
#define HITLESS_SHIM_SEGMENTS_MAX 128u
/// Most packets that this side puts into one message: every kernel with UDP_SEGMENT takes as many.
#define HITLESS_SHIM_SEGMENTS_SENT 64u

/// The message was longer than its room; only the beginning was kept.
#define HITLESS_SHIM_PACKET_TRUNCATED 1u

/// One packet in memory of the caller.
struct hitless_shim_packet {
  /// First byte.
  uint8_t *_Nullable bytes;
  /// Bytes that fit from there on.
  uint32_t capacity;
  /// Bytes in use.
  uint32_t length;
  /// The peer's IPv4 address in host byte order; unused for packets of a TUN device.
  uint32_t address;
  /// The peer's UDP port in host byte order; unused for packets of a TUN device.
  uint16_t port;
  /// `HITLESS_SHIM_PACKET_…`.
  uint16_t flags;
};

/// Receives what waits on a UDP socket, without blocking.
///
/// Message i goes to `region + i * slot`; a message that the kernel coalesced becomes several packets.
/// `packets` needs room for `messages * HITLESS_SHIM_SEGMENTS_MAX`. Returns the packets, or -1 with
/// `errno` (EAGAIN when nothing waits).
int hitless_shim_udp_receive(int socket, uint8_t *_Nonnull region, size_t slot, unsigned messages,
                             struct hitless_shim_packet *_Nonnull packets);

/// Sends packets in order without blocking.
///
/// With `segment` not 0, neighbours of equal length to the same peer go as one message that the kernel
/// cuts up (UDP_SEGMENT). Returns how many packets the kernel took, at most the first
/// `HITLESS_SHIM_MESSAGES_MAX` messages, or -1 with `errno` when it did not take the first.
int hitless_shim_udp_send(int socket, const struct hitless_shim_packet *_Nonnull packets,
                          unsigned count, int segment);

/// Asks the kernel to hand over neighbouring datagrams as one (UDP_GRO). Returns 0 or -1.
int hitless_shim_udp_coalesce(int socket);
/// Tells whether the kernel knows UDP_SEGMENT: 0 or -1 with `errno`.
int hitless_shim_udp_segmentation(int socket);
/// Returns how many datagrams the kernel has dropped at this socket since it was opened, or -1.
int64_t hitless_shim_socket_drops(int socket);

/// Waits for events; `timeout_ns` below 0 waits for ever. Returns what `ppoll` returns.
int hitless_shim_poll(struct pollfd *_Nonnull descriptors, unsigned count, int64_t timeout_ns);

/// Blocks `signals` in this thread (threads started later inherit that) and returns a descriptor that
/// is readable when one of them is pending, or -1 with `errno`.
int hitless_shim_signal_descriptor(const int *_Nonnull signals, unsigned count);
/// Returns the next pending signal of such a descriptor, 0 when there is none.
int hitless_shim_signal_next(int descriptor);

#endif
