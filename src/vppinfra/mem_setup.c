/* SPDX-License-Identifier: Apache-2.0 */
/* Set-up goes from the main heap to the nodes; the first failure takes down what is there.  The
 * degradations are read off the ranges once the heaps have committed their first pages: only then
 * is it known whether the kernel tells where they lie. */
#include <vppinfra/mem_setup.h>

#include <stdarg.h>
#include <stdio.h>

/* 64: as many nodes as mem has heaps for. */
#define N_NODES 64
#define N_DEGRADATIONS 128
#define N_LINE 256

#define DEFAULT_HEAP_BYTES GiB(1)
#define DEFAULT_EXPECT_BYTES MiB(64)
#define MAX_DEFAULT_ARENA_BYTES GiB(64)

#define KNOWN_FLAGS (CLIB_MEM_SETUP_NO_HUGE | CLIB_MEM_SETUP_SHARED | CLIB_MEM_SETUP_NO_FRONTS)

static struct {
	int is_set_up;
	clib_arena_t *main_arena;
	void *main_heap;
	clib_arena_t *numa_arenas[N_NODES];
	void *numa_heaps[N_NODES];
	u32 n_degradations;
	char degradations[N_DEGRADATIONS][N_LINE];
} setup_main;

/* A text that is written to the end of a buffer, or nowhere when there is none. */
typedef struct {
	char *text;
	uword n_text, n;
} text_t;

static void __attribute__((format(printf, 2, 3))) append(text_t *t, const char *fmt, ...)
{
	va_list va;
	int n;

	if (!t->text || t->n + 1 >= t->n_text)
		return;
	va_start(va, fmt);
	n = vsnprintf(t->text + t->n, t->n_text - t->n, fmt, va);
	va_end(va);
	if (n > 0)
		t->n += clib_min((uword)n, t->n_text - t->n - 1);
}

static text_t
start_text(char *what, uword n_what)
{
	if (what && n_what)
		what[0] = 0;
	return (text_t){ .text = what, .n_text = n_what };
}

/* Sizes as startup files spell them: 64g, 512m, 100k. */
static const char *
size_text(uword n_bytes, char text[32])
{
	static const char units[] = " kmgt";
	u32 unit = 0;

	while (unit < 4 && n_bytes >= 1024 && n_bytes % 1024 == 0) {
		n_bytes >>= 10;
		unit++;
	}
	if (unit)
		snprintf(text, 32, "%lu%c", (unsigned long)n_bytes, units[unit]);
	else
		snprintf(text, 32, "%lu", (unsigned long)n_bytes);
	return text;
}

/* What memory there is, which is never a round number. */
static const char *
rounded_size_text(uword n_bytes, char text[32])
{
	uword unit = n_bytes >= GiB(10) ? GiB(1) : MiB(1);

	return size_text(round_pow2(n_bytes, unit), text);
}

static void __attribute__((format(printf, 1, 2))) degraded(const char *fmt, ...)
{
	va_list va;

	if (setup_main.n_degradations == N_DEGRADATIONS)
		return;
	va_start(va, fmt);
	vsnprintf(setup_main.degradations[setup_main.n_degradations++], N_LINE, fmt, va);
	va_end(va);
}

/* ---- sizes ---- */

/* A heap's size, its default where none is asked for; refused when no memory could ever hold it. */
static int
choose_heap_bytes(int node, uword asked, uword *n_bytes, text_t *what)
{
	char size[32], limit[32];
	u64 total, available;

	*n_bytes = asked ? asked : DEFAULT_HEAP_BYTES;
	/* Where /proc tells nothing there is nothing to compare with. */
	if (vm_node_memory(node, &total, &available))
		return 0;
	if (!asked) {
		*n_bytes = clib_min(DEFAULT_HEAP_BYTES, round_down_pow2(total / 4, MiB(2)));
		return 0;
	}
	if (asked <= total)
		return 0;
	size_text(asked, size);
	rounded_size_text(total, limit);
	if (node == VM_NODE_ANY)
		append(what, "main heap of %s is larger than the machine's %s", size, limit);
	else
		append(what, "heap of %s is larger than the %s of NUMA node %d", size, limit, node);
	append(what, "; choose a smaller size");
	return -ENOMEM;
}

static uword
choose_arena_bytes(const clib_mem_setup_t *setup, int node, uword heap_bytes, u32 n_nodes)
{
	uword share = vm_window_bytes() / n_nodes;
	u64 total, available;
	uword n_bytes;

	if (setup->numa_arena_bytes)
		return clib_max(setup->numa_arena_bytes, heap_bytes);
	if (vm_node_memory(node, &total, &available))
		total = heap_bytes;
	n_bytes = clib_min(round_pow2(total, GiB(1)), MAX_DEFAULT_ARENA_BYTES);
	/* A sixteenth less: the window's first page stays free, and bases are aligned. */
	if (share && n_bytes > share - share / 16)
		n_bytes = round_down_pow2(share - share / 16, MiB(2));
	return clib_max(n_bytes, heap_bytes);
}

