/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of one node and of the other.  Runs on a machine with two nodes (tests/numa-vm), each with
 * some 2 MiB pages, and believes only what the kernel says about where a page lies. */
#include <numaif.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <vppinfra/kmem.h>
#include <vppinfra/mem_setup.h>
#include <vppinfra/pages.h>
#include <vppinfra/percpu.h>
#include "unit.h"

#define N_NODES 2

/* move_pages() with no node to move to tells where a page is.  -errno: it is nowhere. */
static int
node_of(const void *p)
{
	void *page = uword_to_pointer(pointer_to_uword(p) & ~4095ul, void *);
	int status = -EIO;

	return move_pages(0, 1, &page, NULL, &status, 0) ? -errno : status;
}

/* How many of the pages of a block are not on the node. */
static u32
n_elsewhere(const void *p, uword n_bytes, int node)
{
	u32 n = 0;

	for (uword i = 0; i < n_bytes; i += KiB(4))
		n += node_of((const u8 *)p + i) != node;
	return n;
}

/* CPU 0 is node 0's and CPU 1 node 1's. */
static void
run_on_node(int node)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(node, &set);
	CU_ASSERT_EQUAL_FATAL(sched_setaffinity(0, sizeof(set), &set), 0);
	CU_ASSERT_EQUAL(vm_current_numa_node(), node);
}

/* ---- the machine ---- */

static void
there_are_two_nodes(void)
{
	u64 total, available;
	vm_hugepages_t huge;

	CU_ASSERT_EQUAL(vm_n_numa_nodes(), N_NODES);
	for (int node = 0; node < N_NODES; node++) {
		CU_ASSERT(vm_numa_node_has_memory(node));
		CU_ASSERT_EQUAL(vm_node_memory(node, &total, &available), 0);
		CU_ASSERT(total > MiB(256) && total < GiB(1) && available < total);
		CU_ASSERT_EQUAL(vm_hugepages(node, 21, &huge), 0);
		CU_ASSERT(huge.n_free >= 16);
	}
	CU_ASSERT_EQUAL(vm_node_memory(N_NODES, &total, &available), -ENODEV);
}

/* ---- arenas ---- */

static clib_arena_t *
arena_on(const char *name, int node, clib_mem_page_sz_t page_size, u32 vm_flags)
{
	clib_arena_params_t params = { .name = name,
				       .reserve_bytes = MiB(64),
				       .expect_bytes = MiB(4),
				       .numa_node = node,
				       .page_size = page_size,
				       .vm_flags = vm_flags };
	clib_arena_t *a = NULL;

	CU_ASSERT_EQUAL_FATAL(clib_arena_create(&params, &a), 0);
	return a;
}

/* Whatever node the thread runs on, an arena's memory is its own node's: small pages and huge ones,
 * private and shared; and the physical addresses of the two nodes do not mix. */
static void
arenas_keep_to_their_node(void)
{
	const clib_mem_page_sz_t sizes[] = { CLIB_MEM_PAGE_SZ_4K, CLIB_MEM_PAGE_SZ_2M };
	u64 pa[N_NODES] = {};

	for (u32 i = 0; i < 8; i++) {
		int node = i & 1;
		clib_arena_t *a;
		vm_range_info_t info;
		u8 *p;

		run_on_node(!node);
		a = arena_on("numa", node, sizes[i / 2 & 1],
			     VM_RANGE_STRICT_NODE | (i & 4 ? VM_RANGE_SHARED : 0));
		vm_range_get_info(clib_arena_range(a), &info);
		CU_ASSERT_STRING_EQUAL(info.fallback, "");
		CU_ASSERT_EQUAL(info.is_hugetlb, i / 2 & 1);
		p = vmem_alloc(clib_arena_vmem(a), MiB(4), VM_NOSLEEP);
		CU_ASSERT_PTR_NOT_NULL_FATAL(p);
		memset(p, 1, MiB(4));
		CU_ASSERT_EQUAL(n_elsewhere(p, MiB(4), node), 0);
		if (info.is_hugetlb)
			pa[node] = vm_virt_to_phys(p);
		vm_range_get_info(clib_arena_range(a), &info);
		CU_ASSERT_EQUAL(info.n_misplaced_pages, 0);
		CU_ASSERT_EQUAL(info.placement_is_unknown, 0);
		vmem_free(clib_arena_vmem(a), p, MiB(4));
		CU_ASSERT_EQUAL(clib_arena_destroy(a), 0);
	}
	printf("physical addresses: node 0 %llx, node 1 %llx\n", (unsigned long long)pa[0],
	       (unsigned long long)pa[1]);
	CU_ASSERT(pa[0] < pa[1]);
}

