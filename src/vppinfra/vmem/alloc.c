/* SPDX-License-Identifier: Apache-2.0 */
/* The neutral core: allocate, free, import, export, sleep.  Under the lock an operation finds,
 * splits or merges; whatever needs another arena (import, export, a hash table) happens after it
 * has been dropped. */
#include "vmem_impl.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/single_threaded.h>
#include <sys/stat.h>
#include <time.h>

/* How long a sleeper trusts that its source will not have room: nobody tells us when it has. */
#define IMPORT_RETRY_NS (20 * 1000 * 1000)
/* Operations between two tries to get a part of the hash after one failed. */
#define HASH_RETRY_OPS 1024

u32 vmem_mtbf;

/* What an operation leaves to be done without the lock. */
typedef struct {
	vmem_tag_index_t *part; /* of the hash, used no more */
	uword n_buckets;
	uword addr, size; /* goes back to the source; size 0: nothing does */
	u8 wants_part;
} after_t;

/* Arena locked. */
static void
after_hash_change(vmem_t *vmp, after_t *after)
{
	u64 n_ops;

	if (PREDICT_TRUE(!vmem_hash_is_out_of_range(vmp)))
		return;
	after->part = vmem_hash_step(vmp, &after->n_buckets, &after->wants_part);
	if (after->wants_part) {
		n_ops = vmp->vm_kstat.vk_alloc + vmp->vm_kstat.vk_free;
		after->wants_part = n_ops >= vmp->vm_hash_retry;
		if (after->wants_part)
			vmp->vm_hash_retry = n_ops + HASH_RETRY_OPS;
	}
}

/* No lock held. */
static void
after_run(vmem_t *vmp, const after_t *after)
{
	if (PREDICT_FALSE(after->size != 0))
		vmem_source_export(vmp, after->addr, after->size);
	if (PREDICT_FALSE(after->part != NULL))
		vmem_hash_free_part(after->part, after->n_buckets);
	if (PREDICT_FALSE(after->wants_part))
		vmem_hash_add_part(vmp);
	/* Relaxed: a hint; whoever misses it leaves it to the next operation. */
	if (PREDICT_FALSE(atomic_load_explicit(&vmem_hash_pending, memory_order_relaxed)))
		vmem_hash_serve_pending();
}

/* ---- requests ---- */

static int
check_request(const vmem_t *vmp, const vmem_request_t *r, vmem_search_t *s)
{
	uword quantum_mask = vmp->vm_quantum - 1;

	s->asked = r->size;
	s->size = (r->size + quantum_mask) & ~quantum_mask;
	s->align = r->align ? r->align : vmp->vm_quantum;
	s->phase = r->phase;
	s->nocross = r->nocross;
	s->min = r->min;
	s->max = r->max;
	s->policy = r->policy;
	s->flags = r->flags;
	s->has_bounds = r->min != 0 || r->max != ~(uword)0;
	s->is_constrained = 0;
	if (r->size == 0)
		return -EINVAL;
	if (s->size == 0)
		return -ENOMEM; /* rounded up beyond the last address */
	if (PREDICT_TRUE((r->align | r->phase | r->nocross) == 0 && !s->has_bounds))
		return 0;

	s->is_constrained = 1;
	if (!is_pow2(s->align) || !is_pow2(s->nocross) || s->phase >= s->align ||
	    ((s->align | s->phase | s->nocross) & quantum_mask) || s->min > s->max)
		return -EINVAL;
	if (s->nocross &&
	    (s->align > s->nocross || s->size > s->nocross || s->phase > s->nocross - s->size))
		return -EINVAL;
	return 0;
}

/* Induced failures: every n-th request that may fail does.  Arena locked. */
static bool
mtbf_strikes(vmem_t *vmp, const vmem_search_t *s)
{
	u32 mtbf = vmp->vm_mtbf ? vmp->vm_mtbf : vmem_mtbf;

	if (PREDICT_TRUE(mtbf == 0) || !(s->flags & VMEM_REQUEST_NOSLEEP) ||
	    (s->flags & VMEM_REQUEST_PANIC))
		return false;
	return ++vmp->vm_mtbf_count % mtbf == 0;
}

/* ---- sleeping ---- */

/* Threads of this process: /proc/self/task has a link for each, and two of its own. */
static bool
is_only_thread(void)
{
	struct stat st;

	if (stat("/proc/self/task", &st) == 0 && st.st_nlink > 2)
		return st.st_nlink == 3;
	return __libc_single_threaded;
}

/* Whether one of the spans could hold the request if all of it were free. */
static bool
some_span_could_hold(vmem_t *vmp, const vmem_search_t *s)
{
	uword addr;

	for (u32 span = vmem_span_next(vmp, 0); span; span = vmem_span_next(vmp, span)) {
		const vmem_seg_t *t = vmem_tag(span);

		if (vmem_place(s, t->vs_start, t->vs_start + vmem_span_bytes(t) - 1, &addr))
			return true;
	}
	return false;
}

