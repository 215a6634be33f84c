/* SPDX-License-Identifier: Apache-2.0 */
/* The neutral core: allocate and free.  Under the lock an operation finds, splits or merges;
 * whatever needs another arena (import, export, a part of the hash, nodes of an index) happens
 * after it has been dropped. */
#include "fast.h"

#include <stdatomic.h>
#include <time.h>

/* Operations between two tries to get a part of the hash after one failed. */
#define HASH_RETRY_OPS 1024
/* Segments of a burst between two chances for others to take the lock. */
#define N_BURST 32

u32 vmem_mtbf;
_Atomic u32 vmem_hints;

/* Arena locked. */
static void
after_hash_change(vmem_t *vmp, vmem_after_t *after)
{
	u64 n_ops;

	if (PREDICT_TRUE(!vmem_hash_is_out_of_range(vmp)))
		return;
	after->hash_block = vmem_hash_step(vmp, &after->wants_part);
	if (after->wants_part) {
		n_ops = vmp->vm_kstat.vk_alloc + vmp->vm_kstat.vk_free;
		after->wants_part = n_ops >= vmp->vm_hash_retry;
	}
}

/* One kind of memory an operation, and none where it fetched some under way: what is put off is
 * found wanting again by the next. */
static void
choose_memory(vmem_t *vmp, vmem_after_t *after, bool is_short)
{
	bool may_fetch = vmem_n_nested == 0 && !vmem_has_fetched;

	after->wants_tags = may_fetch && vmem_wants_tags;
	may_fetch = may_fetch && !after->wants_tags;
	/* Nested, it is a hint that is left. */
	after->wants_part = after->wants_part && (may_fetch || vmem_n_nested);
	may_fetch = may_fetch && !after->wants_part;
	after->wants_nodes = is_short && may_fetch;
	after->serves_hints = may_fetch && !is_short && vmem_hints_now() & VMEM_HINT_HASH;
	if (after->wants_part)
		vmp->vm_hash_retry =
			vmp->vm_kstat.vk_alloc + vmp->vm_kstat.vk_free + HASH_RETRY_OPS;
	if (vmem_n_nested == 0)
		vmem_has_fetched = vmem_wants_tags = 0;
}

/* Arena locked, last of all under its lock. */
void
vmem_after_unlock(vmem_t *vmp, vmem_after_t *after)
{
	bool is_short = vmem_index_is_short(vmp);

	after_hash_change(vmp, after);
	if (PREDICT_FALSE(vmem_index_is_building(vmp) && !is_short))
		vmem_index_absorb(vmp, VMEM_INDEX_N_ABSORB, VMEM_INDEX_N_ABSORB_STEPS);
	choose_memory(vmp, after, is_short);
	after->dead_chunk = vmem_index_dead_chunk(vmp);
	vmem_unlock(&vmp->vm_lock);
}

/* No lock held. */
void
vmem_after_run(vmem_t *vmp, const vmem_after_t *after)
{
	if (PREDICT_FALSE(after->size != 0))
		vmem_source_export(vmp, after->addr, after->size);
	if (PREDICT_FALSE(after->hash_block != NULL))
		vmem_block_keep(VMEM_BLOCK_HASH, after->hash_block);
	if (PREDICT_FALSE(after->wants_tags))
		vmem_tags_restock(vmp);
	else if (PREDICT_FALSE(after->wants_part))
		vmem_hash_add_part(vmp);
	else if (PREDICT_FALSE(after->wants_nodes))
		vmem_index_restock(vmp);
	else if (PREDICT_FALSE(after->serves_hints))
		vmem_hash_serve_pending();
	if (PREDICT_FALSE(after->dead_chunk != NULL))
		vmem_block_keep(VMEM_BLOCK_INDEX, after->dead_chunk);
	if (PREDICT_FALSE(after->has_room && vmem_hints_now() >= VMEM_HINT_SLEEPER))
		vmem_wake_importers(vmp);
}

