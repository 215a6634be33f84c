/* SPDX-License-Identifier: Apache-2.0 */
/* Objects in mappings of their own.  A table of them, open addressed by address, says which
 * pointers are such objects: nothing is read at an address before it is known. */
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include "malloc_impl.h"

/* Larger ones have a mapping always. */
#define MAX_ADAPTED_BYTES MiB(32)
/* Objects are megabytes, mostly; the table is there from the first one on. */
#define LOG2_FIRST_SLOTS 10

typedef struct {
	/* The object; NULL: the slot was never used; GONE: it was. */
	void *p;
	void *base;
	uword n_mapped;
} slot_t;
#define GONE ((void *)1)

static struct {
	pthread_mutex_t lock;
	slot_t *slots;
	u32 log2_slots;
	/* Slots that are not NULL. */
	uword n_taken;
	large_usage_t usage;
} large = { .lock = PTHREAD_MUTEX_INITIALIZER };

void
large_lock(void)
{
	pthread_mutex_lock(&large.lock);
}

void
large_unlock(void)
{
	pthread_mutex_unlock(&large.lock);
}

static uword
page_bytes(void)
{
	return (uword)sysconf(_SC_PAGESIZE);
}

static void *
map(uword n_bytes)
{
	void *p = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* ---- table; the lock is held ---- */

static uword
first_slot(const void *p)
{
	return ((uword)p >> 12) * MHEAP_TAG_FACTOR >> (64 - large.log2_slots);
}

static slot_t *
find(const void *p)
{
	uword mask = (1ULL << large.log2_slots) - 1, i;

	if (!large.slots || !p || p == GONE)
		return NULL;
	for (i = first_slot(p); large.slots[i].p; i = (i + 1) & mask)
		if (large.slots[i].p == p)
			return &large.slots[i];
	return NULL;
}

/* There is room. */
static void
insert(const slot_t *s)
{
	uword mask = (1ULL << large.log2_slots) - 1, i = first_slot(s->p);

	while (large.slots[i].p && large.slots[i].p != GONE)
		i = (i + 1) & mask;
	large.n_taken += !large.slots[i].p;
	large.slots[i] = *s;
}

/* Twice as large, or as large without the slots that are gone. */
static int
rehash(void)
{
	slot_t *old = large.slots;
	uword n_old = old ? 1ULL << large.log2_slots : 0;
	u32 log2 = !old                                  ? LOG2_FIRST_SLOTS
		   : large.usage.n_live * 2 >= n_old / 2 ? large.log2_slots + 1
							 : large.log2_slots;
	slot_t *slots = map(sizeof(slot_t) << log2);

	if (!slots)
		return -ENOMEM;
	large.slots = slots;
	large.log2_slots = log2;
	large.n_taken = 0;
	for (uword i = 0; i < n_old; i++)
		if (old[i].p && old[i].p != GONE)
			insert(&old[i]);
	if (old)
		munmap(old, n_old * sizeof(slot_t));
	return 0;
}

static int
add(const slot_t *s)
{
	/* A quarter stays NULL, so a search ends. */
	if ((!large.slots || large.n_taken >= 3ULL << large.log2_slots >> 2) && rehash())
		return -ENOMEM;
	insert(s);
	large.usage.n_live++;
	large.usage.n_live_bytes += s->n_mapped;
	return 0;
}

static slot_t
take(slot_t *s)
{
	slot_t taken = *s;

	s->p = GONE;
	large.usage.n_live--;
	large.usage.n_live_bytes -= taken.n_mapped;
	return taken;
}

/* ---- objects ---- */

void *
large_alloc(uword n_bytes, uword align)
{
	uword page = page_bytes(), n_slack = align > page ? align - page : 0;
	slot_t s;
	int error;

	if (n_bytes + page + n_slack < n_bytes)
		return NULL;
	s.n_mapped = round_pow2(n_bytes, page) + n_slack;
	s.base = map(s.n_mapped);
	if (!s.base)
		return NULL;
	s.p = (void *)round_pow2((uword)s.base, align);
	if (n_slack) {
		/* What lies before and behind goes back. */
		uword n_before = (uword)s.p - (uword)s.base;

		if (n_before)
			munmap(s.base, n_before);
		if (n_slack > n_before)
			munmap((u8 *)s.base + s.n_mapped - (n_slack - n_before),
			       n_slack - n_before);
		s.base = s.p;
		s.n_mapped -= n_slack;
	}
	large_lock();
	error = add(&s);
	large.usage.n_allocs += !error;
	large_unlock();
	if (!error)
		return s.p;
	munmap(s.base, s.n_mapped);
	return NULL;
}

/* Whether at least half of its pages were used. */
static int
was_used(const slot_t *s)
{
	static u8 is_resident[MAX_ADAPTED_BYTES / 4096];
	uword n_pages = s->n_mapped / page_bytes(), n = 0;

	if (n_pages > sizeof(is_resident) || mincore(s->base, s->n_mapped, is_resident))
		return 0;
	for (uword i = 0; i < n_pages; i++)
		n += is_resident[i] & 1;
	return n >= n_pages / 2;
}

/* An object is about to be freed.  One of which little was used, say a table that is hardly
 * filled, is better off with a mapping: the heap's huge pages would be cleared for it, and calloc
 * would write all of it.  The lock is held. */
static void
adapt(const slot_t *s)
{
	if (s->n_mapped < malloc_main.mmap_threshold || s->n_mapped > MAX_ADAPTED_BYTES ||
	    malloc_main.thresholds_are_set || !malloc_main.v || !was_used(s))
		return;
	malloc_main.mmap_threshold = s->n_mapped + 1;
	mheap_set_give_back_bytes(malloc_main.v,
				  clib_max(2 * s->n_mapped, (uword)MALLOC_GIVE_BACK_BYTES));
}

int
large_free(void *p)
{
	slot_t taken = { 0 }, *s;

	large_lock();
	s = find(p);
	if (s) {
		taken = take(s);
		large.usage.n_frees++;
		adapt(&taken);
	}
	large_unlock();
	if (!taken.p)
		return -EINVAL;
	munmap(taken.base, taken.n_mapped);
	return 0;
}

uword
large_usable(const void *p)
{
	const slot_t *s;
	uword n = 0;

	large_lock();
	s = find(p);
	if (s)
		n = (uword)s->base + s->n_mapped - (uword)p;
	large_unlock();
	return n;
}

void *
large_resize(void *p, uword n_bytes)
{
	uword n_mapped = round_pow2(n_bytes, page_bytes());
	slot_t *s, moved;
	void *base;

	if (n_mapped < n_bytes)
		return NULL;
	large_lock();
	s = find(p);
	if (!s) {
		large_unlock();
		return NULL;
	}
	/* One slot more may be needed; so the table is ready before anything moves. */
	if (large.n_taken + 1 >= 3ULL << large.log2_slots >> 2) {
		if (rehash()) {
			large_unlock();
			return NULL;
		}
		s = find(p);
	}
	base = mremap(s->base, s->n_mapped, n_mapped, MREMAP_MAYMOVE);
	if (base != MAP_FAILED) {
		moved = take(s);
		moved.p = moved.base = base;
		moved.n_mapped = n_mapped;
		add(&moved);
	}
	large_unlock();
	return base == MAP_FAILED ? NULL : base;
}

void
large_usage(large_usage_t *usage)
{
	large_lock();
	*usage = large.usage;
	large_unlock();
}