/* A node whose huge pages are all taken: a range that must have them is refused, one that may do
 * without gets small pages of that node and says why, with the command that would help. */
static void
a_full_node_falls_back_and_says_so(void)
{
	clib_arena_params_t params = { .name = "full",
				       .reserve_bytes = MiB(256),
				       .expect_bytes = MiB(4),
				       .numa_node = 1,
				       .page_size = CLIB_MEM_PAGE_SZ_2M,
				       .vm_flags = VM_RANGE_STRICT_NODE };
	clib_arena_t *hog, *a = NULL;
	vm_hugepages_t huge;
	vm_range_info_t info;
	uword n_bytes;
	u8 *all, *p;

	CU_ASSERT_EQUAL_FATAL(clib_arena_create(&params, &hog), 0);
	CU_ASSERT_EQUAL(vm_hugepages(1, 21, &huge), 0);
	n_bytes = huge.n_free * MiB(2);
	/* One page more than the node has is refused although the other has plenty. */
	CU_ASSERT_PTR_NULL(vmem_alloc(clib_arena_vmem(hog), n_bytes + MiB(2), VM_NOSLEEP));
	all = vmem_alloc(clib_arena_vmem(hog), n_bytes, VM_NOSLEEP);
	CU_ASSERT_PTR_NOT_NULL_FATAL(all);
	CU_ASSERT_EQUAL(n_elsewhere(all, n_bytes, 1), 0);
	CU_ASSERT_EQUAL(vm_hugepages(1, 21, &huge), 0);
	CU_ASSERT_EQUAL(huge.n_free, 0);

	params.name = "exact";
	params.vm_flags |= VM_RANGE_EXACT_PAGE;
	CU_ASSERT_EQUAL(clib_arena_create(&params, &a), -ENOMEM);
	params.name = "fallback";
	params.vm_flags = VM_RANGE_STRICT_NODE;
	CU_ASSERT_EQUAL_FATAL(clib_arena_create(&params, &a), 0);
	vm_range_get_info(clib_arena_range(a), &info);
	printf("fallback: %s\n", info.fallback);
	CU_ASSERT_EQUAL(info.is_hugetlb, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(info.fallback, "0 of 2 free on node 1"));
	CU_ASSERT_PTR_NOT_NULL(strstr(info.fallback, "sysctl vm.nr_hugepages="));
	p = vmem_alloc(clib_arena_vmem(a), MiB(2), VM_NOSLEEP);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_EQUAL(n_elsewhere(p, MiB(2), 1), 0);
	vmem_free(clib_arena_vmem(a), p, MiB(2));
	CU_ASSERT_EQUAL(clib_arena_destroy(a), 0);
	vmem_free(clib_arena_vmem(hog), all, n_bytes);
	CU_ASSERT_EQUAL(clib_arena_destroy(hog), 0);
}

/* ---- zones of pages ---- */

/* Each node's set has that node's pages, DMA32 and above; the kernel's names serve the node on
 * which the thread runs. */
static void
zones_are_a_nodes_own(void)
{
	for (int node = 0; node < N_NODES; node++) {
		char name[] = "zone-0";
		pages_params_t params = { .name = name,
					  .numa_node = node,
					  .page_size = CLIB_MEM_PAGE_SZ_2M,
					  .max_bytes = MiB(8),
					  .initial_bytes = MiB(4),
					  .n_cached_pages = 16 };
		page_t *block, *page;
		pages_t *set;

		name[5] = (char)('0' + node);
		run_on_node(!node);
		CU_ASSERT_EQUAL_FATAL(pages_create(&params, &set), 0);
		block = pages_alloc(set, GFP_ATOMIC | GFP_DMA32, 9);
		CU_ASSERT_PTR_NOT_NULL_FATAL(block);
		CU_ASSERT_EQUAL(n_elsewhere(clib_page_address(block), MiB(2), node), 0);
		CU_ASSERT_EQUAL(clib_virt_to_phys(clib_page_address(block)),
				vm_virt_to_phys(clib_page_address(block)));
		CU_ASSERT_EQUAL(pages_set_node((u32)node, set), 0);
		run_on_node(node);
		page = alloc_page(GFP_KERNEL | GFP_DMA32);
		CU_ASSERT_PTR_NOT_NULL_FATAL(page);
		CU_ASSERT_PTR_EQUAL(pages_of_page(page), set);
		CU_ASSERT_EQUAL(node_of(page_address(page)), node);
		__free_page(page);
		pages_free(block, 9);
		CU_ASSERT_EQUAL(pages_destroy(set), 0);
	}
}

