/* SPDX-License-Identifier: Apache-2.0 */
/* Fronts: their table, filling and emptying them.  The paths without the lock are in
 * mheap_front.h. */
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <vppinfra/thread.h>
#include "mheap_impl.h"

_Static_assert(sizeof(mheap_front_t) <= 1UL << MHEAP_LOG2_FRONT_BYTES, "a front fits its place");
_Static_assert(MHEAP_FRONT_MAX_DEPTH <= 255, "depths are bytes");
#define BATCH_BYTES (MHEAP_N_LATER_BATCH * sizeof(uword))
_Static_assert(offsetof(mheap_front_t, later) % BATCH_BYTES == 0 &&
		       MHEAP_N_LATER == 2 * MHEAP_N_LATER_BATCH,
	       "an address says where a batch begins");
_Static_assert(CLIB_MAX_THREADS < MHEAP_FRONT_NOBODY, "ids keep clear of the special ones");

/* Where address space is limited (RLIMIT_AS) tables are a 64th of it, but so many fronts at least:
 * threads beyond go by the lock. */
#define MIN_FRONTS 16UL
#define LOG2_LIMIT_PER_TABLE 6
/* Bytes that a stack may hold: what one thread keeps of a size from all others. */
#define MAX_STACK_BYTES KiB(128)
/* Objects of the largest sizes: enough that a fill and a drain are not for one object each. */
#define MIN_MAX_DEPTH 4

__thread uword mheap_thread_front_offset;

/* For heaps without fronts: what is read of a front up to its stacks.  All stacks are empty, none
 * has room, and its id is that of nobody. */
const u8 mheap_closed_front[offsetof(mheap_front_t, is_held)] = {
	[offsetof(mheap_front_t, id)] = MHEAP_FRONT_NOBODY & 0xff,
	[offsetof(mheap_front_t, id) + 1] = MHEAP_FRONT_NOBODY >> 8,
	[offsetof(mheap_front_t, last) + 7] = MHEAP_FRONT_NOTHING >> 56,
};

/* Held by a thread that ends while it goes through the heaps, and while one of them goes. */
static pthread_mutex_t end_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_error;
uword mheap_n_fronts_each = CLIB_MAX_THREADS;

/* ---- classes ---- */

/* Each class n times in a row: ONE, TWO ... for eight classes of an octave. */
#define X1(c) c
#define X2(c) c, c
#define X4(c) X2(c), X2(c)
#define X8(c) X4(c), X4(c)
#define X16(c) X8(c), X8(c)
#define X32(c) X16(c), X16(c)
#define X64(c) X32(c), X32(c)
#define X128(c) X64(c), X64(c)
#define OCTAVE(x, c, place)                                                                        \
	x(place(c)), x(place(c + 1)), x(place(c + 2)), x(place(c + 3)), x(place(c + 4)),           \
		x(place(c + 5)), x(place(c + 6)), x(place(c + 7))

/* Above 32 KiB for elements that are a little larger than their class. */
#define EVERY_16_BYTES(place)                                                                      \
	OCTAVE(X1, 0, place), OCTAVE(X1, 8, place), OCTAVE(X2, 16, place), OCTAVE(X4, 24, place),  \
		OCTAVE(X8, 32, place), OCTAVE(X16, 40, place), OCTAVE(X32, 48, place),             \
		OCTAVE(X64, 56, place), OCTAVE(X128, 64, place), X64(place(72))
#define CLASS(c) c
#define BIN_OFFSET(c) offsetof(mheap_front_t, bins) + (c) * sizeof(mheap_front_bin_t)

const u8 mheap_front_class_by_16[] = { EVERY_16_BYTES(CLASS) };
const u16 mheap_front_bin_by_16[] = { EVERY_16_BYTES(BIN_OFFSET) };
/* Of class 0 there is none below: an element that is less than any. */
#define BIN_OFFSET_BELOW(c) (c) ? BIN_OFFSET((c)-1) : offsetof(mheap_front_t, no_bin)
const u16 mheap_front_bin_of_elt_by_16[] = { EVERY_16_BYTES(BIN_OFFSET_BELOW) };

