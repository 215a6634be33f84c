/* SPDX-License-Identifier: Apache-2.0 */
/* Sleeping for room.  Sleepers stand in a queue.  Whoever frees a segment goes along it and hands
 * the segment to the first whom it satisfies, before anybody else can take it; so a sleeper is
 * woken when it has what it asked for, and not to look.  It looks by itself only where nobody can
 * do it for it: when a source may have room again, when there was no tag to hand it over with, and
 * when a limit was raised. */
#include "vmem_impl.h"
#include "waitq.h"

#include <stdatomic.h>
#include <sys/single_threaded.h>
#include <sys/stat.h>
#include <time.h>

/* How long a sleeper trusts that a source has no room, since not every source tells, and the first
 * in the queue that there is somebody who could free: threads end without a word. */
#define LOOK_NS (5 * 1000 * 1000)

u64
vmem_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
}

/* Threads of this process: /proc/self/task has a link for each, and two of its own. */
static bool
is_only_thread(void)
{
	struct stat st;

	if (stat("/proc/self/task", &st) == 0 && st.st_nlink > 2)
		return st.st_nlink == 3;
	return __libc_single_threaded;
}

/* Spans between two chances for others to take the lock. */
#define N_SPANS_SLICE 256

/* Whether one of the spans could hold the request if all of it were free.  Arena locked, dropped
 * now and then where there are many. */
static bool
some_span_could_hold(vmem_t *vmp, const vmem_search_t *s)
{
	u32 span = vmem_span_next(vmp, 0);
	uword addr, start;
	u64 n_steps = 0;

	for (u32 n = 1; span; n++) {
		start = vmem_tag(span)->vs_start;
		if (vmem_place(s, start, start + vmem_span_bytes(vmem_tag(span)) - 1, &addr))
			return true;
		if (n % N_SPANS_SLICE == 0) {
			vmem_lock_yield(&vmp->vm_lock);
			/* It may have gone, and others have come. */
			span = vmem_span_below(vmp, start, &n_steps);
		}
		span = vmem_span_next(vmp, span);
	}
	return false;
}

/* Whether a chain of arenas could ever give so many bytes.  Their locks are taken one by one. */
static bool
sources_could_give(vmem_t *vmp, uword size)
{
	while (vmem_source_is_arena(vmp)) {
		const vmem_search_t all = { .size = size, .align = 1, .max = ~(uword)0 };
		vmem_t *source = vmp->vm_source;
		bool could;

		vmem_lock(&source->vm_lock);
		could = some_span_could_hold(source, &all) ||
			(source->vm_source_alloc && !vmem_is_over_limit(source, size));
		vmem_unlock(&source->vm_lock);
		if (!could)
			return false;
		if (source->vm_source_alloc == NULL)
			return true;
		vmp = source;
	}
	return true;
}

/* Once true it stays so.  Arena locked, dropped and taken again where there is a source or many
 * spans. */
static bool
is_hopeless(vmem_t *vmp, const vmem_search_t *s)
{
	bool could_import;

	if (is_only_thread())
		return true;
	/* Room comes from a free here, or by an import.  (Where nothing is allocated, it has come
	 * since the caller looked.) */
	if (some_span_could_hold(vmp, s))
		return false;
	if (vmp->vm_source_alloc == NULL || (vmp->vm_limit && s->size > vmp->vm_limit))
		return true;
	vmem_unlock(&vmp->vm_lock);
	could_import = sources_could_give(vmp, s->size);
	vmem_lock(&vmp->vm_lock);
	return !could_import;
}

int
vmem_wait_is_futile(vmem_t *vmp, uword size, uword align)
{
	const vmem_search_t s = { .size = size, .align = align, .max = ~(uword)0 };
	bool is_futile;

	if (size == 0)
		return is_only_thread();
	vmem_lock(&vmp->vm_lock);
	is_futile = is_hopeless(vmp, &s);
	vmem_unlock(&vmp->vm_lock);
	return is_futile;
}

static void
enqueue(vmem_t *vmp, vmem_waiter_t *w)
{
	WAITQ_ADD(vmp->vm_waiters, vmp->vm_waiters_tail, w);
	VMEM_COUNT(vmp->vm_n_waiters, 1);
	if (vmp->vm_source_alloc)
		atomic_fetch_add_explicit(&vmem_hints, VMEM_HINT_SLEEPER, memory_order_relaxed);
}

static void
dequeue(vmem_t *vmp, vmem_waiter_t *w)
{
	WAITQ_REMOVE(vmp->vm_waiters, vmp->vm_waiters_tail, w);
	VMEM_COUNT(vmp->vm_n_waiters, -1);
	if (vmp->vm_source_alloc)
		atomic_fetch_sub_explicit(&vmem_hints, VMEM_HINT_SLEEPER, memory_order_relaxed);
}

/* The last of the process is the first in the queue: if it were not, there were another. */
static bool
is_left_alone(const vmem_t *vmp, const vmem_waiter_t *w)
{
	return vmp->vm_waiters == w && is_only_thread();
}

static bool
is_too_late(const vmem_waiter_t *w)
{
	return w->deadline_ns && vmem_now_ns() >= w->deadline_ns;
}

/* Until it is served, or to look for itself, or it is too late.  Value: 0; -EDEADLK: those who
 * could have woken it have ended. */