/* ---- per thread ---- */

typedef struct {
	int node;
	u64 *counter;
	pthread_barrier_t *both_run;
	int node_of_unit, node_of_counter;
	pthread_t thread;
} unit_user_t;

static void *
use_unit(void *arg)
{
	unit_user_t *u = arg;
	u64 *mine;

	run_on_node(u->node);
	u->node_of_unit = node_of(clib_percpu_attach());
	mine = this_cpu_ptr(u->counter);
	++*mine;
	u->node_of_counter = node_of(mine);
	/* Neither takes over the other's unit. */
	pthread_barrier_wait(u->both_run);
	return NULL;
}

/* A thread's unit lies on the node on which the thread first came. */
static void
units_lie_where_their_thread_runs(void)
{
	u64 *counter = alloc_percpu(u64);
	pthread_barrier_t both_run;
	unit_user_t u[N_NODES];

	CU_ASSERT_PTR_NOT_NULL_FATAL(counter);
	pthread_barrier_init(&both_run, NULL, N_NODES);
	for (int node = 0; node < N_NODES; node++) {
		u[node] = (unit_user_t){ .node = node, .counter = counter, .both_run = &both_run };
		pthread_create(&u[node].thread, NULL, use_unit, &u[node]);
	}
	for (int node = 0; node < N_NODES; node++) {
		pthread_join(u[node].thread, NULL);
		CU_ASSERT_EQUAL(u[node].node_of_unit, node);
		CU_ASSERT_EQUAL(u[node].node_of_counter, node);
	}
	free_percpu(counter);
}

/* ---- caches ---- */

/* A cache over a node's arena has that node's objects, whoever asks. */
static void
caches_serve_their_arenas_node(void)
{
	for (int node = 0; node < N_NODES; node++) {
		clib_arena_t *a =
			arena_on("caches", node, CLIB_MEM_PAGE_SZ_2M, VM_RANGE_STRICT_NODE);
		clib_kmem_params_t params = { .name = "of a node",
					      .object_bytes = 200,
					      .source = clib_arena_vmem(a),
					      .slab_bytes = MiB(2) };
		clib_kmem_cache_t *c;
		void *objects[300];
		u32 n = 0;

		run_on_node(!node);
		CU_ASSERT_EQUAL_FATAL(clib_kmem_cache_make(&params, &c), 0);
		for (u32 i = 0; i < ARRAY_LEN(objects); i++) {
			objects[i] = kmem_cache_alloc(c, 0);
			CU_ASSERT_PTR_NOT_NULL_FATAL(objects[i]);
			memset(objects[i], 1, 200);
			n += node_of(objects[i]) != node;
		}
		CU_ASSERT_EQUAL(n, 0);
		for (u32 i = 0; i < ARRAY_LEN(objects); i++)
			kmem_cache_free(c, objects[i]);
		CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
		CU_ASSERT_EQUAL(clib_arena_destroy(a), 0);
	}
}

/* ---- a dataplane's memory ---- */

static void
show_degradations(void)
{
	const char *lines[16];
	u32 n = clib_mem_degradations(lines, ARRAY_LEN(lines));

	for (u32 i = 0; i < n && i < ARRAY_LEN(lines); i++)
		printf("degraded: %s\n", lines[i]);
}

/* One call makes a heap and an arena of 2 MiB pages on each node; objects and spans of node 1 lie
 * there, and so do those of node 0. */
