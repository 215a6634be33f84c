/* SPDX-License-Identifier: Apache-2.0 */
/* The arena's invariants, one function for each structure that is compared with the ring. */
#include "vmem_impl.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct {
	char *what;
	size_t n_what;
	/* Counted on the way round the ring. */
	u64 n_alloc, n_free, n_tags;
	uword inuse, total, import;
	vmem_order_t order[VMEM_FREELISTS];
} check_t;

static int fault(check_t *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int
fault(check_t *c, const char *format, ...)
{
	va_list va;

	va_start(va, format);
	if (c->what)
		vsnprintf(c->what, c->n_what, format, va);
	va_end(va);
	return -EUCLEAN;
}

#define FAULT(c, text, index)                                                                      \
	fault(c, "tag %u at 0x%llx: " text, index, (unsigned long long)vmem_tag(index)->vs_start)

/* An allocated segment is found by its address, and carries a slack that rounding explains. */
static int
check_alloc(vmem_t *vmp, check_t *c, u32 index)
{
	vmem_seg_t *t = vmem_tag(index);
	uword size = vmem_seg_bytes(t);
	u32 i;

	for (i = *vmem_hash_bucket(vmp, t->vs_start); i && i != index;)
		i = vmem_tag_knext(vmem_tag(i));
	if (i == 0)
		return FAULT(c, "allocated but not in the hash", index);
	if (t->vs_slack >= vmp->vm_quantum)
		return FAULT(c, "slack is not below the quantum", index);
	c->n_alloc++;
	c->inuse += size - t->vs_slack;
	c->order[vmem_freelist_of(size)].n_alloc++;
	c->order[vmem_freelist_of(size)].alloc_bytes += size;
	return 0;
}

static int
check_span(check_t *c, u32 index, u32 *previous)
{
	vmem_seg_t *t = vmem_tag(index), *end = vmem_tag(t->vs_kprev);

	if (vmem_tag_type(end) != VMEM_TAG_END || vmem_tag_knext(end) != index)
		return FAULT(c, "span and its end do not name each other", index);
	if (vmem_tag(t->vs_anext)->vs_start != t->vs_start)
		return FAULT(c, "span's first segment starts elsewhere", index);
	c->total += vmem_span_bytes(t);
	if (vmem_tag_flag(t))
		c->import += vmem_span_bytes(t);
	*previous = index;
	return 0;
}

/* Once round: order, alternation of types inside spans, sizes, no two free neighbours. */
static int
check_ring(vmem_t *vmp, check_t *c)
{
	u32 anchor = vmp->vm_seg0, before = anchor, index, span = 0, in_span = 0;
	int error = 0;

	for (index = vmem_tag(anchor)->vs_anext; index != anchor && !error;
	     before = index, index = vmem_tag(index)->vs_anext) {
		vmem_seg_t *t = vmem_tag(index);
		vmem_tag_type_t type = vmem_tag_type(t);

		c->n_tags++;
		if (t->vs_aprev != before)
			return FAULT(c, "does not name its left neighbour", index);
		if (t->vs_start & (vmp->vm_quantum - 1))
			return FAULT(c, "not on the quantum", index);
		if (type == VMEM_TAG_SPAN) {
			if (in_span)
				return FAULT(c, "span inside a span", index);
			if (span && vmem_tag(vmem_tag(span)->vs_kprev)->vs_start - 1 >= t->vs_start)
				return FAULT(c, "span overlaps the one before", index);
			error = check_span(c, index, &span);
			in_span = 1;
			continue;
		}
		if (!in_span)
			return FAULT(c, "outside any span", index);
		if (type == VMEM_TAG_END) {
			if (vmem_tag(span)->vs_kprev != index)
				return FAULT(c, "another span's end", index);
			in_span = 0;
			continue;
		}
		/* Inside the span, whose last byte bounds it: the order holds even at 2^64. */
		if (vmem_seg_bytes(t) == 0 ||
		    vmem_seg_bytes(t) > vmem_span_bytes(vmem_tag(span)) -
						(t->vs_start - vmem_tag(span)->vs_start))
			return FAULT(c, "does not fit its span", index);
		if (type == VMEM_TAG_ALLOC) {
			error = check_alloc(vmp, c, index);
		} else if (type == VMEM_TAG_FREE) {
			if (vmem_tag_type(vmem_tag(before)) == VMEM_TAG_FREE)
				return FAULT(c, "free beside a free segment", index);
			c->n_free++;
			c->order[vmem_freelist_of(vmem_seg_bytes(t))].n_free++;
			c->order[vmem_freelist_of(vmem_seg_bytes(t))].free_bytes +=
				vmem_seg_bytes(t);
		} else {
			return FAULT(c, "of no known type", index);
		}
	}
	if (error)
		return error;
	if (in_span || vmem_tag(anchor)->vs_aprev != before)
		return fault(c, "the ring is not closed");
	return 0;
}

static int
check_spans(vmem_t *vmp, check_t *c)
{
	const char *what = vmem_span_check(vmp);

	return what ? fault(c, "%s", what) : 0;
}

static int
check_freelists(vmem_t *vmp, check_t *c)
{
	u64 n_listed = 0;

	for (u32 n = 0; n < VMEM_FREELISTS; n++) {
		u32 before = 0;

		for (u32 i = vmp->vm_freelist[n].vs_knext; i;
		     before = i, i = vmem_tag_knext(vmem_tag(i))) {
			if (++n_listed > c->n_free)
				return fault(c, "list %u: more listed than free", n);
			if (vmem_tag_type(vmem_tag(i)) != VMEM_TAG_FREE)
				return FAULT(c, "listed but not free", i);
			if (vmem_tag(i)->vs_kprev != before)
				return FAULT(c, "does not name its predecessor in the list", i);
			if (vmem_freelist_of(vmem_seg_bytes(vmem_tag(i))) != n)
				return FAULT(c, "in the list of another size", i);
		}
		if (vmp->vm_freelist[n].vs_kprev != before)
			return fault(c, "list %u: its tail is not its last", n);
		if ((before != 0) != (vmp->vm_freemap >> n & 1))
			return fault(c, "list %u: bitmap says otherwise", n);
	}
	return n_listed == c->n_free ? 0 : fault(c, "a free segment is in no list");
}

static int
check_hash_size(vmem_t *vmp, check_t *c)
{
	uword n_buckets = vmp->vm_hash_n_buckets;

	if (vmp->vm_hash_mask + 1 != 1ULL << vmp->vm_hash_shift ||
	    vmp->vm_hash_split > vmp->vm_hash_mask ||
	    n_buckets != vmp->vm_hash_mask + 1 + vmp->vm_hash_split)
		return fault(c, "hash mask, shift and split disagree");
	for (uword b = 0; b < n_buckets;
	     b = b < VMEM_HASH_BLOCK_BUCKETS ? 2 * b + !b : b + VMEM_HASH_BLOCK_BUCKETS) {
		if (!vmem_hash_has_bucket(vmp, b))
			return fault(c, "the hash has no place for bucket %llu",
				     (unsigned long long)b);
	}
	return 0;
}

/* Every allocated segment was found in its bucket, so equal counts leave no stranger. */
static int
check_hash(vmem_t *vmp, check_t *c)
{
	u64 n = 0;

	for (uword b = 0; b < vmp->vm_hash_n_buckets; b++) {
		for (u32 i = *vmem_hash_bucket_at(vmp, b); i && n <= c->n_alloc;
		     i = vmem_tag_knext(vmem_tag(i)))
			n++;
	}
	if (n != c->n_alloc)
		return fault(c, "hash has %llu entries for %llu segments", (unsigned long long)n,
			     (unsigned long long)c->n_alloc);
	return 0;
}

static int
check_rotor(vmem_t *vmp, check_t *c)
{
	vmem_seg_t *rotor = vmem_tag(vmp->vm_rotor);
	u32 hint = rotor->vs_anext;

	if (vmem_tag_type(rotor) != VMEM_TAG_ROTOR)
		return fault(c, "the rotor is no rotor");
	if (hint == vmp->vm_seg0)
		return 0;
	if (vmem_tag_type(vmem_tag(hint)) == VMEM_TAG_UNUSED)
		return FAULT(c, "the rotor stands on an unused tag", hint);
	if (vmem_tag(hint)->vs_start > rotor->vs_start)
		return FAULT(c, "the rotor stands behind its address", hint);
	return 0;
}

static int
check_counters(vmem_t *vmp, check_t *c)
{
	const vmem_kstat_t *k = &vmp->vm_kstat;
	ssize_t n = 0;

	for (u32 i = vmp->vm_segfree; i && n <= vmp->vm_nsegfree; i = vmem_tag(i)->vs_kprev)
		n++;
	if (n != vmp->vm_nsegfree)
		return fault(c, "vm_nsegfree is %lld, the list differs",
			     (long long)vmp->vm_nsegfree);
	if (vmp->vm_n_segs != c->n_alloc || k->vk_alloc - k->vk_free != c->n_alloc)
		return fault(c, "%llu segments, counted %llu, allocs - frees %llu",
			     (unsigned long long)c->n_alloc, (unsigned long long)vmp->vm_n_segs,
			     (unsigned long long)(k->vk_alloc - k->vk_free));
	if (k->vk_mem_inuse != c->inuse || k->vk_mem_total != c->total ||
	    k->vk_mem_import != c->import)
		return fault(c, "bytes in use, total or imported are not the sums of the segments");
	return 0;
}

static int
check_orders(vmem_t *vmp, check_t *c)
{
	for (u32 n = 0; n < VMEM_FREELISTS; n++) {
		if (memcmp(&vmp->vm_order[n], &c->order[n], sizeof(c->order[n])))
			return fault(c, "vm_order[%u] is not what the segments come to", n);
	}
	return vmp->vm_n_free == c->n_free ? 0 : fault(c, "vm_n_free is not their number");
}

static int
check_index(vmem_t *vmp, check_t *c)
{
	const char *what = vmem_index_check(vmp, c->n_free);

	return what ? fault(c, "an index %s", what) : 0;
}

int
vmem_check(vmem_t *vmp, char *what, size_t n_what)
{
	check_t c = { .what = what, .n_what = n_what };
	int error;

	vmem_lock(&vmp->vm_lock);
	/* First, because everything else looks buckets up. */
	error = check_hash_size(vmp, &c);
	if (!error)
		error = check_ring(vmp, &c);
	if (!error)
		error = check_spans(vmp, &c);
	if (!error)
		error = check_freelists(vmp, &c);
	if (!error)
		error = check_hash(vmp, &c);
	if (!error)
		error = check_rotor(vmp, &c);
	if (!error)
		error = check_counters(vmp, &c);
	if (!error)
		error = check_orders(vmp, &c);
	if (!error)
		error = check_index(vmp, &c);
	vmem_unlock(&vmp->vm_lock);
	return error;
}