static u32
max_depth(uword c)
{
	u32 n = (u32)(MAX_STACK_BYTES / mheap_front_class_bytes(c));

	return clib_clamp(n, (u32)MIN_MAX_DEPTH, (u32)MHEAP_FRONT_MAX_DEPTH);
}

/* ---- threads ---- */

static int
end_in_heap(void *v, void *arg)
{
	mheap_t *h = mheap_header(v);
	u32 id = (u32)(uword)arg;
	mheap_front_t *f;
	u64 n_corruptions;

	if (!(heap_flags(h) & MHEAP_FLAG_FRONTS))
		return 0;
	mheap_lock_slow(h);
	n_corruptions = h->stats.n_corruptions;
	f = front_at(h, id);
	if (clib_atomic_load_relax_n(&f->is_live)) {
		clib_atomic_store_relax_n(&f->is_live, 0);
		mheap_front_give_all(h, v, f);
		/* The next thread of this index opens it. */
		f->id = 0;
		f->last = MHEAP_FRONT_NOTHING;
		f->n_span_bytes = 0;
		for (uword c = 0; c < MHEAP_N_FRONT_CLASSES; c++)
			clib_atomic_store_relax_n(&f->bins[c].ceiling, NULL);
	}
	mheap_unlock_and_report(h, v, n_corruptions);
	return 0;
}

static void
thread_ends(void *CLIB_UNUSED(arg), u16 thread_index)
{
	mheap_thread_front_offset = 0;
	if (thread_index >= mheap_n_fronts_each)
		return;
	pthread_mutex_lock(&end_lock);
	mheap_foreach_heap(end_in_heap, (void *)((uword)thread_index + 1));
	pthread_mutex_unlock(&end_lock);
}

/* Bytes, or ~0. */
static uword
address_space_limit(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY ? ~(uword)0
									       : limit.rlim_cur;
}

static void
watch_threads(void)
{
	uword n = address_space_limit() >> LOG2_LIMIT_PER_TABLE >> MHEAP_LOG2_FRONT_BYTES;

	mheap_n_fronts_each = clib_clamp(n, MIN_FRONTS, (uword)CLIB_MAX_THREADS);
	once_error = clib_thread_at_exit(thread_ends, NULL);
}

/* Of a table: the closed front, and one for each thread. */
static uword
table_bytes(void)
{
	return (mheap_n_fronts_each + 1) << MHEAP_LOG2_FRONT_BYTES;
}

/* ---- the table ---- */

/* Fronts become writable so many at a time, as each time holds up all who meet a page fault.  Which
 * are is noted in the closed one, whose objects are none. */
#define N_WRITABLE_AT_ONCE 16UL
_Static_assert(CLIB_MAX_THREADS / N_WRITABLE_AT_ONCE < MHEAP_FRONT_MAX_DEPTH, "a word for each");

static int
make_writable(mheap_front_t *closed, u32 id)
{
	uword first = id / N_WRITABLE_AT_ONCE * N_WRITABLE_AT_ONCE;
	uword n = clib_min(N_WRITABLE_AT_ONCE, mheap_n_fronts_each + 1 - first);
	uword *is_writable = &closed->objects[0][id / N_WRITABLE_AT_ONCE];

	if (*is_writable)
		return 0;
	if (mprotect((u8 *)closed + (first << MHEAP_LOG2_FRONT_BYTES), n << MHEAP_LOG2_FRONT_BYTES,
		     PROT_READ | PROT_WRITE))
		return -ENOMEM;
	*is_writable = 1;
	return 0;
}

