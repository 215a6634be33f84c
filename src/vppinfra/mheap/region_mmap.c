/* SPDX-License-Identifier: Apache-2.0 */
/* Regions of plain private memory.  The kernel commits a page when it is first touched, so growth
 * costs no call, or one for each batch of bytes where the rest has no rights yet; giving back is
 * MADV_DONTNEED, of whole small pages: of a huge page that is partly in use the kernel takes the
 * rest apart. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>
#include "mheap_impl.h"

/* v lands on this boundary, so that offsets and addresses agree for alignments up to it and the
 * kernel may use huge pages from v on. */
#define VECTOR_ALIGN MiB(2)

/* From so far above v on a heap asks for huge pages: at random its objects cost a miss of the TLB
 * each, and what a huge page has too much is little of so large a heap.  Below, programs with
 * little memory keep what they had. */
#define HUGE_PAGES_FROM MiB(32)

/* Since Linux 5.7, and 4.17, before which an address is a wish. */
#ifndef MREMAP_DONTUNMAP
#	define MREMAP_DONTUNMAP 4
#endif
#ifndef MAP_FIXED_NOREPLACE
#	define MAP_FIXED_NOREPLACE 0x100000
#endif

/* Where a region that is not reserved lies: above what programs with tables of their own ask for
 * (46 bits), below executables and what the kernel places, which is what it has room to do. */
#define FIRST_PLACE (1ULL << 46)
#define LOG2_PLACES_BYTES 44
#define N_PLACES_TRIED 16

#define N_MINCORE_PAGES 1024 /* pages asked for in one call: a buffer of 1 KiB on the stack */

static uword
n_resident_bytes(u8 *p, uword n, uword page_bytes)
{
	u8 is_resident[N_MINCORE_PAGES];
	uword n_pages = n / page_bytes, n_resident = 0;

	for (uword first = 0; first < n_pages; first += N_MINCORE_PAGES) {
		uword n_now = clib_min(n_pages - first, (uword)N_MINCORE_PAGES);

		if (mincore(p + first * page_bytes, n_now * page_bytes, is_resident))
			return n;
		for (uword i = 0; i < n_now; i++)
			n_resident += is_resident[i] & 1;
	}
	return n_resident * page_bytes;
}

/* Of a region whose pages get their rights as it grows: in the page below its base. */
typedef struct {
	/* Rights end here, and the region. */
	uword usable_end, end;
	/* Beyond the rights there is nothing, and somebody else may come. */
	u8 is_placed;
} reserve_t;

/* Rights for whole huge pages, or the kernel could not use one where they end.  They stay when
 * pages go, and are there for the batches that follow: the call keeps other threads' page faults
 * waiting. */
static int
mmap_commit(void *opaque, void *p, uword n)
{
	reserve_t *r = opaque;
	uword end = (uword)p + n;

	if (end <= r->usable_end)
		return 0;
	end = clib_min(round_pow2(end, VECTOR_ALIGN), r->end);
	if (mprotect((void *)r->usable_end, end - r->usable_end, PROT_READ | PROT_WRITE))
		return -errno;
	r->usable_end = end;
	return 0;
}