/* ---- arenas and heaps ---- */

static int
make_heap(const clib_mem_setup_t *setup, clib_arena_t *arena, const char *name, uword n_bytes,
	  void **heap)
{
	u32 flags = MHEAP_FLAG_THREAD_SAFE | MHEAP_FLAG_DISABLE_VM;

	if (!(setup->flags & (CLIB_MEM_SETUP_NO_FRONTS | CLIB_MEM_SETUP_SHARED)))
		flags |= MHEAP_FLAG_FRONTS | MHEAP_FLAG_FRONTS_WHEN_SHARED;
	return clib_arena_create_heap(arena, name, n_bytes, flags, heap);
}

static int
make_main(const clib_mem_setup_t *setup, text_t *what)
{
	clib_arena_params_t params = {
		.name = "main",
		.numa_node = VM_NODE_ANY,
		.page_size = setup->flags & CLIB_MEM_SETUP_NO_HUGE ? CLIB_MEM_PAGE_SZ_DEFAULT
								   : setup->main_heap_page_size,
		.vm_flags = setup->flags & CLIB_MEM_SETUP_SHARED ? VM_RANGE_SHARED : 0,
	};
	char size[32];
	uword n_bytes;
	int rv = choose_heap_bytes(VM_NODE_ANY, setup->main_heap_bytes, &n_bytes, what);

	if (rv)
		return rv;
	params.reserve_bytes = n_bytes;
	params.expect_bytes = clib_min(n_bytes, DEFAULT_EXPECT_BYTES);
	rv = clib_arena_create(&params, &setup_main.main_arena);
	if (rv) {
		append(what, "reserving %s for the main heap: %s; see ulimit -v and free -m",
		       size_text(n_bytes, size), strerror(-rv));
		return rv;
	}
	/* The page size decides how long the range became. */
	vm_range_info_t info;
	vm_range_get_info(clib_arena_range(setup_main.main_arena), &info);
	rv = make_heap(setup, setup_main.main_arena, "main heap", info.reserve_bytes,
		       &setup_main.main_heap);
	if (rv)
		append(what, "main heap: no page for its header: %s; free some memory",
		       strerror(-rv));
	return rv;
}

/* An arena in the window; where that has no room for it, a smaller one, at last one elsewhere. */
static int
make_numa_arena(clib_arena_params_t *params, uword least_bytes, clib_arena_t **arena)
{
	uword wanted_bytes = params->reserve_bytes;
	char size[32], wanted[32];
	int rv;

	for (;;) {
		rv = clib_arena_create(params, arena);
		if (rv != -ENOMEM)
			break;
		if (params->reserve_bytes / 2 >= least_bytes)
			params->reserve_bytes /= 2;
		else if (params->vm_flags & VM_RANGE_WINDOW)
			params->vm_flags &= ~(u32)VM_RANGE_WINDOW;
		else
			break;
	}
	if (rv)
		return rv;
	if (params->reserve_bytes != wanted_bytes)
		degraded("%s: %s of addresses instead of %s; ulimit -v unlimited", params->name,
			 size_text(params->reserve_bytes, size), size_text(wanted_bytes, wanted));
	if (!(params->vm_flags & VM_RANGE_WINDOW))
		degraded("%s: outside the buffer window, no buffer pool can use it; "
			 "ulimit -v unlimited",
			 params->name);
	return 0;
}