/* Arena locked, dropped while asleep.  Value: 0 after waking, so try again. */
static int
wait_for_room(vmem_t *vmp, const vmem_search_t *s, bool may_import)
{
	struct timespec until;

	if (s->flags & (VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_NO_RETRY))
		return -ENOMEM;
	/* Room comes from a free here, or by an import: without the chance of either, no sleep. */
	if (vmp->vm_n_segs == 0 || (!may_import && !some_span_could_hold(vmp, s)) ||
	    is_only_thread())
		return -EDEADLK;

	vmp->vm_kstat.vk_wait++;
	vmp->vm_n_waiters++;
	if (may_import) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += IMPORT_RETRY_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		pthread_cond_timedwait(&vmp->vm_cv, &vmp->vm_lock, &until);
	} else {
		pthread_cond_wait(&vmp->vm_cv, &vmp->vm_lock);
	}
	vmp->vm_n_waiters--;
	return 0;
}

/* ---- importing ---- */

/* What to ask the source for, so that an aligned piece is certain to be inside.
 * Value: 0 when that is beyond the address space. */
static uword
import_bytes(const vmem_t *vmp, const vmem_search_t *s)
{
	uword quantum = vmp->vm_quantum, spare = s->phase, wanted;

	if (vmp->vm_source)
		quantum = clib_max(quantum, vmp->vm_source->vm_quantum);
	if (s->align > quantum && !(vmp->vm_cflags & VMC_XALIGN))
		spare = s->align - (s->phase & (quantum - 1) ? vmp->vm_quantum : quantum);
	wanted = s->size + spare;
	if (wanted < s->size)
		return 0;
	wanted = clib_max(wanted, vmp->vm_min_import);
	return (wanted + quantum - 1) & ~(quantum - 1);
}

/* Arena locked, dropped during the import; enough tags for a span and an allocation are there on
 * return.  Value: 0 with a FREE tag to take from and where; -ENOMEM; -EIO when the source gave
 * what cannot be used.  A range that is not wanted is left in *after, to go back. */
static int
import_and_fit(vmem_t *vmp, const vmem_search_t *s, u32 *tag, uword *addr, after_t *after)
{
	uword asked = import_bytes(vmp, s), size = asked, base = 0;
	u32 held[VMEM_TAGS_PER_OP];
	const char *fault = NULL;
	int error;

	if (asked == 0)
		return -ENOMEM;
	/* Others may come in meanwhile and use tags up: ours are set aside. */
	for (u32 i = 0; i < VMEM_TAGS_PER_OP; i++)
		held[i] = vmem_tag_get(vmp);
	pthread_mutex_unlock(&vmp->vm_lock);
	error = vmem_source_import(vmp, &size, s->align, s->flags, &base);
	pthread_mutex_lock(&vmp->vm_lock);
	for (u32 i = 0; i < VMEM_TAGS_PER_OP; i++)
		vmem_tag_put(vmp, held[i]);

	/* Somebody may have made room meanwhile: then the import goes straight back. */
	*tag = vmem_fit(vmp, s, addr);
	if (error)
		return *tag ? 0 : -ENOMEM;
	if (*tag == 0) {
		if (size < asked || ((base | size) & (vmp->vm_quantum - 1)) ||
		    base + size - 1 < base)
			fault = "import is short or not on the quantum";
		else if (!vmem_place(s, base, base + size - 1, addr))
			fault = "import is not aligned as asked";
		else if (vmem_span_create(vmp, base, size, true, tag))
			fault = "import overlaps a span";
		else
			return 0;
	}
	if (vmp->vm_source_free) {
		after->addr = base;
		after->size = size;
	}
	if (fault == NULL)
		return 0;
	pthread_mutex_unlock(&vmp->vm_lock);
	vmem_report(fault, vmp, base, size, NULL);
	pthread_mutex_lock(&vmp->vm_lock);
	return -EIO;
}

/* ---- allocate and free ---- */

