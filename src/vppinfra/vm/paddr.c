/* SPDX-License-Identifier: Apache-2.0 */
/* VA to PA through /proc/self/pagemap: 64 bits for each page of the system's size, whatever the
 * size of the page that is really there.  What it says of the huge pages of ranges is kept in a
 * table with two levels over all addresses, an entry for 2 MiB: huge pages stay where they are. */
#include "vm_impl.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOG2_FRAME 21
#define LOG2_LEAF 13
#define LOG2_ADDRESSES 48
/* Bit 0 of an entry, which is a multiple of 2 MiB. */
#define IS_KNOWN 1ull

#define PAGEMAP_IS_PRESENT (1ULL << 63)
#define PAGEMAP_PFN_MASK ((1ULL << 55) - 1)

/* Opened once; the file shows the address space that opened it, so a forked child opens its own.
 * Both are under the lock, as is the read between them. */
static pthread_mutex_t pagemap_lock = PTHREAD_MUTEX_INITIALIZER;
static int pagemap_fd = -1;
static pid_t pagemap_pid;

static int
read_entry(uword va, u64 *entry)
{
	pid_t pid = getpid();
	ssize_t n = -1;

	pthread_mutex_lock(&pagemap_lock);
	if (pagemap_pid != pid) {
		if (pagemap_fd >= 0)
			close(pagemap_fd);
		pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
		pagemap_pid = pid;
	}
	if (pagemap_fd >= 0)
		n = pread(pagemap_fd, entry, sizeof(*entry),
			  (off_t)(va / vm_system_page_bytes() * sizeof(*entry)));
	pthread_mutex_unlock(&pagemap_lock);
	if (n == sizeof(*entry))
		return 0;
	/* Past the end of the address space there is no entry to read. */
	return n == 0 ? -ENOENT : -EPERM;
}

int
vm_va_to_pa(const void *va, u64 *pa)
{
	uword a = pointer_to_uword(va), page_bytes = vm_system_page_bytes();
	u64 entry;
	int rv = read_entry(a, &entry);

	if (rv)
		return rv;
	if (!(entry & PAGEMAP_IS_PRESENT))
		return -ENOENT;
	/* Without CAP_SYS_ADMIN the number is blanked; page 0 is never given to a process. */
	if (!(entry & PAGEMAP_PFN_MASK))
		return -EPERM;
	*pa = (entry & PAGEMAP_PFN_MASK) * page_bytes + a % page_bytes;
	return 0;
}

/* ---- the table ---- */

typedef struct {
	_Atomic u64 frames[1 << LOG2_LEAF]; /* physical address | IS_KNOWN; 0 */
} leaf_t;

/* A leaf is made when its 16 GiB get their first frame, and stays. */
static _Atomic(leaf_t *) leaves[1 << (LOG2_ADDRESSES - LOG2_FRAME - LOG2_LEAF)];

static leaf_t *
leaf_of(uword a)
{
	/* Acquire: its zeros; partner: the exchange in make_leaf(). */
	return a >> LOG2_ADDRESSES ? NULL
				   : atomic_load_explicit(&leaves[a >> (LOG2_FRAME + LOG2_LEAF)],
							  memory_order_acquire);
}

static leaf_t *
make_leaf(uword a)
{
	leaf_t *leaf = leaf_of(a), *found = NULL;

	if (leaf || a >> LOG2_ADDRESSES)
		return leaf;
	leaf = mmap(NULL, sizeof(*leaf), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (leaf == MAP_FAILED)
		return NULL;
	/* Release and acquire: whoever comes first, its zeros are seen. */
	if (atomic_compare_exchange_strong_explicit(&leaves[a >> (LOG2_FRAME + LOG2_LEAF)], &found,
						    leaf, memory_order_acq_rel,
						    memory_order_acquire))
		return leaf;
	munmap(leaf, sizeof(*leaf));
	return found;
}

static void
set_frame(leaf_t *leaf, uword a, u64 value)
{
	atomic_store_explicit(&leaf->frames[a >> LOG2_FRAME & pow2_mask(LOG2_LEAF)], value,
			      memory_order_relaxed);
}

/* Without memory for a leaf, or where pagemap is closed to us, nothing is kept. */
void
vm_frames_note(const vm_range_t *r, uword page, uword end)
{
	if (!r->is_hugetlb || r->log2_page_size < LOG2_FRAME)
		return;
	for (; page < end; page++) {
		uword a = pointer_to_uword(vm_range_page(r, page));
		u64 pa;

		if (vm_va_to_pa(uword_to_pointer(a, void *), &pa))
			return;
		for (uword i = 0; i < r->page_bytes; i += 1ul << LOG2_FRAME) {
			leaf_t *leaf = make_leaf(a + i);

			if (leaf)
				set_frame(leaf, a + i, (pa + i) | IS_KNOWN);
		}
	}
}

void
vm_frames_forget(const vm_range_t *r, uword page, uword end)
{
	uword a = pointer_to_uword(vm_range_page(r, page));
	uword a_end = pointer_to_uword(vm_range_page(r, end));

	if (!r->is_hugetlb || r->log2_page_size < LOG2_FRAME)
		return;
	while (a < a_end) {
		leaf_t *leaf = leaf_of(a);

		if (leaf)
			set_frame(leaf, a, 0);
		a = leaf ? a + (1ul << LOG2_FRAME)
			 : round_down_pow2(a, 1ul << (LOG2_FRAME + LOG2_LEAF)) +
				    (1ul << (LOG2_FRAME + LOG2_LEAF));
	}
}

u64
vm_virt_to_phys(const void *va)
{
	uword a = pointer_to_uword(va);
	const leaf_t *leaf = leaf_of(a);
	u64 frame = PREDICT_TRUE(leaf != NULL)
			    ? atomic_load_explicit(
				      &leaf->frames[a >> LOG2_FRAME & pow2_mask(LOG2_LEAF)],
				      memory_order_relaxed)
			    : 0;
	u64 pa;

	if (PREDICT_TRUE(frame & IS_KNOWN))
		return (frame - IS_KNOWN) + (a & pow2_mask(LOG2_FRAME));
	return vm_va_to_pa(va, &pa) ? ~(u64)0 : pa;
}
