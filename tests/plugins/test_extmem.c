/* SPDX-License-Identifier: Apache-2.0 */
/* Our memory in DPDK and DPDK's in an arena: without huge pages by itself; with the word processes
 * a primary and a real secondary (this program again) meet in a hugetlbfs file. */
#include <errno.h>
#include <mntent.h>
#include <signal.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <plugins/extmem/extmem.h>
#include <plugins/framework/framework.h>
#include <plugins/pool/pktpool.h>
#include <vppinfra/mem.h>
#include <vppinfra/mem_setup.h>
#include <vppinfra/vec.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_memzone.h>
#include "eal.h"
#include "run_command.h"
#include "unit.h"

#define SHARED_BYTES MiB(8)
#define SHARED_BASE 0x7e0000000000ULL /* far from what the loader and EAL take */

static clib_arena_t *arena;

static vmheap_extmem_t *
make(const char *name, uword n_bytes, const char *heap)
{
	vmheap_extmem_params_t p = {
		.name = name, .n_bytes = n_bytes, .arena = arena, .heap_name = heap
	};
	vmheap_extmem_t *x = NULL;

	CU_ASSERT_EQUAL(vmheap_extmem_create(&p, &x), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(x);
	return x;
}

static void
destroy(vmheap_extmem_t *x)
{
	char what[128] = "";

	CU_ASSERT_EQUAL(vmheap_extmem_destroy(x, what, sizeof(what)), 0);
	CU_ASSERT_STRING_EQUAL(what, "");
}

static int
is_in(const vmheap_extmem_t *x, const void *p)
{
	const vmheap_extmem_map_t *m = vmheap_extmem_map(x);

	return (uword)p - m->base < m->n_bytes;
}

static uword
used(void)
{
	return vmem_size(clib_arena_vmem(arena), VMEM_ALLOC);
}

/* ---- one process ---- */

/* A registered piece is DPDK's: its IOVAs are those that the table gives, and it goes whole. */
static void
a_piece_is_known_to_dpdk(void)
{
	vmheap_extmem_t *x = make("piece", MiB(3), NULL);
	const vmheap_extmem_map_t *m = vmheap_extmem_map(x);
	void *p = vmem_alloc(vmheap_extmem_vmem(x), 1000, VM_NOSLEEP);

	CU_ASSERT(is_in(x, p));
	CU_ASSERT_EQUAL(vmheap_extmem_iova(m, p), rte_mem_virt2iova(p));
	CU_ASSERT_EQUAL(vmheap_extmem_iova(m, (u8 *)m->base + m->n_bytes - 1),
			rte_mem_virt2iova((u8 *)m->base + m->n_bytes - 1));
	CU_ASSERT_EQUAL(vmheap_extmem_iova(m, (u8 *)m->base + m->n_bytes), RTE_BAD_IOVA);
	CU_ASSERT_EQUAL(vmheap_extmem_iova(m, (u8 *)m->base - 1), RTE_BAD_IOVA);
	CU_ASSERT_PTR_NOT_NULL(rte_mem_virt2memseg_list(p));
	CU_ASSERT_PTR_NOT_NULL(strstr(run_command("show dpdk memory", ""), "piece"));
	CU_ASSERT_EQUAL(vmheap_extmem_destroy(x, NULL, 0), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(rte_mem_virt2memseg_list(p));
	vmem_free(vmheap_extmem_vmem(x), p, 1000);
	destroy(x);
	CU_ASSERT_PTR_NULL(rte_mem_virt2memseg_list(p));
	CU_ASSERT_EQUAL(vmheap_extmem_destroy(x, NULL, 0), -EINVAL);
	CU_ASSERT_EQUAL(used(), 0);
}

/* Two names, a piece of nothing, a heap that exists, memory that DPDK has already: refused, and
 * nothing of it stays. */
static void
what_dpdk_lets_pass_is_refused(void)
{
	vmheap_extmem_t *x = make("first", MiB(2), "first-heap"), *y = NULL;
	vmheap_extmem_params_t p = { .name = "first", .n_bytes = MiB(1), .arena = arena };
	uword before = used(), start;

	CU_ASSERT_EQUAL(vmheap_extmem_create(&p, &y), -EEXIST);
	p.name = "a name much too long for it";
	CU_ASSERT_EQUAL(vmheap_extmem_create(&p, &y), -EINVAL);
	p.name = "second";
	p.n_bytes = 0;
	CU_ASSERT_EQUAL(vmheap_extmem_create(&p, &y), -EINVAL);
	p.n_bytes = GiB(4);
	CU_ASSERT_EQUAL(vmheap_extmem_create(&p, &y), -ENOMEM);
	p.n_bytes = MiB(1);
	p.heap_name = "first-heap";
	CU_ASSERT_EQUAL(vmheap_extmem_create(&p, &y), -EEXIST);
	CU_ASSERT_EQUAL(used(), before);

	/* Somebody registers what the arena gives next; DPDK would take it again as pages of
	 * another size. */
	start = (uword)vmem_alloc(clib_arena_vmem(arena), MiB(1), VM_NOSLEEP);
	CU_ASSERT_EQUAL(rte_extmem_register((void *)start, MiB(1), NULL, 0, 4096), 0);
	vmem_free(clib_arena_vmem(arena), (void *)start, MiB(1));
	p = (vmheap_extmem_params_t){ .name = "second", .n_bytes = MiB(24), .arena = arena };
	CU_ASSERT_EQUAL(vmheap_extmem_create(&p, &y), -EEXIST);
	CU_ASSERT_EQUAL(rte_extmem_unregister((void *)start, MiB(1)), 0);
	CU_ASSERT_EQUAL(used(), before);
	CU_ASSERT_EQUAL(vmheap_extmem_create(&p, &y), 0);
	destroy(y);
	destroy(x);
	CU_ASSERT_EQUAL(used(), 0);
}

/* rte_malloc, memzones and a mempool live in a heap that is ours; while they do, it stays. */
static void
a_malloc_heap_lies_in_it(void)
{
	vmheap_extmem_t *x = make("heap", MiB(8), "vmheap-test");
	int socket = vmheap_extmem_socket(x);
	const struct rte_memzone *mz;
	struct rte_mempool *mp;
	char what[128];
	void *p;

	CU_ASSERT(socket >= 256);
	CU_ASSERT_PTR_NULL(vmheap_extmem_vmem(x));
	p = rte_malloc_socket(NULL, 100000, 64, socket);
	CU_ASSERT(is_in(x, p));
	mz = rte_memzone_reserve("in-ours", 5000, socket, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(mz);
	CU_ASSERT(is_in(x, mz->addr));
	CU_ASSERT_EQUAL(mz->iova, vmheap_extmem_iova(vmheap_extmem_map(x), mz->addr));
	mp = rte_pktmbuf_pool_create("in-our-heap", 511, 0, 0, 2176, socket);
	CU_ASSERT_PTR_NOT_NULL_FATAL(mp);
	CU_ASSERT_EQUAL(vmheap_extmem_destroy(x, what, sizeof(what)), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(what, "in-our-heap"));
	rte_mempool_free(mp);
	CU_ASSERT_EQUAL(vmheap_extmem_destroy(x, what, sizeof(what)), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(what, "something lives in it"));
	rte_memzone_free(mz);
	rte_free(p);
	destroy(x);
	CU_ASSERT_EQUAL(used(), 0);
}

/* Takes all mbufs of a pool, looks where they and their data lie, writes all over them. */
static void
use_pool(const vmheap_extmem_t *x, struct rte_mempool *mp, int mbuf_is_ours)
{
	struct rte_mbuf **mbufs = calloc(mp->size, sizeof(*mbufs));

	CU_ASSERT_EQUAL(rte_pktmbuf_alloc_bulk(mp, mbufs, mp->size), 0);
	for (u32 i = 0; i < mp->size; i++) {
		CU_ASSERT_EQUAL(is_in(x, mbufs[i]), mbuf_is_ours);
		CU_ASSERT(is_in(x, mbufs[i]->buf_addr));
		CU_ASSERT_EQUAL(rte_mbuf_iova_get(mbufs[i]),
				vmheap_extmem_iova(vmheap_extmem_map(x), mbufs[i]->buf_addr));
		memset(mbufs[i]->buf_addr, (int)i, mbufs[i]->buf_len);
	}
	for (u32 i = 0; i < mp->size; i++)
		CU_ASSERT_EQUAL(*(u8 *)mbufs[i]->buf_addr, (u8)i);
	rte_pktmbuf_free_bulk(mbufs, mp->size);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(mp), mp->size);
	free(mbufs);
}

/* Pools with mbufs and data in it, and with data alone; a device sends from both and receives into
 * them; a piece does not go while they live; what does not fit is refused and leaves nothing. */
static void
pools_lie_in_it(void)
{
	vmheap_extmem_t *x = make("pools", MiB(16), NULL);
	struct rte_mempool *whole, *data;
	char what[128];

	whole = vmheap_extmem_pktmbuf_pool(x, "whole", 2000, 32, 0, 2176, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(whole);
	CU_ASSERT_EQUAL(whole->populated_size, 2000);
	use_pool(x, whole, 1);
	data = vmheap_extmem_extbuf_pool(x, "data", 1500, 32, 0, 2176);
	CU_ASSERT_PTR_NOT_NULL_FATAL(data);
	use_pool(x, data, 0);
	CU_ASSERT_PTR_NULL(vmheap_extmem_pktmbuf_pool(x, "more", 100000, 0, 0, 2176, NULL));
	CU_ASSERT_EQUAL(rte_errno, ENOMEM);
	CU_ASSERT_PTR_NULL(vmheap_extmem_pktmbuf_pool(x, "whole", 10, 0, 0, 2176, NULL));
	CU_ASSERT_EQUAL(rte_errno, EEXIST);
	CU_ASSERT_PTR_NULL(vmheap_extmem_pktmbuf_pool(x, "ops", 10, 0, 0, 2176, "no such ops"));
	CU_ASSERT_PTR_NULL(rte_mempool_lookup("more"));
	CU_ASSERT_PTR_NULL(rte_mempool_lookup("ops"));

	CU_ASSERT_EQUAL(vmheap_extmem_destroy(x, what, sizeof(what)), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(what, "whole"));
	rte_mempool_free(whole);
	CU_ASSERT_EQUAL(vmheap_extmem_destroy(x, what, sizeof(what)), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(what, "data"));
	CU_ASSERT_EQUAL(vmheap_extmem_reclaim(x), 0);
	rte_mempool_free(data);
	CU_ASSERT(vmheap_extmem_reclaim(x) >= 1500 * 2176);
	CU_ASSERT_EQUAL(vmem_size(vmheap_extmem_vmem(x), VMEM_ALLOC), 0);
	destroy(x);
	CU_ASSERT_EQUAL(used(), 0);
}

/* A virtual device receives into our memory and sends from it. */
static void
a_device_uses_it(void)
{
	vmheap_extmem_t *x = make("device", MiB(8), NULL);
	struct rte_mempool *mp = vmheap_extmem_pktmbuf_pool(x, "nic", 1023, 32, 0, 2176, NULL);
	struct rte_eth_conf conf = {};
	struct rte_mbuf *mbufs[32];
	u16 id;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mp);
	CU_ASSERT_EQUAL_FATAL(rte_eal_hotplug_add("vdev", "net_null0", ""), 0);
	CU_ASSERT_EQUAL_FATAL(rte_eth_dev_get_port_by_name("net_null0", &id), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_configure(id, 1, 1, &conf), 0);
	CU_ASSERT_EQUAL(rte_eth_rx_queue_setup(id, 0, 64, 0, NULL, mp), 0);
	CU_ASSERT_EQUAL(rte_eth_tx_queue_setup(id, 0, 64, 0, NULL), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_start(id), 0);
	for (u32 i = 0; i < 1000; i++) {
		u16 n = rte_eth_rx_burst(id, 0, mbufs, 32);

		CU_ASSERT_EQUAL(n, 32);
		for (u32 k = 0; k < n; k++)
			CU_ASSERT(is_in(x, rte_pktmbuf_mtod(mbufs[k], void *)));
		CU_ASSERT_EQUAL(rte_eth_tx_burst(id, 0, mbufs, n), n);
	}
	rte_eth_dev_stop(id);
	rte_eth_dev_close(id);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(mp), 0);
	rte_mempool_free(mp);
	destroy(x);
}

/* An arena of memzones: what it hands out is DPDK's memory, and what is free goes back. */
static void
an_arena_of_memzones(void)
{
	u64 state = unit_seed(), n = unit_n_ops(2000);
	vmem_t *vmem = NULL;
	struct {
		u8 *at;
		uword n_bytes;
	} live[64] = {};

	CU_ASSERT_EQUAL(vmheap_memzone_arena_create("zones", SOCKET_ID_ANY, MiB(1), 0, &vmem), 0);
	CU_ASSERT_EQUAL(vmheap_memzone_arena_create("zones", SOCKET_ID_ANY, MiB(1), 0, &vmem),
			-EEXIST);
	for (u64 i = 0; i < n; i++) {
		u32 k = (u32)unit_random_below(&state, ARRAY_LEN(live));

		if (live[k].at) {
			CU_ASSERT_EQUAL(live[k].at[0], (u8)k);
			CU_ASSERT_EQUAL(live[k].at[live[k].n_bytes - 1], (u8)k);
			vmem_free(vmem, live[k].at, live[k].n_bytes);
			live[k].at = NULL;
			continue;
		}
		live[k].n_bytes = 1 + unit_random_below(&state, 200000);
		live[k].at = vmem_alloc(vmem, live[k].n_bytes, VM_NOSLEEP);
		CU_ASSERT_PTR_NOT_NULL_FATAL(live[k].at);
		CU_ASSERT_NOT_EQUAL(rte_mem_virt2iova(live[k].at), RTE_BAD_IOVA);
		CU_ASSERT_PTR_NOT_NULL(rte_mem_virt2memseg_list(live[k].at));
		memset(live[k].at, (int)k, live[k].n_bytes);
	}
	CU_ASSERT_PTR_NULL(vmem_alloc(vmem, GiB(64), VM_NOSLEEP));
	live[0].at = live[0].at ? live[0].at : vmem_alloc(vmem, live[0].n_bytes = 64, VM_NOSLEEP);
	CU_ASSERT_EQUAL(vmheap_memzone_arena_destroy(vmem), -EBUSY);
	for (u32 k = 0; k < ARRAY_LEN(live); k++)
		if (live[k].at)
			vmem_free(vmem, live[k].at, live[k].n_bytes);
	CU_ASSERT_EQUAL(vmheap_memzone_arena_destroy(vmem), 0);
	CU_ASSERT_EQUAL(vmheap_memzone_arena_destroy(vmem), -EINVAL);
	for (u32 i = 0; i < 3000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "zones.%u", i);
		CU_ASSERT_PTR_NULL(rte_memzone_lookup(name));
	}
}

