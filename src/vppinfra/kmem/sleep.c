/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for memory.  Sleepers of a cache stand in a queue, under the lock of its slabs.  An
 * object that comes into a slab goes to the first of them under that very lock, so nobody else can
 * take it; and whoever queues up has just found, under the same lock, that there is none: no
 * wake-up is lost.
 *
 * Frees into magazines would pass the queue by.  So the first sleeper, once it is in the queue,
 * empties the magazines of all threads, and none is loaded as long as somebody sleeps: then every
 * free finds no room and comes to the slabs.  The inline path pays nothing for that.
 *
 * The first in the queue looks by itself, now and then, whether the arena has something again: by
 * no means every free there is made by a cache.  It is told to look at once by caches that give a
 * slab back. */
#include "kmem_impl.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <vppinfra/vmem/waitq.h>

/* How often the first looks: half of the 10 ms in which a sleeper should be awake. */
#define LOOK_NS 5000000ull

/* Of the present clib_kmem_cache_alloc_timed(), if any. */
typedef struct {
	const kmem_t *cache;
	u64 began_ns;
	u64 deadline_ns; /* 0: for ever */
	int error;
} timed_t;

static __thread timed_t *timed __attribute__((tls_model("initial-exec")));
static _Atomic(umem_nofail_callback_t *) nofail_callback;
/* In all caches, so that whoever gives a slab back has one place to look at. */
static CLIB_ATOMIC(u32) n_sleepers;

static u64
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
}

/* ---- one sleeper ---- */

/* until: of CLOCK_MONOTONIC; ~0 for ever. */
static void
futex_wait(CLIB_ATOMIC(u32) * state, u32 expected, u64 until)
{
	const struct timespec at = { .tv_sec = (time_t)(until / 1000000000u),
				     .tv_nsec = (long)(until % 1000000000u) };

	syscall(SYS_futex, state, FUTEX_WAIT_BITSET_PRIVATE, expected, until == ~0ull ? NULL : &at,
		NULL, FUTEX_BITSET_MATCH_ANY);
}