void
vmem_settle(vmem_t *vmp, u8 has_room)
{
	vmem_after_t after = { .has_room = has_room };

	if (vmp->vm_nsegfree > VMEM_TAGS_MAX)
		vmem_tags_give(vmp, VMEM_TAGS_BATCH);
	vmem_after_unlock(vmp, &after);
	vmem_after_run(vmp, &after);
}

/* ---- requests ---- */

static int
check_constraints(const vmem_t *vmp, vmem_search_t *s)
{
	uword quantum_mask = vmp->vm_quantum - 1, spare;

	s->is_constrained = 1;
	if (!is_pow2(s->align) || !is_pow2(s->nocross) || s->phase >= s->align ||
	    ((s->align | s->phase | s->nocross) & quantum_mask) || s->min > s->max)
		return -EINVAL;
	if (s->nocross) {
		if (s->size > s->nocross ||
		    VMEM_CROSS_P(s->phase, s->phase + s->size - 1, s->nocross) ||
		    (s->align > s->nocross && (s->flags & VMEM_REQUEST_STRICT)))
			return -EINVAL;
		/* Every place is phase modulo nocross then: none crosses. */
		if (s->align >= s->nocross)
			s->nocross = 0;
	}
	/* Aligning costs up to spare; and where that place crosses, the next does not, which is
	 * less than a size further, up to the boundary, and a phase behind it. */
	spare = s->align - vmp->vm_quantum;
	s->certain = s->size + spare;
	if (s->certain < s->size)
		s->certain = ~(uword)0;
	if (s->nocross && s->certain != ~(uword)0) {
		uword more = s->size + s->phase;

		s->certain = s->certain + more < more ? ~(uword)0 : s->certain + more;
	}
	return 0;
}

static int
check_request(const vmem_t *vmp, const vmem_request_t *r, vmem_search_t *s)
{
	uword quantum_mask = vmp->vm_quantum - 1;

	s->asked = r->size;
	s->size = (r->size + quantum_mask) & ~quantum_mask;
	s->certain = s->size;
	s->align = r->align ? r->align : vmp->vm_quantum;
	s->phase = r->phase;
	s->nocross = r->nocross;
	s->min = r->min;
	s->max = r->max;
	s->policy = r->policy;
	s->flags = r->flags;
	s->has_bounds = r->min != 0 || r->max != ~(uword)0;
	s->is_constrained = 0;
	s->may_walk = 0;
	s->has_deadline = r->timeout_ns != 0;
	s->wants = 0;
	if (r->size == 0)
		return -EINVAL;
	if (s->size == 0)
		return -ENOMEM; /* rounded up beyond the last address */
	if (PREDICT_TRUE((r->align | r->phase | r->nocross) == 0 && !s->has_bounds))
		return 0;
	return check_constraints(vmp, s);
}

/* Induced failures.  Arena locked. */
static bool
is_induced(vmem_t *vmp, const vmem_search_t *s)
{
	u32 mtbf = vmp->vm_mtbf ? vmp->vm_mtbf : vmem_mtbf;
	bool strikes = false;

	if (PREDICT_TRUE(mtbf == 0 && vmp->vm_fail_at == 0))
		return false;
	if (vmp->vm_fail_at)
		strikes = --vmp->vm_fail_at == 0;
	/* Every n-th request that may fail does. */
	if (mtbf && (s->flags & VMEM_REQUEST_NOSLEEP) && !(s->flags & VMEM_REQUEST_PANIC))
		strikes |= ++vmp->vm_mtbf_count % mtbf == 0;
	if (strikes)
		VMEM_COUNT(vmp->vm_kstat.vk_induced, 1);
	return strikes;
}

/* ---- allocate ---- */

/* An index is begun, so that vmem_fit() has an answer: by walks while it comes, where there are few
 * free segments; else it is built to the end, in slices between which others have the arena, since
 * a policy's choice is owed from the first. */
static void
begin_index(vmem_t *vmp, vmem_search_t *s)
{
	int error;

	/* Another operation may begin it as well. */
	if (vmem_has_fetched && vmp->vm_n_free <= VMEM_WALK_LONG) {
		s->may_walk = 1;
		return;
	}
	error = vmem_index_begin(vmp, s->wants);
	if (error == -EAGAIN && vmp->vm_n_free > VMEM_WALK_LONG)
		error = vmem_index_build(vmp, s->wants);
	s->may_walk = error != 0;
}

