/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/segment.h>

#include <pthread.h>
#include <stdatomic.h>

#define LOG2_INDEX 12
#define INDEX_MASK ((1u << LOG2_INDEX) - 1)
#define GENERATION_MASK 0xfffu

typedef struct {
	/* Selector while the segment is there, 0 otherwise: written last, cleared first. */
	_Atomic u32 selector;
	_Atomic u32 rights;
	_Atomic u64 base, limit;
	/* Under the lock: generations begin anew with each that is added. */
	u32 generation;
	char name[32];
} entry_t;

/* Index 0 is nobody, so that handle 0 is no handle. */
static entry_t entries[CLIB_MAX_SEGMENTS + 1];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic u64 n_refused;

u64
clib_handle_n_refused(void)
{
	return atomic_load_explicit(&n_refused, memory_order_relaxed);
}

static int
segment_is_sane(const clib_segment_t *s)
{
	u32 known = CLIB_SEGMENT_READ | CLIB_SEGMENT_WRITE;

	return s && s->base && s->limit && s->limit <= CLIB_SEGMENT_MAX_BYTES && s->rights &&
	       !(s->rights & ~known) &&
	       pointer_to_uword(s->base) + s->limit > pointer_to_uword(s->base);
}

static void
fill(entry_t *e, u32 selector, const clib_segment_t *s)
{
	strncpy(e->name, s->name ? s->name : "", sizeof(e->name) - 1);
	e->generation = selector >> LOG2_INDEX;
	atomic_store_explicit(&e->base, pointer_to_uword(s->base), memory_order_relaxed);
	atomic_store_explicit(&e->limit, s->limit, memory_order_relaxed);
	atomic_store_explicit(&e->rights, s->rights, memory_order_relaxed);
	/* Release: whoever sees the selector sees the rest. */
	atomic_store_explicit(&e->selector, selector, memory_order_release);
}

int
clib_segment_add(const clib_segment_t *segment, clib_selector_t *selector)
{
	int rv = -ENOMEM;

	if (!segment_is_sane(segment))
		return -EINVAL;
	pthread_mutex_lock(&lock);
	for (u32 i = 1; i <= CLIB_MAX_SEGMENTS && rv; i++) {
		entry_t *e = &entries[i];

		if (e->selector)
			continue;
		*selector = ((e->generation + 1) & GENERATION_MASK) << LOG2_INDEX | i;
		fill(e, *selector, segment);
		rv = 0;
	}
	pthread_mutex_unlock(&lock);
	return rv;
}

int
clib_segment_add_as(clib_selector_t selector, const clib_segment_t *segment)
{
	u32 i = selector & INDEX_MASK;
	int rv = 0;

	if (!segment_is_sane(segment) || !i || selector >> (2 * LOG2_INDEX))
		return -EINVAL;
	pthread_mutex_lock(&lock);
	if (entries[i].selector)
		rv = -EEXIST;
	else
		fill(&entries[i], selector, segment);
	pthread_mutex_unlock(&lock);
	return rv;
}

int
clib_segment_remove(clib_selector_t selector)
{
	entry_t *e = &entries[selector & INDEX_MASK];
	int rv = -ENOENT;

	pthread_mutex_lock(&lock);
	if (selector && e->selector == selector) {
		atomic_store_explicit(&e->selector, 0, memory_order_release);
		rv = 0;
	}
	pthread_mutex_unlock(&lock);
	return rv;
}

/* The entry of a selector that is alive, or NULL. */
always_inline entry_t *
entry_of(clib_selector_t selector)
{
	entry_t *e = &entries[selector & INDEX_MASK];

	/* Acquire: pairs with the release in fill(). */
	return selector && atomic_load_explicit(&e->selector, memory_order_acquire) == selector
		       ? e
		       : NULL;
}

int
clib_segment_get(clib_selector_t selector, clib_segment_t *segment)
{
	const entry_t *e = entry_of(selector);

	if (!e)
		return -ENOENT;
	*segment = (clib_segment_t){ .name = e->name,
				     .base = uword_to_pointer(e->base, void *),
				     .limit = e->limit,
				     .rights = e->rights };
	return 0;
}

void
clib_segment_foreach(int (*fn)(clib_selector_t selector, const clib_segment_t *segment, void *arg),
		     void *arg)
{
	clib_segment_t segment;

	for (u32 i = 1; i <= CLIB_MAX_SEGMENTS; i++) {
		u32 selector = entries[i].selector;

		if (!clib_segment_get(selector, &segment) && fn(selector, &segment, arg))
			return;
	}
}

clib_handle_t
clib_handle(clib_selector_t selector, u64 offset)
{
	const entry_t *e = entry_of(selector);

	return e && offset < e->limit ? (u64)selector << 40 | offset : 0;
}

clib_handle_t
clib_handle_of(const void *address)
{
	for (u32 i = 1; i <= CLIB_MAX_SEGMENTS; i++) {
		u32 selector = atomic_load_explicit(&entries[i].selector, memory_order_acquire);
		u64 offset;

		if (!selector)
			continue;
		offset = pointer_to_uword(address) -
			 atomic_load_explicit(&entries[i].base, memory_order_relaxed);
		if (offset < atomic_load_explicit(&entries[i].limit, memory_order_relaxed))
			return (u64)selector << 40 | offset;
	}
	return 0;
}

void *
clib_handle_pointer(clib_handle_t handle, u64 n_bytes, u32 rights)
{
	const entry_t *e = entry_of(clib_handle_selector(handle));
	u64 offset = clib_handle_offset(handle), limit;

	if (PREDICT_TRUE(e != NULL)) {
		limit = atomic_load_explicit(&e->limit, memory_order_relaxed);
		if (PREDICT_TRUE(
			    offset < limit && n_bytes <= limit - offset &&
			    !(rights & ~atomic_load_explicit(&e->rights, memory_order_relaxed))))
			return uword_to_pointer(
				atomic_load_explicit(&e->base, memory_order_relaxed) + offset,
				void *);
	}
	atomic_fetch_add_explicit(&n_refused, 1, memory_order_relaxed);
	return NULL;
}