static int
sleep_until_awake(vmem_t *vmp, const vmem_waiter_t *w)
{
	u64 look_ns = vmem_now_ns() + LOOK_NS;

	while (!w->is_awake) {
		bool has_to_look = vmp->vm_source_alloc || vmp->vm_waiters == w;
		u64 until = has_to_look ? look_ns : ~0ull;

		if (w->deadline_ns)
			until = clib_min(until, w->deadline_ns);
		if (vmem_condition_wait(&vmp->vm_cv, &vmp->vm_lock, until) == 0 || w->is_awake)
			continue;
		if (vmp->vm_source_alloc || is_too_late(w))
			break;
		if (is_left_alone(vmp, w))
			return -EDEADLK;
		look_ns = vmem_now_ns() + LOOK_NS;
	}
	return 0;
}

/* Nobody will give anything any more.  What was given since this thread looked, with the lock
 * dropped, is still there: it tries once more. */
static int
give_up(vmem_waiter_t *w)
{
	if (w->is_last_try)
		return -EDEADLK;
	w->is_last_try = 1;
	return 0;
}

int
vmem_wait(vmem_t *vmp, vmem_waiter_t *w)
{
	const vmem_search_t *s = w->search;

	if (s->flags & (VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_NO_RETRY))
		return -ENOMEM;
	if (!w->is_queued) {
		if (is_hopeless(vmp, s))
			return give_up(w);
		/* The lock was dropped for that: room may have come before we stood in line. */
		enqueue(vmp, w);
		w->is_awake = 0;
		w->began_ns = vmem_now_ns();
		return 0;
	} else if (is_left_alone(vmp, w)) {
		return give_up(w);
	}
	VMEM_COUNT(vmp->vm_kstat.vk_wait, 1);
	if (sleep_until_awake(vmp, w))
		return give_up(w);
	w->is_awake = 0;
	if (w->is_served)
		return 0;
	if (is_too_late(w)) {
		VMEM_COUNT(vmp->vm_kstat.vk_timeout, 1);
		return -ETIMEDOUT;
	}
	return 0;
}

void
vmem_wait_end(vmem_t *vmp, vmem_waiter_t *w)
{
	u64 ns;

	if (w->is_queued) {
		dequeue(vmp, w);
		/* There may be a new first one, which has to look from now on. */
		if (vmp->vm_waiters)
			vmem_condition_broadcast(&vmp->vm_cv);
	}
	if (w->began_ns == 0)
		return;
	ns = vmem_now_ns() - w->began_ns;
	if (ns > vmp->vm_kstat.vk_wait_ns_max)
		__atomic_store_n(&vmp->vm_kstat.vk_wait_ns_max, ns, __ATOMIC_RELAXED);
}

void
vmem_serve_waiters(vmem_t *vmp, u32 tag)
{
	uword size = vmem_seg_bytes(vmem_tag(tag));
	vmem_waiter_t *next;
	bool is_any = false;

	/* Only the segment that just came or grew can satisfy anybody, or what is left of it. */
	for (vmem_waiter_t *w = vmp->vm_waiters; w; w = next) {
		uword addr;
		u32 found;

		next = w->next;
		if (w->search->size > size)
			continue;
		found = vmem_fit(vmp, w->search, &addr);
		if (found == 0)
			continue;
		is_any = true;
		w->is_awake = 1;
		/* It needs an index or tags, which it must get for itself. */
		if (found == VMEM_FIT_WANTS_INDEX ||
		    (ssize_t)vmem_seg_alloc_tags(found, addr, w->search) > vmp->vm_nsegfree)
			continue;
		vmem_seg_alloc(vmp, found, addr, w->search);
		VMEM_COUNT(vmp->vm_kstat.vk_served, 1);
		w->addr = addr;
		w->is_served = 1;
		dequeue(vmp, w);
	}
	if (is_any)
		vmem_condition_broadcast(&vmp->vm_cv);
}

void
vmem_wake_all(vmem_t *vmp)
{
	for (vmem_waiter_t *w = vmp->vm_waiters; w; w = w->next)
		w->is_awake = 1;
	vmem_condition_broadcast(&vmp->vm_cv);
}

/* Imports from source, by however many arenas between. */
static bool
is_fed_by(const vmem_t *vmp, const vmem_t *source)
{
	while (vmp->vm_source_alloc && vmp->vm_source) {
		vmp = vmp->vm_source;
		if (vmp == source)
			return true;
	}
	return false;
}

static int
wake_if_fed(vmem_t *vmp, void *source)
{
	if (VMEM_READ(vmp->vm_n_waiters) == 0 || !is_fed_by(vmp, source))
		return 0;
	vmem_lock(&vmp->vm_lock);
	vmem_wake_all(vmp);
	vmem_unlock(&vmp->vm_lock);
	return 0;
}

void
vmem_wake_importers(vmem_t *source)
{
	/* Frees that vmem does for its own sake hold locks that come before the list's. */
	if (vmem_n_nested == 0)
		vmem_foreach_arena(wake_if_fed, source);
}

u32
vmem_sleepers(vmem_t *vmp, vmem_sleeper_t *sleepers, u32 n)
{
	u64 now = vmem_now_ns();
	u32 i = 0;

	vmem_lock(&vmp->vm_lock);
	for (const vmem_waiter_t *w = vmp->vm_waiters; w && i < n; w = w->next, i++) {
		sleepers[i].size = w->search->asked;
		sleepers[i].since_ns = now > w->began_ns ? now - w->began_ns : 0;
		sleepers[i].deadline_ns = w->deadline_ns > now ? w->deadline_ns - now : 0;
	}
	i = vmp->vm_n_waiters;
	vmem_unlock(&vmp->vm_lock);
	return i;
}