/* The policy's choice, once there are tags and, where it takes one, an index.  Arena locked, the
 * lock may be dropped and taken again.  Value: 0, then *tag is 0 when there is no room; -ENOMEM. */
static int
find(vmem_t *vmp, vmem_search_t *s, u32 *tag, uword *addr)
{
	int error;

	for (;;) {
		error = vmem_populate(vmp);
		*tag = vmem_fit(vmp, s, addr);
		if (PREDICT_TRUE(*tag != VMEM_FIT_WANTS_INDEX))
			break;
		begin_index(vmp, s);
	}
	/* Without tags there is still what needs none or few, such as a hole of this size. */
	if (PREDICT_FALSE(error && *tag) &&
	    (ssize_t)vmem_seg_alloc_tags(*tag, *addr, s) > vmp->vm_nsegfree)
		*tag = 0;
	return *tag ? 0 : error;
}

/* Arena locked.  The import that is free again leaves the arena, into *after. */
static void
leave_if_empty(vmem_t *vmp, u32 tag, vmem_after_t *after)
{
	const vmem_seg_t *t = vmem_tag(tag);

	if (vmem_tag_type(t) != VMEM_TAG_FREE ||
	    vmem_tag_type(vmem_tag(t->vs_aprev)) != VMEM_TAG_SPAN ||
	    !vmem_tag_flag(vmem_tag(t->vs_aprev)) ||
	    vmem_tag_type(vmem_tag(t->vs_anext)) != VMEM_TAG_END || !vmp->vm_source_free)
		return;
	after->addr = t->vs_start;
	after->size = vmem_seg_bytes(t);
	vmem_span_destroy(vmp, tag);
}

/* Frees go to a quantum cache, where there is one.  Arena locked, dropped meanwhile. */
static void
try_qcache(vmem_t *vmp, const vmem_request_t *r, vmem_waiter_t *waiter)
{
	uword addr;
	bool is_got;
	int error;

	if (vmp->vm_n_qcaches == 0 || !vmem_qcache_fronts(vmp, r))
		return;
	vmem_unlock(&vmp->vm_lock);
	is_got = vmem_qcache_alloc(vmp, r, &addr) == 0;
	vmem_lock(&vmp->vm_lock);
	if (is_got && !waiter->is_served) {
		waiter->addr = addr;
		waiter->is_served = 1;
	} else if (is_got) {
		/* A free was quicker. */
		vmem_unlock(&vmp->vm_lock);
		vmem_qcache_free(vmp, addr, r->size, NULL, &error);
		vmem_lock(&vmp->vm_lock);
	}
}

/* One round of getting room: from the source, by reclaiming, by waiting. */
static int
get_room(vmem_t *vmp, vmem_search_t *s, const vmem_request_t *r, vmem_waiter_t *waiter, u32 *tag,
	 uword *addr, vmem_after_t *after)
{
	int error;

	if (vmp->vm_source_alloc) {
		error = vmem_import_and_fit(vmp, s, tag, addr, after);
		if (error != -ENOMEM || waiter->is_served)
			return error;
	}
	if (!waiter->has_reclaimed && vmem_reclaim(vmp, s)) {
		waiter->has_reclaimed = 1;
	} else {
		error = vmem_wait(vmp, waiter);
		if (error)
			return error;
		if (!waiter->is_served)
			try_qcache(vmp, r, waiter);
	}
	return waiter->is_served ? 0 : find(vmp, s, tag, addr);
}

/* There was no room: get some.  Arena locked, dropped and taken again.
 * Value: 0 with a tag, or with *tag 0 and *addr when it was given; or why not. */