int
vmem_core_alloc(vmem_t *vmp, const vmem_request_t *request, uword *addr)
{
	after_t after = { 0 };
	vmem_search_t s;
	bool may_import;
	int error;
	u32 tag = 0;

	error = check_request(vmp, request, &s);
	may_import = vmp->vm_source_alloc != NULL && s.nocross == 0 && !s.has_bounds;

	pthread_mutex_lock(&vmp->vm_lock);
	if (!error && PREDICT_FALSE(mtbf_strikes(vmp, &s)))
		error = -ENOMEM;
	while (!error) {
		error = vmem_populate(vmp);
		tag = vmem_fit(vmp, &s, addr);
		/* Without tags there is still what needs none or few, such as a hole of this size.
		 */
		if (PREDICT_FALSE(error && tag) &&
		    (ssize_t)vmem_seg_alloc_tags(tag, *addr, &s) > vmp->vm_nsegfree)
			tag = 0;
		if (PREDICT_TRUE(tag != 0) || error)
			break;
		if (may_import) {
			error = import_and_fit(vmp, &s, &tag, addr, &after);
			if (error != -ENOMEM)
				break;
		}
		error = wait_for_room(vmp, &s, may_import);
	}
	if (PREDICT_TRUE(tag != 0)) {
		vmem_seg_alloc(vmp, tag, *addr, &s);
		after_hash_change(vmp, &after);
	} else {
		vmp->vm_kstat.vk_fail++;
	}
	pthread_mutex_unlock(&vmp->vm_lock);
	after_run(vmp, &after);
	return tag ? 0 : error;
}

/* The allocated segment that starts at addr; before is its neighbour in the chain, 0 for none. */
static u32
hash_lookup(vmem_t *vmp, uword addr, u32 *before)
{
	u32 index = *vmem_hash_bucket(vmp, addr);

	*before = 0;
	vmp->vm_kstat.vk_lookup++;
	while (index) {
		vmem_seg_t *t = vmem_tag(index);

		if (PREDICT_TRUE(t->vs_start == addr))
			return index;
		vmp->vm_kstat.vk_search++;
		*before = index;
		index = vmem_tag_knext(t);
	}
	return 0;
}

int
vmem_core_free(vmem_t *vmp, uword addr, uword size, u32 flags, const void *caller)
{
	after_t after = { 0 };
	uword asked = 0;
	vmem_seg_t *t;
	u32 tag, before, is_x = 0;

	pthread_mutex_lock(&vmp->vm_lock);
	tag = hash_lookup(vmp, addr, &before);
	if (tag) {
		t = vmem_tag(tag);
		asked = vmem_seg_bytes(t) - t->vs_slack;
		is_x = vmem_tag_flag(t) ? VMEM_REQUEST_X : 0;
	}
	if (PREDICT_FALSE(tag == 0 || asked != size || is_x != (flags & VMEM_REQUEST_X))) {
		vmp->vm_kstat.vk_bad_free++;
		pthread_mutex_unlock(&vmp->vm_lock);
		vmem_report_bad_free(vmp, addr, size, flags, caller);
		return tag && asked != size ? -ERANGE : -EINVAL;
	}

	if (before)
		vmem_tag_set_knext(vmem_tag(before), vmem_tag_knext(t));
	else
		*vmem_hash_bucket(vmp, addr) = vmem_tag_knext(t);
	vmp->vm_n_segs--;
	vmp->vm_kstat.vk_free++;
	vmp->vm_kstat.vk_mem_inuse -= size;

	tag = vmem_seg_free(vmp, tag);
	t = vmem_tag(tag);
	if (vmem_tag_type(vmem_tag(t->vs_aprev)) == VMEM_TAG_SPAN &&
	    vmem_tag_flag(vmem_tag(t->vs_aprev)) &&
	    vmem_tag_type(vmem_tag(t->vs_anext)) == VMEM_TAG_END && vmp->vm_source_free) {
		after.addr = t->vs_start;
		after.size = vmem_seg_bytes(t);
		vmem_span_destroy(vmp, tag);
	}
	after_hash_change(vmp, &after);
	if (PREDICT_FALSE(vmp->vm_nsegfree > VMEM_TAGS_MAX))
		vmem_tags_give(vmp, VMEM_TAGS_BATCH);
	pthread_mutex_unlock(&vmp->vm_lock);
	after_run(vmp, &after);
	return 0;
}

/* ---- spans ---- */

int
vmem_core_add(vmem_t *vmp, uword addr, uword size)
{
	u32 tag;
	int error;

	if (size == 0 || ((addr | size) & (vmp->vm_quantum - 1)) || addr + size - 1 < addr)
		return -EINVAL;
	pthread_mutex_lock(&vmp->vm_lock);
	error = vmem_populate(vmp);
	if (!error)
		error = vmem_span_create(vmp, addr, size, false, &tag);
	pthread_mutex_unlock(&vmp->vm_lock);
	return error;
}

bool
vmem_core_contains(vmem_t *vmp, uword addr, uword size)
{
	bool is_inside = false;
	u32 span;

	pthread_mutex_lock(&vmp->vm_lock);
	vmp->vm_kstat.vk_contains++;
	span = vmem_span_below(vmp, addr, &vmp->vm_kstat.vk_contains_search);
	if (span) {
		const vmem_seg_t *t = vmem_tag(span);
		uword offset = addr - t->vs_start, span_size = vmem_span_bytes(t);

		is_inside = offset < span_size && size <= span_size - offset;
	}
	pthread_mutex_unlock(&vmp->vm_lock);
	return is_inside;
}
