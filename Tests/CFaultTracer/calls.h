// The calls that are announced, and the filter that announces them.
#ifndef FAULT_CALLS_H
#define FAULT_CALLS_H

#include <linux/filter.h>

extern struct sock_filter fault_filter[];
extern const unsigned short fault_filter_length;

#endif