static int
find_hard(vmem_t *vmp, vmem_search_t *s, const vmem_request_t *r, u32 *tag, uword *addr,
	  vmem_after_t *after)
{
	vmem_waiter_t waiter = { .search = s };
	int error = 0;

	if (r->timeout_ns)
		waiter.deadline_ns = vmem_now_ns() + r->timeout_ns;
	while (!error && *tag == 0 && !waiter.is_served)
		error = get_room(vmp, s, r, &waiter, tag, addr, after);
	/* While the lock was dropped, a free may have given what we meant to take or gave up on. */
	if (waiter.is_served) {
		if (*tag && after->size == 0)
			leave_if_empty(vmp, *tag, after);
		*tag = 0;
		*addr = waiter.addr;
		error = 0;
	}
	vmem_wait_end(vmp, &waiter);
	return error;
}

int
vmem_core_alloc(vmem_t *vmp, const vmem_request_t *request, uword *addr)
{
	vmem_after_t after = { 0 };
	vmem_search_t s;
	int error;
	u32 tag = 0;

	if (PREDICT_FALSE(vmp->vm_n_qcaches) && vmem_qcache_fronts(vmp, request) &&
	    vmem_qcache_alloc(vmp, request, addr) == 0)
		return 0;

	error = check_request(vmp, request, &s);
	vmem_lock(&vmp->vm_lock);
	if (!error && PREDICT_FALSE(is_induced(vmp, &s)))
		error = -ENOMEM;
	if (!error)
		error = find(vmp, &s, &tag, addr);
	if (PREDICT_FALSE(tag == 0 && !error))
		error = find_hard(vmp, &s, request, &tag, addr, &after);
	if (PREDICT_TRUE(tag != 0))
		vmem_seg_alloc(vmp, tag, *addr, &s);
	else if (error)
		VMEM_COUNT(vmp->vm_kstat.vk_fail, 1);
	vmem_after_unlock(vmp, &after);
	vmem_after_run(vmp, &after);
	return error;
}

static never_inline int
alloc_with_all_questions(vmem_t *vmp, uword size, vmem_policy_t policy, u32 flags, uword *addr)
{
	const vmem_request_t request = {
		.size = size, .max = ~(uword)0, .policy = policy, .flags = flags
	};

	return vmem_core_alloc(vmp, &request, addr);
}

int
vmem_core_alloc_plain(vmem_t *vmp, uword size, vmem_policy_t policy, u32 flags, uword *addr)
{
	uword rounded = (size + vmp->vm_quantum - 1) & -vmp->vm_quantum, start;
	vmem_seg_t *t;
	u32 tag;

	if (policy == VMEM_POLICY_INSTANT && !(flags & VMEM_REQUEST_HIGH_END) &&
	    vmem_alloc_fast(vmp, size, flags & VMEM_REQUEST_X, addr))
		return 0;
	if (policy == VMEM_POLICY_INSTANT || rounded == 0 || vmem_has_rare(vmp) ||
	    (flags & VMEM_REQUEST_HIGH_END))
		return alloc_with_all_questions(vmp, size, policy, flags, addr);
	vmem_lock(&vmp->vm_lock);
	if (PREDICT_FALSE(vmp->vm_nsegfree < VMEM_TAGS_PER_OP || vmp->vm_fail_at ||
			  (tag = vmem_fit_plain(vmp, rounded, policy, &start)) == 0)) {
		vmem_unlock(&vmp->vm_lock);
		return alloc_with_all_questions(vmp, size, policy, flags, addr);
	}
	t = vmem_tag(tag);
	*addr = start;
	VMEM_COUNT(vmp->vm_kstat.vk_alloc, 1);
	count_alloc(vmp, rounded, vmem_freelist_of(rounded), rounded - size);
	if (PREDICT_TRUE(start == t->vs_start))
		tag = seg_take_low(vmp, low_end_of(t, tag), start, rounded, rounded - size,
				   flags & VMEM_REQUEST_X);
	else
		tag = vmem_seg_take(vmp, tag, start, rounded, rounded - size,
				    flags & VMEM_REQUEST_X);
	if (policy == VMEM_POLICY_NEXT)
		vmem_rotor_set(vmp, tag, start + rounded);
	vmem_settle_alloc(vmp);
	return 0;
}

/* ---- free ---- */

