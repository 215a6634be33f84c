/* SPDX-License-Identifier: Apache-2.0 */
/* interrupt: numbered flags that one thread serves and any thread raises.
 *
 *   void *d = 0;
 *   clib_interrupt_init (&d, 100);
 *   clib_interrupt_set (d, 7);                   the serving thread
 *   clib_interrupt_set_atomic (d, 8);            any thread
 *   for (int i = -1; (i = clib_interrupt_get_next_and_clear (d, i)) != -1;)
 *     serve (i);                                 7, then 8
 *
 * One block of memory holds a header and two bitmaps, each on cache lines of its own, so raising
 * from elsewhere does not take the line that the server writes:
 *
 *   | clib_interrupt_header_t | local words | remote words (atomic) |
 *
 * Setting a flag that is set already is one interrupt.  What is raised while its handler runs is
 * pending again afterwards.
 *
 * Threads: set_atomic any; all others the serving thread; nobody else while it is resized or
 * freed.  A number outside [0, n_int) is refused.  NULL is an object without interrupts. */
#ifndef included_vppinfra_interrupt_h
#define included_vppinfra_interrupt_h

#include <vppinfra/atomics.h>
#include <vppinfra/clib.h>
#include <vppinfra/vec.h>

typedef struct {
	CLIB_CACHE_LINE_ALIGN_MARK(cacheline0);
	int n_int;
	/** Words of either bitmap, whole cache lines. */
	uword n_uwords;
	/** Serving thread. */
	uword *local;
	/** Any thread, atomic. */
	uword *remote;
} clib_interrupt_header_t;

/** n_int interrupts, none pending.  *data's former value is not freed.
 *  @return 0; -ENOMEM with *data NULL */
CLIB_EXPORT int clib_interrupt_init(void **data, u32 n_int);

/** Change their number (from NULL: init); what is pending and still there stays so.
 *  @return 0; -ENOMEM with *data as it was */
CLIB_EXPORT int clib_interrupt_resize(void **data, u32 n_int);

/** Sets *data to NULL.  NULL-safe. */
CLIB_EXPORT void clib_interrupt_free(void **data);

/** How many interrupts there are. */
always_inline int
clib_interrupt_get_n_int(void *d)
{
	return d ? ((clib_interrupt_header_t *)d)->n_int : 0;
}

always_inline int
_clib_interrupt_is_bad(void *d, int int_num)
{
	return PREDICT_FALSE((u32)int_num >= (u32)clib_interrupt_get_n_int(d));
}

/** @return 0; -EINVAL: no such interrupt */
always_inline int
clib_interrupt_set(void *in, int int_num)
{
	clib_interrupt_header_t *h = (clib_interrupt_header_t *)in;

	if (_clib_interrupt_is_bad(in, int_num))
		return -EINVAL;
	h->local[int_num / 64] |= 1ull << (int_num % 64);
	return 0;
}

/** @return 0; -EINVAL: no such interrupt */
always_inline int
clib_interrupt_set_atomic(void *in, int int_num)
{
	clib_interrupt_header_t *h = (clib_interrupt_header_t *)in;

	if (_clib_interrupt_is_bad(in, int_num))
		return -EINVAL;
	/* Release: what the raiser wrote before is seen by the server's acquire. */
	__atomic_fetch_or(&h->remote[int_num / 64], 1ull << (int_num % 64), __ATOMIC_RELEASE);
	return 0;
}

/** @return 0; -EINVAL: no such interrupt */
always_inline int
clib_interrupt_clear(void *in, int int_num)
{
	clib_interrupt_header_t *h = (clib_interrupt_header_t *)in;
	uword bit;

	if (_clib_interrupt_is_bad(in, int_num))
		return -EINVAL;
	bit = 1ull << (int_num % 64);
	h->local[int_num / 64] &= ~bit;
	/* The read-modify-write only where a raiser was: it costs a bus lock.  Acquire, see set. */
	if (__atomic_load_n(&h->remote[int_num / 64], __ATOMIC_RELAXED) & bit)
		__atomic_fetch_and(&h->remote[int_num / 64], ~bit, __ATOMIC_ACQUIRE);
	return 0;
}

/** The lowest pending interrupt above `last` (-1: of all), left pending; -1: none. */
always_inline int
clib_interrupt_get_next(void *in, int last)
{
	clib_interrupt_header_t *h = (clib_interrupt_header_t *)in;
	u32 i = (u32)last + 1;
	uword mask = ~0ull << (i % 64);

	if (_clib_interrupt_is_bad(in, (int)i))
		return -1;
	for (uword w = i / 64; w < h->n_uwords; w++, mask = ~0ull) {
		/* Acquire: partner of the release in set_atomic. */
		uword x = h->local[w] | __atomic_load_n(&h->remote[w], __ATOMIC_ACQUIRE);

		if (x & mask)
			return (int)(w * 64 + count_trailing_zeros(x & mask));
	}
	return -1;
}

/** The same, no longer pending.  Today's callers leave `last` out (-1), older ones give it. */
#define clib_interrupt_get_next_and_clear(...) _CLIB_INTERRUPT_NEXT(__VA_ARGS__, -1, 0)
#define _CLIB_INTERRUPT_NEXT(in, last, ...) _clib_interrupt_get_next_and_clear((in), (last))

always_inline int
_clib_interrupt_get_next_and_clear(void *in, int last)
{
	int i = clib_interrupt_get_next(in, last);

	if (i >= 0)
		clib_interrupt_clear(in, i);
	return i;
}

/** Whether one is pending. */
always_inline int
clib_interrupt_is_any_pending(void *in)
{
	return clib_interrupt_get_next(in, -1) >= 0;
}

#endif
