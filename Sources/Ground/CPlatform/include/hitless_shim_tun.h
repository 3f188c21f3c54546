// TUN devices: `ioctl` is variadic, and its request structure is a union of macros.
#ifndef HITLESS_SHIM_TUN_H
#define HITLESS_SHIM_TUN_H

#include <stdint.h>

#include "hitless_shim_network.h"

/// Makes the open `/dev/net/tun` a queue of the device `name`: whole IP packets, no headers before them.
///
/// `multi_queue` not 0: further queues of the same name may be opened. Returns 0 or -1 with `errno`.
int hitless_shim_tun_attach(int descriptor, const char *_Nonnull name, int multi_queue);

/// Reads one packet into each of `packets`, until nothing waits. Returns how many.
///
/// `code` is 0, or why it stopped before the end: EAGAIN when nothing waits, ENOTCONN when the other end
/// of a socket has gone. A packet that fills its room is marked truncated, so a room has one byte more
/// than the largest packet. One call for many `read`s: the caller's share must not be paid per packet.
unsigned hitless_shim_packets_read(int descriptor, struct hitless_shim_packet *_Nonnull packets,
                                   unsigned count, int *_Nonnull code);
/// Writes packets in order, until one is not taken. Returns how many.
///
/// `code` is 0, or why the next one was not taken. `is_socket` not 0: a peer that has gone is EPIPE,
/// not a signal.
unsigned hitless_shim_packets_write(int descriptor,
                                    const struct hitless_shim_packet *_Nonnull packets,
                                    unsigned count, int is_socket, int *_Nonnull code);

#endif