static void
free_found(vmem_t *vmp, const found_t *found, vmem_after_t *after)
{
	uword log2 = vmem_freelist_of(found->size);
	u32 tag;

	seg_forget(vmp, found->t, found->size, log2, found->before, found->bucket);
	tag = seg_free(vmp, found->t, found->tag, found->t->vs_start, found->size, log2,
		       found->next);
	if (PREDICT_FALSE(vmp->vm_waiters != NULL))
		vmem_serve_waiters(vmp, tag);
	if (vmp->vm_source_free)
		leave_if_empty(vmp, tag, after);
	after->has_room = 1;
}

/* Where somebody waits, or an import may be empty.  Arena locked; not on return. */
static never_inline void
free_hard(vmem_t *vmp, const found_t *found)
{
	vmem_after_t after = { 0 };

	free_found(vmp, found, &after);
	if (vmp->vm_nsegfree > VMEM_TAGS_MAX)
		vmem_tags_give(vmp, VMEM_TAGS_BATCH);
	vmem_after_unlock(vmp, &after);
	vmem_after_run(vmp, &after);
}

static never_inline int
free_badly(vmem_t *vmp, uword addr, uword size, u32 flags, const void *caller, int error)
{
	VMEM_COUNT(vmp->vm_kstat.vk_bad_free, 1);
	vmem_unlock(&vmp->vm_lock);
	vmem_report_bad_free(vmp, addr, size, flags, caller);
	return error;
}

int
vmem_core_free(vmem_t *vmp, uword addr, uword size, u32 flags, const void *caller)
{
	found_t found;
	int error;

	if (vmem_free_fast(vmp, addr, size, flags & VMEM_REQUEST_X))
		return 0;
	if (PREDICT_FALSE(vmp->vm_n_qcaches) && !(flags & VMEM_REQUEST_X) &&
	    vmem_qcache_free(vmp, addr, size, caller, &error))
		return error;

	vmem_lock(&vmp->vm_lock);
	error = find_owned(vmp, addr, size, flags & VMEM_REQUEST_X, &found);
	if (PREDICT_FALSE(error != 0))
		return free_badly(vmp, addr, size, flags, caller, error);
	free_hard(vmp, &found);
	return 0;
}

void
vmem_core_xfree_if(vmem_t *vmp, uword addr, uword size)
{
	vmem_after_t after = { 0 };
	found_t found;

	vmem_lock(&vmp->vm_lock);
	if (find_owned(vmp, addr, size, true, &found) == 0)
		free_found(vmp, &found, &after);
	vmem_after_unlock(vmp, &after);
	vmem_after_run(vmp, &after);
}

/* ---- in place ---- */

int
vmem_resize(vmem_t *vmp, uword addr, uword size, uword new_size)
{
	uword mask = vmp->vm_quantum - 1, rounded = (new_size + mask) & ~mask, has, old;
	vmem_after_t after = { 0 };
	u32 tag, before, next;
	bool is_cached;
	int error;

	if (new_size == 0 || rounded == 0)
		return new_size ? -ENOMEM : -EINVAL;
	vmem_lock(&vmp->vm_lock);
	error = vmem_populate(vmp);
	tag = hash_lookup(vmp, addr, vmem_hash_bucket(vmp, addr), &before);
	old = tag ? vmem_seg_bytes(vmem_tag(tag)) : 0;
	if (tag == 0) {
		error = -EINVAL;
	} else if (old - vmem_tag(tag)->vs_slack != size) {
		/* What a cache gave may begin its slab. */
		is_cached = vmp->vm_n_qcaches && size <= vmp->vm_qcache_max &&
			    vmem_tag_flag(vmem_tag(tag)) && old == vmem_qcache_slab_bytes(vmp);
		error = is_cached ? -EINVAL : -ERANGE;
	} else {
		next = vmem_tag(tag)->vs_anext;
		has = old;
		if (vmem_tag_type(vmem_tag(next)) == VMEM_TAG_FREE)
			has += vmem_seg_bytes(vmem_tag(next));
		/* Without a tag only what takes none: growing, or room behind it to leave it to. */
		if (rounded > has || (error && rounded < old && has == old))
			error = -ENOMEM;
		else
			error = 0;
	}
	if (!error) {
		vmem_seg_resize(vmp, tag, rounded, new_size);
		VMEM_COUNT(vmp->vm_kstat.vk_resize, 1);
		next = vmem_tag(tag)->vs_anext;
		if (rounded < old) {
			after.has_room = 1;
			if (vmp->vm_waiters)
				vmem_serve_waiters(vmp, next);
		}
	} else if (error == -ENOMEM) {
		VMEM_COUNT(vmp->vm_kstat.vk_fail, 1);
	}
	vmem_after_unlock(vmp, &after);
	vmem_after_run(vmp, &after);
	if (error == -ERANGE)
		vmem_report("vmem_resize: wrong size", vmp, addr, size,
			    __builtin_return_address(0));
	return error;
}

