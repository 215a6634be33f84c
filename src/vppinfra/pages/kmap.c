/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of a chunk each, since inside a huge page nothing smaller can be mapped.  A window whose
 * last user left stays as it is until another chunk needs it. */
#include "pages_impl.h"

#include <sys/mman.h>
#include <time.h>
#include <vppinfra/vmem.h>

/* How long who waits for a window trusts that there is another thread. */
#define LOOK_NS (10 * 1000 * 1000)

/* Address space of n windows, each on a multiple of its size. */
static uword
reserve_windows(uword n, uword window_bytes, uword *base)
{
	uword n_bytes = (n + 1) * window_bytes;
	void *p =
		mmap(NULL, n_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return 0;
	*base = round_pow2(pointer_to_uword(p), window_bytes);
	return n_bytes;
}

static void
release_windows(uword base, uword n_bytes, uword window_bytes)
{
	/* The start that was rounded up from is not kept: unmapping what is not mapped is no error.
	 */
	if (n_bytes)
		munmap(uword_to_pointer(base, void *), n_bytes - window_bytes);
}

int
pages_kmap_init(pages_t *p)
{
	uword window_bytes = pages_chunk_bytes(p);
	uword n_pages = CLIB_MAX_THREADS * sizeof(p->atomic_pages[0]);

	for (u32 i = 0; i < PAGES_MAX_WINDOWS; i++)
		p->windows[i].chunk = PAGES_NONE;
	if (!p->n_high)
		return 0;
	p->windows_map_bytes = reserve_windows(p->n_windows, window_bytes, &p->windows_base);
	p->atomic_map_bytes = reserve_windows(CLIB_MAX_THREADS * PAGES_N_ATOMIC_WINDOWS,
					      window_bytes, &p->atomic_base);
	p->atomic_pages = mmap(NULL, n_pages, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p->atomic_pages == MAP_FAILED)
		p->atomic_pages = NULL;
	return p->windows_map_bytes && p->atomic_map_bytes && p->atomic_pages ? 0 : -ENOMEM;
}

void
pages_kmap_exit(pages_t *p)
{
	uword window_bytes = pages_chunk_bytes(p);

	release_windows(p->windows_base, p->windows_map_bytes, window_bytes);
	release_windows(p->atomic_base, p->atomic_map_bytes, window_bytes);
	if (p->atomic_pages)
		munmap(p->atomic_pages, CLIB_MAX_THREADS * sizeof(p->atomic_pages[0]));
	p->windows_map_bytes = p->atomic_map_bytes = 0;
	p->atomic_pages = NULL;
}

int
pages_kmap_is_busy(pages_t *p)
{
	for (u32 i = 0; i < p->n_windows; i++)
		if (p->windows[i].n_users)
			return 1;
	return 0;
}

static uword
offset_in_chunk(const pages_t *p, u32 number)
{
	return (number & pow2_mask(p->max_order)) << PAGES_LOG2_PAGE;
}

static int
map_chunk(const pages_t *p, uword at, u32 number)
{
	uword n_bytes = pages_chunk_bytes(p);
	u64 offset;
	int fd = pages_file_of(p, number & ~(u32)pow2_mask(p->max_order), &offset);

	return mmap(uword_to_pointer(at, void *), n_bytes, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, (off_t)offset) == MAP_FAILED;
}

/* ---- windows for everybody ---- */

/* The window of a chunk, or else the one that was left longest ago; NULL: all are in use. */
static pages_window_t *
find_window(pages_t *p, u32 chunk)
{
	pages_window_t *oldest = NULL;

	for (u32 i = 0; i < p->n_windows; i++) {
		pages_window_t *w = &p->windows[i];

		if (w->chunk == chunk)
			return w;
		if (!w->n_users && (!oldest || w->last_use < oldest->last_use))
			oldest = w;
	}
	return oldest;
}

/* Window lock held, dropped meanwhile.  Value: false: there is no other thread.  They end without a
 * word, so that is asked again now and then. */
static bool
wait_for_window(pages_t *p)
{
	struct timespec until;

	if (vmem_wait_is_futile(NULL, 0, 0))
		return false;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOOK_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&p->window_free, &p->window_lock, &until);
	return true;
}

static void *
kmap_locked(pages_t *p, u32 number, u32 flags, bool *is_alone)
{
	u32 chunk = pages_chunk_of(p, number);
	pages_window_t *w;

	while (!(w = find_window(p, chunk))) {
		if (flags & KMAP_NOWAIT)
			return NULL;
		*is_alone = !wait_for_window(p);
		if (*is_alone)
			return NULL;
	}
	if (w->chunk != chunk) {
		uword at = p->windows_base + (uword)(w - p->windows) * pages_chunk_bytes(p);

		w->chunk = PAGES_NONE;
		if (map_chunk(p, at, number))
			return NULL;
		w->address = at;
		w->chunk = chunk;
	}
	w->n_users++;
	pages_count_mapping(&p->records[number], 1);
	atomic_fetch_add_explicit(&p->n_kmaps, 1, memory_order_relaxed);
	return uword_to_pointer(w->address + offset_in_chunk(p, number), void *);
}

