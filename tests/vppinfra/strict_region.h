/* SPDX-License-Identifier: Apache-2.0 */
/* strict_region: a region that forgives nothing.  Pages that a heap did not commit, or gave back,
 * cannot be touched; it counts what is committed, so the heap's own count can be compared. */
#ifndef included_tests_strict_region_h
#define included_tests_strict_region_h

#include <sys/mman.h>
#include <vppinfra/mheap.h>

#define STRICT_MAX_PAGES (1 << 16)

typedef struct {
	u8 *base;
	uword size, page_bytes;
	u8 is_committed[STRICT_MAX_PAGES];
	uword n_held_bytes;
	/* Calls on pages that were in the wanted state already, or not on page boundaries. */
	u64 n_needless, n_misaligned;
	u64 n_commits, n_decommits, n_releases;
	/* Commits from now that succeed before one fails; ~0 all. */
	u64 n_commits_left;
	/* Every n-th commit fails; 0 none. */
	u32 fail_every;
	u64 n_failures;
	int decommit_is_refused;
} strict_region_t;

static inline uword
strict_set(strict_region_t *r, void *p, uword n, u8 is_committed)
{
	uword first = (uword)((u8 *)p - r->base) / r->page_bytes, n_pages = n / r->page_bytes;
	uword n_changed = 0;

	r->n_misaligned += n == 0 || (uword)((u8 *)p - r->base) % r->page_bytes != 0 ||
			   n % r->page_bytes != 0 || (u8 *)p < r->base ||
			   (u8 *)p + n > r->base + r->size;
	for (uword i = first; i < first + n_pages; i++) {
		n_changed += r->is_committed[i] != is_committed;
		r->is_committed[i] = is_committed;
	}
	r->n_needless += n_pages - n_changed;
	return n_changed * r->page_bytes;
}

static inline int
strict_commit(void *opaque, void *p, uword n)
{
	strict_region_t *r = opaque;

	if (r->n_commits_left == 0 ||
	    (r->fail_every && (r->n_commits + r->n_failures) % r->fail_every == 0)) {
		r->n_failures++;
		return -ENOMEM;
	}
	if (r->n_commits_left != ~0ULL)
		r->n_commits_left--;
	if (mprotect(p, n, PROT_READ | PROT_WRITE))
		return -ENOMEM;
	r->n_commits++;
	r->n_held_bytes += strict_set(r, p, n, 1);
	return 0;
}

static inline uword
strict_decommit(void *opaque, void *p, uword n)
{
	strict_region_t *r = opaque;
	uword n_released;

	if (r->decommit_is_refused)
		return ~(uword)0;
	if (madvise(p, n, MADV_DONTNEED) || mprotect(p, n, PROT_NONE))
		return ~(uword)0;
	r->n_decommits++;
	n_released = strict_set(r, p, n, 0);
	r->n_held_bytes -= n_released;
	return n_released;
}

static inline void
strict_release(void *opaque, void *base, uword size)
{
	strict_region_t *r = opaque;

	r->n_releases++;
	munmap(base, size);
}

/* A heap in such a region; NULL when there is no address space.  base lies on a page_bytes
 * boundary. */
static inline void *
strict_heap(strict_region_t *r, uword size, uword page_bytes, u32 flags)
{
	mheap_params_t params = { .name = "strict", .flags = flags, .numa_node = -1 };
	u8 *p = mmap(NULL, size + page_bytes, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	void *v;

	if (p == MAP_FAILED || size / page_bytes > STRICT_MAX_PAGES)
		return NULL;
	memset(r, 0, sizeof(*r));
	r->base = (u8 *)round_pow2((uword)p, page_bytes);
	if (r->base > p)
		munmap(p, (uword)(r->base - p));
	munmap(r->base + size, (uword)(p + page_bytes - r->base));
	r->size = size;
	r->page_bytes = page_bytes;
	r->n_commits_left = ~0ULL;
	params.region = (mheap_region_t){
		.base = r->base,
		.size = size,
		.page_bytes = page_bytes,
		.commit = strict_commit,
		.decommit = strict_decommit,
		.release = strict_release,
		.opaque = r,
	};
	return mheap_create(&params, &v) == 0 ? v : NULL;
}

/* What the heap says it holds is what the region gave, pages below v included. */
static inline int
strict_accounts_agree(const strict_region_t *r, const void *v)
{
	const mheap_t *h = mheap_header(v);
	uword n_below_v = (uword)v - (uword)r->base;

	return h->n_committed_bytes - h->n_reclaimed_bytes + n_below_v == r->n_held_bytes &&
	       r->n_misaligned == 0 && r->n_needless == 0;
}

#endif