int
vmem_claim(vmem_t *vmp, uword addr, uword size)
{
	uword mask = vmp->vm_quantum - 1, rounded = (size + mask) & ~mask;
	vmem_request_t request = { .size = size,
				   .min = addr,
				   .max = addr + rounded - 1,
				   .policy = VMEM_POLICY_FIRST,
				   .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };
	uword got;

	if (size == 0 || (addr & mask) || rounded == 0 || request.max < addr)
		return -EINVAL;
	return vmem_core_alloc(vmp, &request, &got);
}

/* ---- bursts ---- */

u32
vmem_alloc_burst(vmem_t *vmp, uword size, vmem_policy_t policy, u32 flags, uword *addrs, u32 n)
{
	const vmem_request_t request = { .size = size,
					 .max = ~(uword)0,
					 .policy = policy,
					 .flags = flags | VMEM_REQUEST_NOSLEEP };
	u32 n_got = 0, tag = 1;
	vmem_search_t s;

	if (vmp->vm_n_qcaches || check_request(vmp, &request, &s))
		tag = 0;
	while (n_got < n && tag) {
		vmem_after_t after = { 0 };

		vmem_lock(&vmp->vm_lock);
		for (u32 i = 0; i < N_BURST && n_got < n; i++) {
			tag = 0;
			if (is_induced(vmp, &s) || find(vmp, &s, &tag, &addrs[n_got]) || tag == 0)
				break;
			vmem_seg_alloc(vmp, tag, addrs[n_got++], &s);
			if (vmem_hash_is_out_of_range(vmp) || vmem_index_is_short(vmp))
				break;
		}
		vmem_after_unlock(vmp, &after);
		vmem_after_run(vmp, &after);
	}
	/* What the arena does not have one import or cache may. */
	while (n_got < n && vmem_core_alloc(vmp, &request, &addrs[n_got]) == 0)
		n_got++;
	return n_got;
}

void
vmem_free_burst(vmem_t *vmp, const uword *addrs, u32 n, uword size, u32 flags)
{
	const void *caller = __builtin_return_address(0);
	u32 i = 0;

	while (i < n) {
		vmem_after_t after = { 0 };
		bool is_bad = vmp->vm_n_qcaches != 0;

		vmem_lock(&vmp->vm_lock);
		for (u32 k = 0; k < N_BURST && i < n && !is_bad; k++, i++) {
			found_t found;

			is_bad = find_owned(vmp, addrs[i], size, flags & VMEM_REQUEST_X, &found) !=
				 0;
			if (is_bad)
				break;
			free_found(vmp, &found, &after);
			if (after.size || vmem_hash_is_out_of_range(vmp) ||
			    vmp->vm_nsegfree > VMEM_TAGS_MAX || vmem_index_is_short(vmp)) {
				i++;
				break;
			}
		}
		if (vmp->vm_nsegfree > VMEM_TAGS_MAX)
			vmem_tags_give(vmp, VMEM_TAGS_BATCH);
		vmem_after_unlock(vmp, &after);
		vmem_after_run(vmp, &after);
		/* Counted and named, or a quantum cache's. */
		if (is_bad) {
			vmem_core_free(vmp, addrs[i], size, flags, caller);
			i++;
		}
	}
}