void *
clib_kmap(page_t *page, u32 flags)
{
	pages_t *p = pages_of_page(page);
	bool is_alone = false;
	void *address;
	u32 number;

	if (!p) {
		pages_report("kmap of what is no page", page, __builtin_return_address(0));
		return NULL;
	}
	number = pages_number(p, page);
	if (pages_is_direct(p, number))
		return clib_page_address(page);
	pthread_mutex_lock(&p->window_lock);
	address = kmap_locked(p, number, flags, &is_alone);
	pthread_mutex_unlock(&p->window_lock);
	if (is_alone)
		pages_report("kmap would sleep for ever: all windows are in use, and there is no "
			     "other thread",
			     page, __builtin_return_address(0));
	return address;
}

void
clib_kunmap(page_t *page)
{
	pages_t *p = pages_of_page(page);
	pages_window_t *w = NULL;
	u32 number;

	if (!p) {
		pages_report("kunmap of what is no page", page, __builtin_return_address(0));
		return;
	}
	number = pages_number(p, page);
	if (pages_is_direct(p, number))
		return;
	pthread_mutex_lock(&p->window_lock);
	if (page->_mapcount)
		w = find_window(p, pages_chunk_of(p, number));
	if (w && w->chunk == pages_chunk_of(p, number) && w->n_users) {
		pages_count_mapping(page, -1);
		w->last_use = ++p->window_clock;
		if (--w->n_users == 0)
			pthread_cond_signal(&p->window_free);
	} else {
		w = NULL;
	}
	pthread_mutex_unlock(&p->window_lock);
	if (!w)
		pages_report("kunmap of a page that is not kmapped", page,
			     __builtin_return_address(0));
}

void *
pages_kmapped_address(const pages_t *p, u32 number)
{
	u32 chunk = pages_chunk_of(p, number);

	for (u32 i = 0; i < p->n_windows; i++)
		if (p->windows[i].chunk == chunk && p->windows[i].n_users)
			return uword_to_pointer(p->windows[i].address + offset_in_chunk(p, number),
						void *);
	return NULL;
}

/* ---- windows of a thread ---- */

always_inline uword
atomic_window(const pages_t *p, u16 thread, u32 depth)
{
	return p->atomic_base +
	       ((uword)thread * PAGES_N_ATOMIC_WINDOWS + depth) * pages_chunk_bytes(p);
}

void *
clib_kmap_atomic(page_t *page)
{
	pages_t *p = pages_of_page(page);
	u16 thread = clib_thread_index();
	u32 number, depth = 0;
	uword at;

	if (!p) {
		pages_report("kmap of what is no page", page, __builtin_return_address(0));
		return NULL;
	}
	number = pages_number(p, page);
	if (pages_is_direct(p, number))
		return clib_page_address(page);
	if (thread == CLIB_THREAD_INDEX_NONE)
		return NULL;
	/* Numbers are kept as + 1: fresh memory says "none". */
	while (depth < PAGES_N_ATOMIC_WINDOWS && p->atomic_pages[thread][depth])
		depth++;
	if (depth == PAGES_N_ATOMIC_WINDOWS)
		return NULL;
	at = atomic_window(p, thread, depth);
	if (map_chunk(p, at, number))
		return NULL;
	p->atomic_pages[thread][depth] = number + 1;
	pages_count_mapping(page, 1);
	atomic_fetch_add_explicit(&p->n_kmaps, 1, memory_order_relaxed);
	return uword_to_pointer(at + offset_in_chunk(p, number), void *);
}

/* The set whose windows hold an address, and the thread and depth. */
static pages_t *
find_atomic_window(uword a, u32 *thread, u32 *depth)
{
	for (u32 i = 0; i < PAGES_MAX_SETS; i++) {
		pages_t *p = &pages_sets[i];
		uword slot;

		if (!p->is_live || !p->atomic_map_bytes || a < p->atomic_base)
			continue;
		slot = (a - p->atomic_base) / pages_chunk_bytes(p);
		if (slot >= CLIB_MAX_THREADS * PAGES_N_ATOMIC_WINDOWS)
			continue;
		*thread = (u32)(slot / PAGES_N_ATOMIC_WINDOWS);
		*depth = (u32)(slot % PAGES_N_ATOMIC_WINDOWS);
		return p;
	}
	return NULL;
}

int
clib_kunmap_atomic(const void *address)
{
	uword a = pointer_to_uword(address);
	u32 thread, depth, number;
	pages_t *p = find_atomic_window(a, &thread, &depth);

	/* A mapped page has no window. */
	if (!p && clib_virt_to_page(address))
		return 0;
	if (!p || thread != clib_thread_index() || !p->atomic_pages[thread][depth] ||
	    (depth + 1 < PAGES_N_ATOMIC_WINDOWS && p->atomic_pages[thread][depth + 1])) {
		pages_report("kunmap_atomic of what this thread did not kmap last", address,
			     __builtin_return_address(0));
		return -EINVAL;
	}
	number = p->atomic_pages[thread][depth] - 1;
	p->atomic_pages[thread][depth] = 0;
	pages_count_mapping(&p->records[number], -1);
	/* A stray pointer must not reach the page any more. */
	mmap(uword_to_pointer(atomic_window(p, (u16)thread, depth), void *), pages_chunk_bytes(p),
	     PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	return 0;
}