static const unit_test_t tests[] = {
	UNIT(a_piece_is_known_to_dpdk), UNIT(what_dpdk_lets_pass_is_refused),
	UNIT(a_malloc_heap_lies_in_it), UNIT(pools_lie_in_it),
	UNIT(a_device_uses_it),         UNIT(an_arena_of_memzones),
};

/* ---- two processes ---- */

static char mount_dir[100], shared_file[256], prefix[64], program[400];

/* A mount of our own in a mount namespace of our own; where that is not allowed, one that is there.
 */
static int
find_mount(void)
{
	FILE *f;
	struct mntent *m;
	int found = 0;

	snprintf(mount_dir, sizeof(mount_dir), "/tmp/vmheap-extmem-%d", (int)getpid());
	if (!mkdir(mount_dir, 0700)) {
		if (!unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
		    !mount("none", mount_dir, "hugetlbfs", 0, "pagesize=2M"))
			return 1;
		rmdir(mount_dir);
	}
	f = setmntent("/proc/mounts", "r");
	while (f && (m = getmntent(f)) && !found)
		if (!strcmp(m->mnt_type, "hugetlbfs") && !strstr(m->mnt_opts, "1024M") &&
		    strlen(m->mnt_dir) < sizeof(mount_dir) && !access(m->mnt_dir, W_OK)) {
			snprintf(mount_dir, sizeof(mount_dir), "%s", m->mnt_dir);
			found = 1;
		}
	if (f)
		endmntent(f);
	return found;
}