int
mheap_fronts_create(mheap_t *h)
{
	mheap_front_t *closed;

	h->front_base = (uword)mheap_closed_front;
	h->front_mask = 0;
	if (!(h->flags & MHEAP_FLAG_FRONTS))
		return 0;
	if (h->flags & MHEAP_FLAG_FRONTS_WHEN_SHARED && address_space_limit() != ~(uword)0)
		return -ENOMEM;
	pthread_once(&once, watch_threads);
	if (once_error)
		return once_error;
	/* All of it can be read and is zero; only what is written takes memory, also in a program
	 * that locks what it maps (mlockall). */
	closed = mmap(NULL, table_bytes(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		      -1, 0);
	if (closed == MAP_FAILED)
		return -ENOMEM;
	if (make_writable(closed, 0)) {
		munmap(closed, table_bytes());
		return -ENOMEM;
	}
	closed->id = MHEAP_FRONT_NOBODY;
	closed->last = MHEAP_FRONT_NOTHING;
	h->front_base = (uword)closed;
	return 0;
}

void
mheap_fronts_destroy(mheap_t *h)
{
	if (!(h->flags & MHEAP_FLAG_FRONTS))
		return;
	pthread_mutex_lock(&end_lock);
	mheap_region_unregister(h);
	pthread_mutex_unlock(&end_lock);
	munmap((void *)h->front_base, table_bytes());
}

static int
may_be_open(const mheap_t *h)
{
	u32 flags = heap_flags(h);

	return (flags & (MHEAP_FLAG_FRONTS | FLAGS_WATCHED)) == MHEAP_FLAG_FRONTS &&
	       (!(flags & MHEAP_FLAG_FRONTS_WHEN_SHARED) || h->is_shared) &&
	       !atomic_load_explicit(&mheap_fail_countdown, memory_order_relaxed);
}

void
mheap_fronts_update(mheap_t *h)
{
	clib_atomic_store_relax_n(&h->front_mask, may_be_open(h) ? ~(uword)0 : 0);
}

int
mheap_front_set_depth(mheap_front_t *f, uword c, u32 depth)
{
	u32 was = f->depth[c];

	f->depth[c] = (u8)clib_min(depth, max_depth(c));
	clib_atomic_store_relax_n(&f->bins[c].ceiling, f->objects[c] + f->depth[c]);
	return f->depth[c] > was;
}

/* @return 0; -ENOMEM: it stays closed */
static int
open_front(mheap_t *h, mheap_front_t *f, u32 id)
{
	/* The first thread of this index. */
	if (!f->bins[0].top && make_writable(front_at(h, 0), id))
		return -ENOMEM;
	f->id = (u16)id;
	f->last = MHEAP_FRONT_NOTHING;
	f->vector = (uword)mheap_vector(h);
	f->cookie = h->cookie;
	f->n_span_bytes = h->max_size;
	memset(f->later, 0, sizeof(f->later));
	f->next_later = f->later;
	for (uword c = 0; c < MHEAP_N_FRONT_CLASSES; c++) {
		clib_atomic_store_relax_n(&f->bins[c].top, f->objects[c]);
		clib_atomic_store_relax_n(&f->bins[c].floor, f->objects[c]);
		mheap_front_set_depth(f, c, MHEAP_FRONT_FIRST_DEPTH);
	}
	clib_atomic_store_relax_n(&f->is_held, 0);
	clib_atomic_store_relax_n(&f->is_live, 1);
	if (id > h->n_fronts)
		clib_atomic_store_relax_n(&h->n_fronts, id);
	return 0;
}

/* Close the gap that k entries left at the bottom of a stack. */
static void
move_down(mheap_front_t *f, uword c, u32 k)
{
	u32 n = front_depth(f, c);

	for (u32 i = k; i < n; i++)
		clib_atomic_store_relax_n(&f->objects[c][i - k],
					  clib_atomic_load_relax_n(&f->objects[c][i]));
	clib_atomic_store_relax_n(&f->bins[c].top, f->objects[c] + n - k);
}

static void
settle_front(mheap_front_t *f)
{
	if (PREDICT_TRUE(!f->is_held))
		return;
	for (uword c = 0; c < MHEAP_N_FRONT_CLASSES; c++) {
		if (f->n_claimed[c])
			move_down(f, c, f->n_claimed[c]);
		clib_atomic_store_relax_n(&f->n_claimed[c], 0);
		clib_atomic_store_relax_n(&f->bins[c].floor, f->objects[c]);
		/* Memory is short: it begins again with little. */
		mheap_front_set_depth(f, c,
				      clib_max(front_depth(f, c), (u32)MHEAP_FRONT_FIRST_DEPTH));
	}
	clib_atomic_store_relax_n(&f->is_held, 0);
}

/* Whoever holds the lock is the heap's first thread or another. */
static void
note_user(mheap_t *h)
{
	u32 user = atomic_load_explicit(&h->owner_cpu, memory_order_relaxed) + 1;

	if (!h->first_user)
		h->first_user = user;
	h->is_shared = h->first_user != user;
}

int
mheap_fronts_reopen(mheap_t *h)
{
	u16 index;
	mheap_front_t *f;

	if (!h->is_shared && heap_flags(h) & MHEAP_FLAG_FRONTS_WHEN_SHARED)
		note_user(h);

	if (!may_be_open(h))
		return 0;
	if (!h->front_mask)
		mheap_fronts_update(h);
	if (PREDICT_FALSE(!mheap_thread_front_offset)) {
		index = clib_thread_index();
		if (index >= mheap_n_fronts_each)
			return 0;
		mheap_thread_front_offset = (index + 1UL) << MHEAP_LOG2_FRONT_BYTES;
	}
	f = mheap_front(h);
	if (PREDICT_FALSE(!f->is_live))
		return !open_front(h, f,
				   (u32)(mheap_thread_front_offset >> MHEAP_LOG2_FRONT_BYTES));
	settle_front(f);
	return 1;
}

/* ---- fork ---- */

void
mheap_before_fork(void *v)
{
	pthread_mutex_lock(&end_lock);
	mheap_maybe_lock(mheap_header(v));
}

void
mheap_after_fork(void *v, int is_child)
{
	mheap_t *h = mheap_header(v);

	/* The others are gone.  Nothing may be sent to them; what they hold is for claimers. */
	for (u32 id = 1; is_child && id <= h->n_fronts; id++)
		if (front_at(h, id) != own_front(h) && front_at(h, id)->is_live)
			clib_atomic_store_relax_n(&front_at(h, id)->is_live, 0);
	mheap_maybe_unlock(h);
	pthread_mutex_unlock(&end_lock);
}

/* ---- fill and give ---- */

always_inline void
set_front_word(uword p, u16 value)
{
	clib_atomic_store_relax_n(_mheap_front_word(p), value);
}

uword
mheap_front_refill(mheap_t *h, void *v, uword n_bytes)
{
	mheap_front_t *f = mheap_front(h);
	uword c = mheap_front_class(n_bytes), p, first, stride;
	u32 n_wanted, n = 0, k;

	mheap_front_collect(h, v, f, c);
	p = mheap_front_pop(f, c);
	if (p)
		return p;
	mheap_front_set_depth(f, c, 2u * f->depth[c]);
	n_wanted = clib_max(f->depth[c] / 2u, 1u);
	stride = mheap_front_class_bytes(c) + MHEAP_ELT_OVERHEAD_BYTES;
	while (n < n_wanted) {
		k = mheap_take_run(h, v, stride - MHEAP_ELT_OVERHEAD_BYTES, n_wanted - n, &first);
		if (!k)
			break;
		/* The lowest on top: neighbours come one after the other. */
		for (u32 i = 0; i < k; i++) {
			p = (uword)v + first + (k - 1 - i) * stride;
			set_front_word(p, f->id | MHEAP_FRONT_CACHED);
			clib_atomic_store_relax_n(&f->objects[c][n + i], p);
		}
		n += k;
	}
	h->stats.n_front_fills++;
	h->stats.n_front_filled += n;
	clib_atomic_store_rel_n(&f->bins[c].top, f->objects[c] + n);
	return mheap_front_pop(f, c);
}

void
mheap_front_free(mheap_t *h, void *v, uword p)
{
	uword uo = p - (uword)v;

	set_front_word(p, 0);
	if (PREDICT_FALSE(mheap_object_check(h, v, uo)))
		h->stats.n_corruptions++;
	else
		mheap_put_object(h, v, uo);
}

void
mheap_front_give(mheap_t *h, void *v, mheap_front_t *f, uword c, u32 first, u32 n)
{
	for (u32 i = first; i < first + n; i++)
		mheap_front_free(h, v, clib_atomic_load_relax_n(&f->objects[c][i]));
	h->stats.n_front_drains++;
	h->stats.n_front_drained += n;
}

uword
mheap_front_waiting(const mheap_front_t *f, u32 i)
{
	const uword *place = f->later + i, *next = f->next_later;
	uword n_left = BATCH_BYTES - (uword)next % BATCH_BYTES;

	return (uword)place - (uword)next < n_left ? 0 : *place;
}

/* What waits to be looked at: checked as any put, but nobody is there to be told at once. */
u64
mheap_front_give_later(mheap_t *h, void *v, mheap_front_t *f)
{
	u64 n_given = 0;

	for (u32 i = 0; i < MHEAP_N_LATER; i++) {
		uword p = mheap_front_waiting(f, i);

		if (!p)
			continue;
		f->later[i] = 0;
		if (PREDICT_FALSE(mheap_object_check(h, v, p - (uword)v))) {
			h->stats.n_bad_puts++;
			h->stats.n_corruptions++;
			continue;
		}
		h->stats.n_puts++;
		mheap_put_object(h, v, p - (uword)v);
		n_given++;
	}
	return n_given;
}

/* Those of a batch that go another way, mostly to the threads that got them.  Who is told of a
 * mistake may put, too. */
static never_inline void
put_odd(void *v, mheap_front_t *f, const uword *place, u32 odd)
{
	uword waiting[MHEAP_N_LATER_BATCH];
	mheap_t *h = mheap_header(v);
	int saved_errno = errno;
	u32 i;

	memcpy(waiting, place, sizeof(waiting));
	foreach_set_bit_index(i, odd)
	{
		uword offset = waiting[i] - (uword)v;

		if (waiting[i] && !(f == mheap_front(h) && mheap_front_send(h, v, f, offset, 0)))
			mheap_put(v, offset);
	}
	errno = saved_errno;
}

/* The right neighbour's line did not come: it is compared when the object goes to the bins. */
void
mheap_front_put_batch(mheap_front_t *f)
{
	uword *place = f->next_later == f->later + MHEAP_N_LATER ? f->later : f->next_later;
	uword v = f->vector;
	const mheap_t *h = mheap_header((void *)v);
	u64 cookie = f->cookie;
	u16 id = f->id;
	u32 odd = 0;

	/* They wait no more. */
	f->next_later = place;
	for (u32 i = 0; i < MHEAP_N_LATER_BATCH; i++) {
		uword p = place[i];

		if (PREDICT_FALSE(!_mheap_front_may_look(h, p - v) ||
				  !_mheap_front_check_near_and_push(f, id, v, cookie, p)))
			odd |= 1u << i;
	}
	if (PREDICT_FALSE(odd))
		put_odd((void *)v, f, place, odd);
}

void
mheap_put_flush(void *v)
{
	mheap_front_t *f = own_front(mheap_header(v));

	if (!(heap_flags(mheap_header(v)) & MHEAP_FLAG_FRONTS) || !f)
		return;
	for (u32 i = 0; i < MHEAP_N_LATER; i++) {
		uword p = mheap_front_waiting(f, i);

		if (!p)
			continue;
		f->later[i] = 0;
		mheap_put(v, p - (uword)v);
	}
}

u64
mheap_front_give_all(mheap_t *h, void *v, mheap_front_t *f)
{
	u64 n_given = mheap_front_give_later(h, v, f);

	settle_front(f);
	for (uword c = 0; c < MHEAP_N_FRONT_CLASSES; c++) {
		u32 n = front_depth(f, c);

		if (!n)
			continue;
		mheap_front_give(h, v, f, c, 0, n);
		clib_atomic_store_relax_n(&f->bins[c].top, f->objects[c]);
		mheap_front_set_depth(f, c, MHEAP_FRONT_FIRST_DEPTH);
		n_given += n;
	}
	n_given += mheap_front_give_outbox(h, v, f);
	n_given += mheap_front_give_mail(h, v, f);
	return n_given;
}

/* Room for one more: deeper, or without the older half.  Where objects are going for good it
 * becomes shallow; what is deeper still goes the next time, and this object to the bins. */
static void
make_room(mheap_t *h, void *v, mheap_front_t *f, uword c)
{
	int goes_for_good = is_falling(h);
	u32 n = front_depth(f, c);
	u32 n_given = goes_for_good ? clib_min(n, MHEAP_FRONT_MAX_DEPTH / 2u) : clib_max(n / 2, 1u);

	if (n < f->depth[c])
		return;
	if (f->depth[c] < max_depth(c) && !goes_for_good) {
		mheap_front_set_depth(f, c, 2u * f->depth[c]);
		return;
	}
	mheap_front_give(h, v, f, c, 0, n_given);
	move_down(f, c, n_given);
	if (goes_for_good)
		mheap_front_set_depth(f, c, MHEAP_FRONT_FIRST_DEPTH);
}

int
mheap_front_take_back(mheap_t *h, void *v, uword uo)
{
	mheap_front_t *f = mheap_front(h);
	uword c;

	if (!mheap_front_owns(h, v, f->id, uo, &c))
		return 0;
	make_room(h, v, f, c);
	if (!mheap_front_push(f, c, (uword)v + uo))
		return 0;
	h->stats.n_puts--;
	return 1;
}

u64
mheap_front_drain(void *v)
{
	mheap_t *h = mheap_header(v);
	mheap_front_t *f;
	u64 n_given = 0, n_corruptions;

	if (!(heap_flags(h) & MHEAP_FLAG_FRONTS) || !mheap_thread_front_offset)
		return 0;
	mheap_lock_slow(h);
	n_corruptions = h->stats.n_corruptions;
	f = own_front(h);
	if (f->is_live)
		n_given = mheap_front_give_all(h, v, f);
	mheap_unlock_and_report(h, v, n_corruptions);
	return n_given;
}

/* ---- many at a time ---- */

/* Pops without looking at floor each time; so the front is busy meanwhile. */
static u32
pop_bulk(mheap_front_t *f, uword c, u32 n_wanted, void **objects)
{
	mheap_front_bin_t *b = &f->bins[c];
	u32 n_taken = 0;
	uword *top;

	if (PREDICT_FALSE(!mheap_front_is_open(f)))
		return 0;
	clib_atomic_store_relax_n(&f->is_busy, 1);
	atomic_signal_fence(memory_order_seq_cst);
	top = clib_atomic_load_relax_n(&b->top);
	if (PREDICT_TRUE(top > clib_atomic_load_relax_n(&b->floor))) {
		u16 id = f->id;

		n_taken = clib_min((u32)(top - f->objects[c]), n_wanted);
		for (u32 i = 0; i < n_taken; i++) {
			uword p = clib_atomic_load_relax_n(--top);

			set_front_word(p, id);
			objects[i] = (void *)p;
		}
		clib_atomic_store_rel_n(&b->top, top);
		clib_atomic_store_relax_n(&b->n_gets, b->n_gets + n_taken);
	}
	/* Release: pairs with the claimer's acquire. */
	clib_atomic_store_rel_n(&f->is_busy, 0);
	return n_taken;
}

u32
mheap_get_bulk(void *v, uword n_bytes, u32 n, void **objects)
{
	mheap_t *h = mheap_header(v);
	u32 n_got = 0;
	uword offset;

	while (n_got < n) {
		if (PREDICT_TRUE(n_bytes - 1 < MHEAP_FRONT_MAX_BYTES))
			n_got += pop_bulk(mheap_front(h), mheap_front_class(n_bytes), n - n_got,
					  objects + n_got);
		if (PREDICT_TRUE(n_got == n))
			break;
		mheap_get_aligned(v, n_bytes, 0, 0, &offset);
		if (offset == ~(uword)0)
			break;
		objects[n_got++] = (u8 *)v + offset;
	}
	return n_got;
}

/* Stores the first n objects from top on, as far as they are the front's own, held by their user
 * and of n_words each.  Apart, so that all that is compared stays in registers.  @return how many.
 */
static never_inline u32
push_same(const mheap_front_t *f, const mheap_t *h, uword n_words, uword *top, void *const *objects,
	  u32 n)
{
	uword v = f->vector, n_bytes = n_words * MHEAP_USER_DATA_WORD_BYTES;
	u64 cookie = f->cookie, size = n_words << 16;
	u16 id = f->id;
	u32 i;

	for (i = 0; i < n; i++) {
		uword p = (uword)objects[i], offset = p - v;

		if (PREDICT_FALSE(!_mheap_front_may_look(h, offset) ||
				  clib_atomic_load_relax_n(_mheap_front_word(p)) != id))
			break;
		if (PREDICT_FALSE(_mheap_front_tag_and_size(p) !=
				  (size | ((offset ^ cookie) * MHEAP_TAG_FACTOR) >> 48)))
			break;
		if (PREDICT_FALSE((hdr_load((u64 *)(p + n_bytes)) ^ n_words) << 23))
			break;
		set_front_word(p, id | MHEAP_FRONT_CACHED);
		clib_atomic_store_relax_n(top + i, p);
	}
	return i;
}

/* Pushes the first objects that are the front's own and of one very size, so that what is compared
 * is worked out once.  @return how many. */
static u32
push_bulk(const mheap_t *h, uword v, mheap_front_t *f, u32 n_objects, void *const *objects)
{
	mheap_front_bin_t *b;
	uword *top, *ceiling, n_words;
	u32 n = 0;

	if (!mheap_front_is_open(f) || !_mheap_front_may_look(h, (uword)objects[0] - v))
		return 0;
	n_words = _mheap_front_own_words(f->id, v, h->cookie, (uword)objects[0]);
	if (!n_words)
		return 0;
	b = _mheap_front_bin_of_elt(f, n_words);
	clib_atomic_store_relax_n(&f->is_busy, 1);
	atomic_signal_fence(memory_order_seq_cst);
	top = clib_atomic_load_relax_n(&b->top);
	ceiling = clib_atomic_load_relax_n(&b->ceiling);
	if (PREDICT_TRUE(top < ceiling)) {
		n = push_same(f, h, n_words, top, objects,
			      clib_min((u32)(ceiling - top), n_objects));
		/* Release: as in mheap_front_push(). */
		clib_atomic_store_rel_n(&b->top, top + n);
	}
	clib_atomic_store_rel_n(&f->is_busy, 0);
	return n;
}

void
mheap_put_bulk(void *v, u32 n, void *const *objects)
{
	mheap_t *h = mheap_header(v);
	u32 i = 0;

	while (i < n) {
		u32 k = push_bulk(h, (uword)v, mheap_front(h), n - i, objects + i);

		if (!k) {
			mheap_put(v, (uword)objects[i] - (uword)v);
			k = 1;
		}
		i += k;
	}
}