/* Map these very addresses, if nobody has. */
static int
map_at(uword from, uword n)
{
	void *p = mmap((void *)from, n, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	if ((uword)p == from)
		return 0;
	munmap(p, n);
	return -EEXIST;
}

/* The same where nothing is reserved.  Where huge pages' worth is too much, the pages needed. */
static int
placed_commit(void *opaque, void *p, uword n)
{
	reserve_t *r = opaque;
	uword from = r->usable_end, end = (uword)p + n, huge_from;
	int error;

	if (end <= from)
		return 0;
	error = map_at(from, clib_min(round_pow2(end, VECTOR_ALIGN), r->end) - from);
	if (!error)
		end = clib_min(round_pow2(end, VECTOR_ALIGN), r->end);
	else if ((error = map_at(from, end - from)))
		return error;
	r->usable_end = end;
	/* As far above v, whose page this is the second below of. */
	huge_from = clib_max(from, round_pow2((uword)r, VECTOR_ALIGN) + HUGE_PAGES_FROM);
	if (end > huge_from)
		madvise((void *)huge_from, end - huge_from, MADV_HUGEPAGE);
	return 0;
}

/* Reports what was resident.  Locked memory (mlockall) is refused by the kernel. */
static uword
mmap_decommit(void *opaque, void *p, uword n)
{
	uword n_resident = n_resident_bytes(p, n, (uword)sysconf(_SC_PAGESIZE));

	if (madvise(p, n, MADV_DONTNEED))
		return ~(uword)0;
	return n_resident;
}

/* The pages' place in the tables changes, nothing is copied.  `from' stays mapped, and empty. Where
 * there are pages already, those would go, and as many be cleared when `from' is next used, at
 * several times the price of copying; the first thousand tell. */
static int
mmap_move(void *CLIB_UNUSED(opaque), void *to, void *from, uword n)
{
	uword page_bytes = (uword)sysconf(_SC_PAGESIZE);
	uword n_looked_at = clib_min(n, N_MINCORE_PAGES * page_bytes);
	int error;
	void *p;

	if (n_resident_bytes(to, n_looked_at, page_bytes) > n_looked_at / 2)
		return -EEXIST;
	p = mremap(from, n, n, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to);
	if (p != MAP_FAILED)
		return 0;
	error = -errno;
	/* The kernel may have unmapped `to' before it found that it had no memory for more. */
	mmap(to, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
	     -1, 0);
	return error;
}

static void
mmap_release(void *opaque, void *base, uword size)
{
	munmap(base, size);
}

static void
reserve_release(void *opaque, void *base, uword size)
{
	const reserve_t *r = opaque;
	uword end = r->is_placed ? r->usable_end : (uword)base + size;

	munmap(opaque, end - (uword)opaque);
}

static void
describe(uword base, uword size, uword page_bytes, mheap_region_t *region)
{
	memset(region, 0, sizeof(*region));
	region->base = (void *)base;
	region->size = size;
	region->page_bytes = page_bytes;
	region->stays_readable = 1;
	region->decommit = mmap_decommit;
	region->move = mmap_move;
	region->release = mmap_release;
}

/* n_below bytes, whole pages, are mapped below the region, too. */
static int
map_region(uword size, int rights, uword n_below, mheap_region_t *region)
{
	uword page_bytes = (uword)sysconf(_SC_PAGESIZE);
	uword n_mapped, base, first;
	void *p;

	if (size == 0 || size > GiB(1) << 16)
		return -EINVAL;
	size = round_pow2(size, page_bytes);
	n_mapped = size + VECTOR_ALIGN + page_bytes + n_below;
	p = mmap(NULL, n_mapped, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;

	/* The header takes the page below v. */
	base = round_pow2((uword)p + page_bytes + n_below, VECTOR_ALIGN) - page_bytes;
	first = base - n_below;
	if (first > (uword)p)
		munmap(p, first - (uword)p);
	if (base + size < (uword)p + n_mapped)
		munmap((void *)(base + size), (uword)p + n_mapped - base - size);

	/* Where the system has none to give this way there are small ones. */
	if (size > page_bytes + HUGE_PAGES_FROM)
		madvise((u8 *)base + page_bytes + HUGE_PAGES_FROM,
			size - page_bytes - HUGE_PAGES_FROM, MADV_HUGEPAGE);

	describe(base, size, page_bytes, region);
	return 0;
}

int
mheap_region_mmap(uword size, mheap_region_t *region)
{
	return map_region(size, PROT_READ | PROT_WRITE, 0, region);
}

int
mheap_region_reserve(uword size, mheap_region_t *region)
{
	uword page_bytes = (uword)sysconf(_SC_PAGESIZE);
	int error = map_region(size, PROT_NONE, page_bytes, region);
	reserve_t *r;

	if (error)
		return error;
	r = (reserve_t *)((u8 *)region->base - page_bytes);
	if (mprotect(r, page_bytes, PROT_READ | PROT_WRITE)) {
		munmap(r, page_bytes + region->size);
		return -ENOMEM;
	}
	r->usable_end = (uword)region->base;
	r->end = (uword)region->base + region->size;
	region->opaque = r;
	region->commit = mmap_commit;
	region->release = reserve_release;
	return 0;
}

/* The first pages of a region of size bytes, wherever there is nothing: where the kernel put this
 * library says where it is looked for, so that it is as hard to guess.  @return 0: nowhere. */
static uword
find_place(uword size, uword page_bytes)
{
#ifndef __SANITIZE_THREAD__
	uword stride = round_pow2(size + 2 * page_bytes, VECTOR_ALIGN) + VECTOR_ALIGN;
	uword at = (uword)&find_place * VECTOR_ALIGN / page_bytes;

	for (u32 i = 0; i < N_PLACES_TRIED; i++, at += stride) {
		uword v = FIRST_PLACE +
			  round_down_pow2(at % (1ULL << LOG2_PLACES_BYTES), VECTOR_ALIGN);

		if (!map_at(v - 2 * page_bytes, 2 * page_bytes))
			return v;
	}
#endif
	/* Such addresses are none of a program's under the thread sanitizer. */
	return 0;
}

int
mheap_region_place(uword size, mheap_region_t *region)
{
	uword page_bytes = (uword)sysconf(_SC_PAGESIZE), v;
	reserve_t *r;

	if (size <= page_bytes || size > GiB(1) << 16)
		return -EINVAL;
	size = round_pow2(size, page_bytes);
	v = find_place(size, page_bytes);
	if (!v)
		return -ENOMEM;
	describe(v - page_bytes, size, page_bytes, region);
	r = (reserve_t *)(v - 2 * page_bytes);
	r->usable_end = v;
	r->end = v - page_bytes + size;
	r->is_placed = 1;
	region->opaque = r;
	region->commit = placed_commit;
	region->release = reserve_release;
	return 0;
}