static void
leave_mount(void)
{
	/* Ours alone can be unmounted here and is empty then. */
	if (strstr(mount_dir, "/tmp/vmheap-extmem-") && !umount2(mount_dir, MNT_DETACH))
		rmdir(mount_dir);
}

static int
eal_of_two(const char *type)
{
	char *argv[] = { program,
			 (char *)"-l",
			 (char *)"0",
			 (char *)"--file-prefix",
			 prefix,
			 (char *)"--proc-type",
			 (char *)type,
			 (char *)"--no-pci",
			 (char *)"--no-telemetry",
			 (char *)"--huge-dir",
			 mount_dir,
			 (char *)"-m",
			 (char *)"16",
			 (char *)"--log-level=*:error" };
	int argc = ARRAY_LEN(argv);

	/* Memory is the primary's affair. */
	if (!strcmp(type, "secondary")) {
		argv[11] = argv[13];
		argc = 12;
	}
	return rte_eal_init(argc, argv);
}

/* The secondary: 0, or the line where something was not as it should be. */
static int
secondary(void)
{
	struct rte_mempool *mp;
	struct rte_mbuf *m[8];
	vmheap_extmem_t *x;

#define EXPECT(c)                                                                                  \
	if (!(c)) {                                                                                \
		fprintf(stderr, "secondary, line %d: %s\n", __LINE__, #c);                         \
		return 1;                                                                          \
	}
	EXPECT(eal_of_two("secondary") >= 0);
	EXPECT(vmheap_extmem_attach("nothing", &x) == -ENOENT);
	EXPECT(vmheap_extmem_attach("shared", &x) == 0);
	EXPECT(vmheap_extmem_attach("shared", &x) == -EALREADY);
	EXPECT(vmheap_extmem_map(x)->base == SHARED_BASE);
	EXPECT(vmheap_extmem_vmem(x) == NULL);
	/* What the primary wrote, at the address where it wrote it. */
	EXPECT(!strcmp((char *)SHARED_BASE + SHARED_BYTES - 4096, "from the primary"));
	/* The kernel tells of pages that this process has touched. */
	(void)*(volatile u8 *)SHARED_BASE;
	EXPECT(vmheap_extmem_iova(vmheap_extmem_map(x), (void *)SHARED_BASE) ==
	       rte_mem_virt2iova((void *)SHARED_BASE));
	mp = rte_mempool_lookup("of-both");
	EXPECT(mp != NULL);
	EXPECT(is_in(x, STAILQ_FIRST(&mp->mem_list)->addr));
	EXPECT(rte_pktmbuf_alloc_bulk(mp, m, 8) == 0);
	for (u32 i = 0; i < 8; i++) {
		EXPECT(is_in(x, m[i]));
		strcpy(rte_pktmbuf_mtod(m[i], char *), "from the secondary");
	}
	rte_pktmbuf_free_bulk(m, 8);
	strcpy((char *)SHARED_BASE + SHARED_BYTES - 4096, "from the secondary");
	EXPECT(vmheap_extmem_destroy(x, NULL, 0) == 0);
	EXPECT(vmheap_extmem_by_name("shared") == NULL);
	rte_eal_cleanup();
	return 0;
#undef EXPECT
}

/* A primary makes a shared piece with a pool in it; a secondary attaches it at the same address,
 * reads, writes, takes buffers and gives them back, goes; everything is there still. */
static void
a_secondary_attaches_at_the_same_address(void)
{
	vmheap_extmem_params_t p = { .name = "shared",
				     .n_bytes = SHARED_BYTES,
				     .numa_node = VM_NODE_ANY,
				     .page_size = CLIB_MEM_PAGE_SZ_2M,
				     .file = shared_file,
				     .base = SHARED_BASE };
	vmheap_extmem_t *x = NULL, *y;
	struct rte_mempool *mp;
	int status;
	pid_t pid;
	char *at;

	CU_ASSERT_EQUAL(vmheap_extmem_create(&p, &x), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(x);
	p.name = "again";
	CU_ASSERT_NOT_EQUAL(vmheap_extmem_create(&p, &y), 0);
	mp = vmheap_extmem_pktmbuf_pool(x, "of-both", 500, 0, 0, 2176, "ring_mp_mc");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mp);
	at = vmem_xalloc(vmheap_extmem_vmem(x), 64, 64, 0, 0,
			 (void *)(SHARED_BASE + SHARED_BYTES - 4096), NULL, VM_NOSLEEP);
	CU_ASSERT_EQUAL_FATAL((uword)at, SHARED_BASE + SHARED_BYTES - 4096);
	strcpy(at, "from the primary");
	pid = fork();
	if (!pid) {
		setenv("EXTMEM_PREFIX", prefix, 1);
		setenv("EXTMEM_DIR", mount_dir, 1);
		execl(program, program, "secondary", NULL);
		_exit(127);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CU_ASSERT_STRING_EQUAL(at, "from the secondary");
	CU_ASSERT_EQUAL(rte_mempool_avail_count(mp), 500);
	vmem_xfree(vmheap_extmem_vmem(x), at, 64);
	rte_mempool_free(mp);
	destroy(x);
	CU_ASSERT_EQUAL(access(shared_file, F_OK), -1);
}

static const unit_test_t two_processes[] = {
	UNIT(a_secondary_attaches_at_the_same_address),
};

static int
set_up(void)
{
	clib_mem_setup_t setup = { .main_heap_bytes = MiB(64),
				   .numa_heap_bytes = MiB(64),
				   .numa_arena_bytes = MiB(256),
				   .flags = CLIB_MEM_SETUP_NO_HUGE };
	clib_arena_params_t params = { .name = "extmem-test",
				       .reserve_bytes = MiB(64),
				       .expect_bytes = MiB(64),
				       .numa_node = VM_NODE_ANY,
				       .page_size = CLIB_MEM_PAGE_SZ_4K,
				       .vm_flags = VM_RANGE_SHARED };
	char what[200];

	if (clib_mem_setup(&setup, what, sizeof(what))) {
		fprintf(stderr, "%s\n", what);
		return -1;
	}
	return clib_arena_create(&params, &arena);
}

int
main(int argc, char **argv)
{
	const char *which = argc > 1 ? argv[1] : "";
	const char *given = getenv("EXTMEM_PREFIX");
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	int status;

	if (n < 0 || set_up())
		return 1;
	if (!*which) {
		if (eal_up(0, 128, NULL))
			return 1;
		status = unit_run("extmem", tests, ARRAY_LEN(tests));
		eal_down();
		return status;
	}
	if (!strcmp(which, "secondary")) {
		snprintf(prefix, sizeof(prefix), "%s", given ? given : "");
		snprintf(mount_dir, sizeof(mount_dir), "%s", getenv("EXTMEM_DIR"));
		return secondary();
	}
	if (!find_mount())
		unit_skip("no hugetlbfs is mounted: mount -t hugetlbfs none /mnt/huge");
	snprintf(prefix, sizeof(prefix), "vmheap-extmem-%d", (int)getpid());
	snprintf(shared_file, sizeof(shared_file), "%s/%s-shared", mount_dir, prefix);
	if (eal_of_two("primary") < 0) {
		leave_mount();
		unit_skip("no 2 MiB pages are free: sysctl vm.nr_hugepages=512");
	}
	status = unit_run("extmem, two processes", two_processes, ARRAY_LEN(two_processes));
	rte_eal_cleanup();
	leave_mount();
	return status;
}