static void
set_up_serves_both_nodes(void)
{
	const clib_mem_setup_t setup = { .main_heap_bytes = MiB(16),
					 .numa_heap_bytes = MiB(8),
					 .numa_arena_bytes = MiB(64),
					 .numa_expect_bytes = MiB(8) };
	char what[256] = "";

	run_on_node(0);
	CU_ASSERT_EQUAL_FATAL(clib_mem_setup(&setup, what, sizeof(what)), 0);
	show_degradations();
	for (u32 node = 0; node < N_NODES; node++) {
		clib_mem_heap_t *heap = clib_mem_get_numa_heap(node);
		clib_arena_t *a = clib_mem_numa_arena(node);
		vm_range_info_t info;
		u8 *object, *span;

		CU_ASSERT_PTR_NOT_NULL_FATAL(heap);
		CU_ASSERT_PTR_NOT_NULL_FATAL(a);
		vm_range_get_info(clib_arena_range(a), &info);
		CU_ASSERT_EQUAL(info.numa_node, (int)node);
		CU_ASSERT_EQUAL(info.log2_page_size, 21);
		CU_ASSERT_STRING_EQUAL(info.fallback, "");
		object = clib_mem_heap_alloc(heap, MiB(3));
		CU_ASSERT_PTR_NOT_NULL_FATAL(object);
		memset(object, 1, MiB(3));
		CU_ASSERT_EQUAL(n_elsewhere(object, MiB(3), (int)node), 0);
		span = vmem_alloc(clib_arena_vmem(a), MiB(4), VM_NOSLEEP);
		CU_ASSERT_PTR_NOT_NULL_FATAL(span);
		CU_ASSERT_EQUAL(n_elsewhere(span, MiB(4), (int)node), 0);
		vm_range_get_info(clib_arena_range(a), &info);
		CU_ASSERT_EQUAL(info.n_misplaced_pages, 0);
		vmem_free(clib_arena_vmem(a), span, MiB(4));
		clib_mem_heap_free(heap, object);
	}
	CU_ASSERT_EQUAL(clib_mem_teardown(what, sizeof(what)), 0);
	CU_ASSERT_STRING_EQUAL(what, "");
}

/* Node 1 has too few huge pages for what is expected: its arena gets smaller pages, node 0's keeps
 * its own, and set-up says so in a line that names the node and the command. */
static void
a_poor_node_is_reported(void)
{
	const clib_mem_setup_t setup = { .main_heap_bytes = MiB(16),
					 .numa_heap_bytes = MiB(4),
					 .numa_arena_bytes = MiB(64),
					 .numa_expect_bytes = MiB(4) };
	clib_arena_t *hog = arena_on("hog", 1, CLIB_MEM_PAGE_SZ_2M, VM_RANGE_STRICT_NODE);
	const char *lines[16];
	vm_hugepages_t huge;
	vm_range_info_t info;
	u32 n, n_found = 0;
	uword n_bytes;
	void *all;

	CU_ASSERT_EQUAL(vm_hugepages(1, 21, &huge), 0);
	n_bytes = (huge.n_free - 1) * MiB(2);
	all = vmem_alloc(clib_arena_vmem(hog), n_bytes, VM_NOSLEEP);
	CU_ASSERT_PTR_NOT_NULL_FATAL(all);
	CU_ASSERT_EQUAL_FATAL(clib_mem_setup(&setup, NULL, 0), 0);
	show_degradations();
	n = clib_min(clib_mem_degradations(lines, ARRAY_LEN(lines)), (u32)ARRAY_LEN(lines));
	for (u32 i = 0; i < n; i++)
		n_found +=
			strstr(lines[i], "node 1") && strstr(lines[i], "sysctl vm.nr_hugepages=");
	CU_ASSERT_EQUAL(n_found, 1);
	vm_range_get_info(clib_arena_range(clib_mem_numa_arena(0)), &info);
	CU_ASSERT_EQUAL(info.log2_page_size, 21);
	vm_range_get_info(clib_arena_range(clib_mem_numa_arena(1)), &info);
	CU_ASSERT_EQUAL(info.log2_page_size, 12);
	for (u32 node = 0; node < N_NODES; node++) {
		u8 *p = clib_mem_heap_alloc(clib_mem_get_numa_heap(node), KiB(64));

		CU_ASSERT_PTR_NOT_NULL_FATAL(p);
		memset(p, 1, KiB(64));
		CU_ASSERT_EQUAL(n_elsewhere(p, KiB(64), (int)node), 0);
		clib_mem_heap_free(clib_mem_get_numa_heap(node), p);
	}
	CU_ASSERT_EQUAL(clib_mem_teardown(NULL, 0), 0);
	vmem_free(clib_arena_vmem(hog), all, n_bytes);
	CU_ASSERT_EQUAL(clib_arena_destroy(hog), 0);
}

static const unit_test_t tests[] = {
	UNIT(there_are_two_nodes),
	UNIT(arenas_keep_to_their_node),
	UNIT(a_full_node_falls_back_and_says_so),
	UNIT(zones_are_a_nodes_own),
	UNIT(units_lie_where_their_thread_runs),
	UNIT(caches_serve_their_arenas_node),
	UNIT(set_up_serves_both_nodes),
	UNIT(a_poor_node_is_reported),
};

int
main(void)
{
	if (vm_n_numa_nodes() != N_NODES)
		unit_skip("this machine has not two NUMA nodes: meson test --suite numa-vm "
			  "emulates them");
	return unit_run("numa", tests, ARRAY_LEN(tests));
}