static void
set_state(kmem_sleeper_t *w, kmem_sleeper_state_t state)
{
	CLIB_ATOMIC(u32) *at = &w->state;

	/* Release: the object, pairs with the acquire in state_of().  From here on a served sleeper
	 * may be gone: waking an address where nobody waits does no harm. */
	atomic_store_explicit(at, state, memory_order_release);
	syscall(SYS_futex, at, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static kmem_sleeper_state_t
state_of(const kmem_sleeper_t *w)
{
	return atomic_load_explicit(&w->state, memory_order_acquire);
}

/* ---- the queue; lock of the slabs held ---- */

static void
leave(kmem_t *k, kmem_sleeper_t *w)
{
	WAITQ_REMOVE(k->sleepers, k->last_sleeper, w);
	kmem_add(&k->n_sleepers, (u32)-1);
	atomic_fetch_sub_explicit(&n_sleepers, 1, memory_order_relaxed);
}

/* There is a new first one, which has to look from now on. */
static void
wake_first(kmem_t *k)
{
	if (k->sleepers)
		set_state(k->sleepers, KMEM_LOOK);
}

void
kmem_slab_serve(kmem_t *k, kmem_sleeper_t **served)
{
	kmem_sleeper_t *w;

	while ((w = k->sleepers) != NULL && kmem_slab_take(k, &w->object, 1)) {
		leave(k, w);
		w->next = *served;
		*served = w;
	}
	if (*served)
		wake_first(k);
}

void
kmem_wake_served(kmem_sleeper_t *served)
{
	while (served) {
		kmem_sleeper_t *next = served->next;

		set_state(served, KMEM_SERVED);
		served = next;
	}
}

/* Value: whether w stands there now; else an object has come. */
static bool
queue_up(kmem_t *k, kmem_sleeper_t *w)
{
	if (k->sleepers == NULL && kmem_slab_take(k, &w->object, 1))
		return false;
	WAITQ_ADD(k->sleepers, k->last_sleeper, w);
	kmem_add(&k->n_sleepers, 1);
	atomic_fetch_add_explicit(&n_sleepers, 1, memory_order_relaxed);
	return true;
}

void
kmem_wake_rivals(const kmem_t *k)
{
	const vmem_t *root;

	if (PREDICT_TRUE(kmem_load(&n_sleepers) == 0))
		return;
	root = kmem_root_of(k->source);
	kmem_list_lock();
	for (kmem_t *other = kmem_list; other; other = other->next) {
		if (kmem_load(&other->n_sleepers) == 0 || kmem_root_of(other->source) != root)
			continue;
		kmem_lock(&other->slab_lock);
		wake_first(other);
		kmem_unlock(&other->slab_lock);
	}
	kmem_list_unlock();
}

void
kmem_sleep_fork_child(kmem_t *k)
{
	k->sleepers = k->last_sleeper = NULL;
	kmem_store(&k->n_sleepers, 0);
	kmem_store(&n_sleepers, 0);
}

/* ---- sleeping ---- */

/* Once true it stays so: then whoever finds nothing can rely on it. */
static bool
is_futile(kmem_t *k)
{
	if (vmem_wait_is_futile(k->source, 0, 0))
		return true;
	return kmem_load(&k->n_taken) == 0 &&
	       vmem_wait_is_futile(k->source, k->slab_bytes, k->slab_align);
}

/* A new slab serves the queue; so do magazines that are emptied. */
static void
look(kmem_t *k)
{
	kmem_flush_all(k, false, NULL);
	if (kmem_load(&k->n_sleepers))
		kmem_grow(k);
}

/* Nobody will give anything any more.  What was given since this thread looked is still there. */
static bool
take_at_last(kmem_t *k, void **object)
{
	bool is_got;

	kmem_grow(k);
	kmem_flush_all(k, false, NULL);
	kmem_slab_lock(k);
	is_got = kmem_slab_take(k, object, 1) != 0;
	kmem_slab_unlock(k);
	return is_got;
}

/* @return 0 it got an object; -ETIMEDOUT; -EDEADLK: those who could have woken it are gone */
static int
sleep_until_served(kmem_t *k, kmem_sleeper_t *w, u64 deadline_ns)
{
	int error = -ETIMEDOUT;
	u64 until = ~0ull;
	bool is_first;

	for (;;) {
		kmem_sleeper_state_t state = state_of(w);

		if (state == KMEM_SERVED)
			return 0;
		kmem_slab_lock(k);
		is_first = k->sleepers == w;
		/* Somebody may set it again from here on: then there is one look more. */
		if (w->is_queued)
			kmem_store(&w->state, KMEM_ASLEEP);
		else
			is_first = false;
		kmem_slab_unlock(k);
		if (is_first) {
			look(k);
			if (state_of(w) != KMEM_SERVED && is_futile(k)) {
				look(k); /* as in take_at_last() */
				error = -EDEADLK;
				break;
			}
		}
		until = is_first ? now_ns() + LOOK_NS : ~0ull;
		if (deadline_ns)
			until = clib_min(until, deadline_ns);
		futex_wait(&w->state, KMEM_ASLEEP, until);
		if (deadline_ns && state_of(w) != KMEM_SERVED && now_ns() >= deadline_ns)
			break;
	}
	kmem_slab_lock(k);
	if (w->is_queued) {
		leave(k, w);
		wake_first(k);
		kmem_slab_unlock(k);
		return error;
	}
	kmem_slab_unlock(k);
	/* It was taken out of the queue in time, and will be told in a moment. */
	while (state_of(w) != KMEM_SERVED)
		futex_wait(&w->state, KMEM_ASLEEP, now_ns() + LOOK_NS);
	return 0;
}

static void
note_time(kmem_t *k, u64 ns)
{
	u64 max = kmem_load(&k->sleep_ns_max);

	while (ns > max &&
	       !atomic_compare_exchange_weak_explicit(&k->sleep_ns_max, &max, ns,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

static void
stop(const kmem_t *k)
{
	fprintf(stderr, "kmem: cache %s: no memory, and the request must not fail\n", k->name);
	abort();
}

u32
kmem_sleep(kmem_t *k, void **object, int flags, const void *caller)
{
	timed_t *t = timed && timed->cache == k ? timed : NULL;
	clib_kmem_error_t e = { .kind = CLIB_KMEM_ERROR_NO_SLEEP,
				.cache = k->name,
				.caller = caller };
	kmem_sleeper_t w = { .state = KMEM_LOOK };
	bool is_queued;
	u64 began_ns;
	int error = 0;

	if (!((k->flags & CLIB_KMEM_SLEEPS) || t) || (flags & CLIB_KMEM_NOSLEEP))
		return 0;
	if (flags & CLIB_KMEM_PANIC)
		stop(k);
	if (kmem_is_relieving() || (is_futile(k) && !take_at_last(k, &w.object))) {
		error = -EDEADLK;
	} else if (w.object == NULL) {
		began_ns = now_ns();
		kmem_slab_lock(k);
		is_queued = queue_up(k, &w);
		kmem_slab_unlock(k);
		if (is_queued) {
			kmem_count(&k->n_sleeps, 1);
			error = sleep_until_served(k, &w, t ? t->deadline_ns : 0);
			note_time(k, now_ns() - (t ? t->began_ns : began_ns));
		}
	}
	if (error == -ETIMEDOUT)
		kmem_count(&k->n_timeouts, 1);
	if (error == -EDEADLK && !t)
		kmem_report(&e);
	if (error && t)
		t->error = error;
	*object = w.object;
	return error == 0;
}

int
clib_kmem_cache_alloc_timed(clib_kmem_cache_t *cache, int flags, u64 timeout_ns, void **object)
{
	u64 now = now_ns();
	timed_t t = { .cache = kmem_of(cache), .began_ns = now, .error = -ENOMEM }, *outer = timed;
	void *p;

	if (timeout_ns)
		t.deadline_ns = timeout_ns < ~0ull - now ? now + timeout_ns : ~0ull - 1;
	timed = &t;
	p = clib_kmem_cache_alloc(cache, flags);
	timed = outer;
	if (p == NULL)
		return t.error;
	*object = p;
	return 0;
}

/* ---- failing ---- */

void
clib_umem_nofail_callback(umem_nofail_callback_t *callback)
{
	atomic_store_explicit(&nofail_callback, callback, memory_order_relaxed);
}

/* UMEM_NOFAIL: the program's callback decides. */
static bool
ask_callback(void)
{
	umem_nofail_callback_t *fn = atomic_load_explicit(&nofail_callback, memory_order_relaxed);
	int answer = fn ? fn() : UMEM_CALLBACK_EXIT(255);

	if (answer != UMEM_CALLBACK_RETRY)
		exit(answer & 0xff);
	return true;
}

bool
kmem_may_retry(kmem_t *k, int flags)
{
	if ((k->flags & KMEM_UMEM) && (flags & UMEM_NOFAIL))
		return ask_callback();
	kmem_count(&k->n_fails, 1);
	return false;
}