static int
make_numa(const clib_mem_setup_t *setup, int node, u32 n_nodes, text_t *what)
{
	char name[CLIB_ARENA_NAME_BYTES + 1], heap_name[40], size[32];
	clib_mem_page_sz_t page_size = setup->hugepage_size;
	clib_arena_params_t params = { .name = name, .numa_node = node };
	uword heap_bytes, arena_bytes, expect_bytes;
	int rv = choose_heap_bytes(node, setup->numa_heap_bytes, &heap_bytes, what);

	if (rv)
		return rv;
	arena_bytes = choose_arena_bytes(setup, node, heap_bytes, n_nodes);
	expect_bytes = setup->numa_expect_bytes ? setup->numa_expect_bytes : DEFAULT_EXPECT_BYTES;
	if (setup->flags & CLIB_MEM_SETUP_NO_HUGE)
		page_size = CLIB_MEM_PAGE_SZ_DEFAULT;
	else if (page_size == CLIB_MEM_PAGE_SZ_UNKNOWN)
		page_size = CLIB_MEM_PAGE_SZ_DEFAULT_HUGE;
	snprintf(name, sizeof(name), "numa-%d", node);
	snprintf(heap_name, sizeof(heap_name), "numa-%d heap", node);

	for (;;) {
		params.reserve_bytes = arena_bytes;
		params.expect_bytes = clib_min(expect_bytes, arena_bytes);
		params.page_size = page_size;
		params.vm_flags = VM_RANGE_SHARED | VM_RANGE_WINDOW;
		rv = make_numa_arena(&params, heap_bytes, &setup_main.numa_arenas[node]);
		if (rv) {
			append(what, "reserving %s for NUMA node %d: %s; see ulimit -v and free -m",
			       size_text(arena_bytes, size), node, strerror(-rv));
			return rv;
		}
		rv = make_heap(setup, setup_main.numa_arenas[node], heap_name, heap_bytes,
			       &setup_main.numa_heaps[node]);
		if (!rv || page_size == CLIB_MEM_PAGE_SZ_DEFAULT)
			break;
		/* Another process took the huge pages between the look and the commit. */
		degraded("%s: the free huge pages went while it was made, 4K pages instead; start "
			 "again, or raise sysctl vm.nr_hugepages",
			 name);
		clib_arena_destroy(setup_main.numa_arenas[node]);
		setup_main.numa_arenas[node] = NULL;
		page_size = CLIB_MEM_PAGE_SZ_DEFAULT;
	}
	if (rv) {
		append(what, "%s: no page for its header: %s; free some memory", heap_name,
		       strerror(-rv));
		return rv;
	}
	return clib_mem_set_numa_heap((u32)node, setup_main.numa_heaps[node]);
}

/* ---- degradations ---- */

static void
look_at_arena(clib_arena_t *arena)
{
	const char *name = clib_arena_name(arena);
	vm_range_info_t info;

	vm_range_get_info(clib_arena_range(arena), &info);
	if (info.fallback[0])
		degraded("%s: %s%lu%c pages; %s", name, info.is_thp ? "transparent huge over " : "",
			 1UL << (info.log2_page_size % 10), "BKMGT"[info.log2_page_size / 10],
			 info.fallback);
	if (info.placement_is_unknown)
		degraded("%s: NUMA calls are refused, so where its pages lie is unknown; run with "
			 "CAP_SYS_NICE (docker run --cap-add SYS_NICE)",
			 name);
	else if (info.n_misplaced_pages)
		degraded("%s: %lu pages lie on another node; free memory on node %d, which "
			 "numactl --hardware shows",
			 name, (unsigned long)info.n_misplaced_pages, info.numa_node);
}

static void
look_around(void)
{
	uword window = vm_window_bytes();
	char size[32];
	u64 pa;

	look_at_arena(setup_main.main_arena);
	for (u32 i = 0; i < N_NODES; i++)
		if (setup_main.numa_arenas[i])
			look_at_arena(setup_main.numa_arenas[i]);
	if (window && window < VM_WINDOW_BYTES)
		degraded("the buffer window is %s instead of 256g; ulimit -v unlimited",
			 size_text(window, size));
	if (vm_va_to_pa(setup_main.main_heap, &pa))
		degraded("physical addresses are unknown, /proc/self/pagemap tells none; run as "
			 "root, or setcap cap_sys_admin+ep on the program");
	if (vm_populate_is_emulated())
		degraded("pages are populated one by one, as MADV_POPULATE_WRITE is missing; boot "
			 "Linux 5.14 or newer");
}

u32
clib_mem_degradations(const char **lines, u32 n)
{
	for (u32 i = 0; i < setup_main.n_degradations && i < n; i++)
		lines[i] = setup_main.degradations[i];
	return setup_main.n_degradations;
}

/* ---- taking down ---- */

typedef struct {
	vm_range_t *range;
	void *heap;
} heap_in_range_t;

static int
is_in_range(clib_mem_heap_t *heap, void *arg)
{
	heap_in_range_t *found = arg;

	if (vm_range_of(heap) != found->range)
		return 0;
	found->heap = heap;
	return 1;
}

/* Free a heap; its objects are leaks. */
static int
free_heap(void *heap, text_t *what)
{
	uword n = mheap_elts(heap);
	clib_mem_usage_t usage;

	if (n) {
		mheap_usage(heap, &usage);
		append(what, "%s%s: %lu objects, %lu bytes", what->n ? "; " : "",
		       mheap_header(heap)->name, (unsigned long)n, (unsigned long)usage.bytes_used);
	}
	if (clib_mem_current_heap == heap)
		clib_mem_current_heap = NULL;
	mheap_free(heap);
	return n ? -EBUSY : 0;
}

