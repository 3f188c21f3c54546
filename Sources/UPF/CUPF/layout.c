// Layout that compiled modules rely on; a change here is another interface version.
#include "upf/slots.h"

_Static_assert(sizeof(struct upf_packet) == 64 + 0, "one cache line");
_Static_assert(sizeof(struct upf_verdict) == 24, "no padding");
_Static_assert(sizeof(struct upf_filter) == 48, "no padding");
_Static_assert(sizeof(struct upf_pdr) == 32, "half a cache line");
_Static_assert(sizeof(struct upf_pdr_key) == 16, "no padding");
_Static_assert(sizeof(struct upf_qer) == 32, "no padding");
_Static_assert(sizeof(struct upf_bucket) == 16, "no padding");
_Static_assert(sizeof(struct upf_bucket_2) == 32, "no padding");
_Static_assert(sizeof(struct upf_bucket_update) == 24, "a head of eight bytes");
_Static_assert(sizeof(struct upf_bucket_update_2) == UPF_BUCKET_UPDATE_MAX, "the largest");
