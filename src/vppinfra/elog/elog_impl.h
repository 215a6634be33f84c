/* SPDX-License-Identifier: Apache-2.0 */
/* Inside elog: registration, and the pieces that merging and files share. */
#ifndef included_elog_impl_h
#define included_elog_impl_h

#include <vppinfra/elog.h>

/* Indexes in events are u16. */
#define ELOG_MAX_INDEXES 65536

/** Take em's lock.  @return 0; -EBUSY: this thread has it already (an allocation under the lock
 *  called out, and that code logs) */
int elog_lock(elog_main_t *em);
void elog_unlock(elog_main_t *em);

/** A C string as a vector with its NUL; NULL without memory. */
char *elog_copy_string(const char *s, uword n_bytes);

/** Free what the copy of a type in em owns. */
void elog_type_free(elog_event_type_t *t);

/** Index of a type of the same texts in em, -ENOENT. */
word elog_type_find(elog_main_t *em, const elog_event_type_t *t);
/** An owned copy of a type that is in some em; 0 or -ENOMEM. */
int elog_type_copy(elog_event_type_t *to, const elog_event_type_t *from);
/** Move t, whole and owned, into em.  @return its index; -ENOMEM or -ENOSPC, t stays the caller's
 */
word elog_type_add(elog_main_t *em, const elog_event_type_t *t);
/** The same for a track's name. */
word elog_track_add(elog_main_t *em, char *name);

/** em's ring becomes one that holds these events (in seconds), and is off.
 *  @return 0; -ENOMEM with em as it was */
int elog_install_events(elog_main_t *em, const elog_event_t *events);

/** Nanoseconds a cycle of the machine that logged. */
f64 elog_nsec_per_clock(const elog_main_t *em);

/** An item of format_args. */
typedef struct {
	char kind;  /* i t T f s; 0: there are no more */
	u8 n_bytes; /* 0: up to the NUL */
} elog_arg_t;

/** Parse an item.  @return what follows it */
const char *elog_next_arg(const char *args, elog_arg_t *arg);
/** Bytes of data that an item takes at a place with n_left bytes. */
uword elog_arg_bytes(elog_arg_t arg, const u8 *data, uword n_left);
/** An integer of 1, 2, 4 or 8 bytes at any address. */
u64 elog_load_integer(const u8 *data, uword n_bytes);

#endif