static int
free_arena(clib_arena_t *arena, text_t *what)
{
	heap_in_range_t found = { .range = clib_arena_range(arena) };
	int rv = 0;

	/* Heaps that somebody else made here and did not free: their records must go first. */
	for (;;) {
		found.heap = NULL;
		clib_mem_foreach_heap(is_in_range, &found);
		if (!found.heap)
			break;
		append(what, "%sheap %s in arena %s was not freed", what->n ? "; " : "",
		       mheap_header(found.heap)->name, clib_arena_name(arena));
		free_heap(found.heap, what);
		rv = -EBUSY;
	}
	if (!clib_arena_destroy(arena))
		return rv;
	append(what, "%sarena %s: %lu bytes allocated", what->n ? "; " : "", clib_arena_name(arena),
	       (unsigned long)vmem_size(clib_arena_vmem(arena), VMEM_ALLOC));
	clib_arena_abandon(arena);
	return -EBUSY;
}

static int
take_down(text_t *what)
{
	int is_leaking = 0;

	/* Last made, first gone; the main heap may hold pointers to the others. */
	for (u32 i = N_NODES; i-- > 0;) {
		clib_mem_set_numa_heap(i, NULL);
		if (setup_main.numa_heaps[i])
			is_leaking |= !!free_heap(setup_main.numa_heaps[i], what);
		if (setup_main.numa_arenas[i])
			is_leaking |= !!free_arena(setup_main.numa_arenas[i], what);
		setup_main.numa_heaps[i] = NULL;
		setup_main.numa_arenas[i] = NULL;
	}
	if (setup_main.is_set_up)
		clib_mem_set_main_heap(NULL);
	if (setup_main.main_heap)
		is_leaking |= !!free_heap(setup_main.main_heap, what);
	if (setup_main.main_arena)
		is_leaking |= !!free_arena(setup_main.main_arena, what);
	setup_main.main_heap = NULL;
	setup_main.main_arena = NULL;
	setup_main.is_set_up = 0;
	return is_leaking ? -EBUSY : 0;
}

/* ---- the calls ---- */

int
clib_mem_setup(const clib_mem_setup_t *setup, char *what, uword n_what)
{
	const clib_mem_setup_t defaults = { 0 };
	text_t text = start_text(what, n_what), nowhere = { 0 };
	u32 n_nodes = clib_min(vm_n_numa_nodes(), (u32)N_NODES), n_with_memory = 0;
	int rv;

	if (setup_main.is_set_up) {
		append(&text, "memory is set up already");
		return -EALREADY;
	}
	if (!setup)
		setup = &defaults;
	if (setup->flags & ~(u32)KNOWN_FLAGS) {
		append(&text, "unknown flags 0x%x", setup->flags & ~(u32)KNOWN_FLAGS);
		return -EINVAL;
	}
	setup_main.n_degradations = 0;
	/* Before anybody else takes addresses by the gigabyte. */
	vm_window_base();
	for (u32 i = 0; i < n_nodes; i++)
		n_with_memory += vm_numa_node_has_memory((int)i);
	if (vm_n_numa_nodes() > N_NODES)
		degraded("NUMA nodes from %d on get no heap; build with more nodes", N_NODES);
	rv = make_main(setup, &text);
	for (u32 i = 0; i < n_nodes && !rv; i++)
		if (vm_numa_node_has_memory((int)i))
			rv = make_numa(setup, (int)i, n_with_memory, &text);
	if (rv) {
		take_down(&nowhere);
		return rv;
	}
	look_around();
	clib_mem_set_main_heap(setup_main.main_heap);
	setup_main.is_set_up = 1;
	return 0;
}

int
clib_mem_teardown(char *what, uword n_what)
{
	text_t text = start_text(what, n_what);

	if (!setup_main.is_set_up) {
		append(&text, "memory is not set up");
		return -ENOENT;
	}
	return take_down(&text);
}

uword
clib_mem_trim(void)
{
	uword n_bytes = 0;

	if (!setup_main.is_set_up)
		return 0;
	for (u32 i = 0; i < N_NODES; i++)
		if (setup_main.numa_heaps[i])
			n_bytes += mheap_trim(setup_main.numa_heaps[i]);
	return n_bytes + mheap_trim(setup_main.main_heap);
}

clib_arena_t *
clib_mem_numa_arena(u32 node)
{
	return node < N_NODES ? setup_main.numa_arenas[node] : NULL;
}

clib_arena_t *
clib_mem_main_arena(void)
{
	return setup_main.main_arena;
}
