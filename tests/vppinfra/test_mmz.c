/* SPDX-License-Identifier: Apache-2.0 */
/* Two processes and a zone: the test and the children it forks, which open the zone by name. */
#include <vppinfra/mmz.h>

#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <vppinfra/fault.h>
#include <vppinfra/pages/mmz_impl.h>
#include <vppinfra/vm_address.h>
#include "child.h"
#include "vm_test.h"

/* A name that no other run of this program uses at the same time. */
static const char *
zone_name(void)
{
	static char name[MMZ_NAME_BYTES + 1];

	if (!name[0])
		snprintf(name, sizeof(name), "test-%d", getpid());
	return name;
}

static mmz_t *
zone_of(uword bytes, uword max_bytes)
{
	mmz_params_t params = { .name = zone_name(),
				.bytes = bytes,
				.max_bytes = max_bytes,
				.numa_node = VM_NODE_ANY };
	mmz_t *z = NULL;

	CU_ASSERT_EQUAL_FATAL(mmz_create(&params, &z), 0);
	return z;
}

static int
is_whole(mmz_t *z)
{
	char what[128] = "";
	int rv = mmz_check(z, what, sizeof(what));

	if (rv)
		printf("mmz_check: %s\n", what);
	return !rv;
}

static uword
resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	uword size = 0, resident = 0;

	if (fscanf(f, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return resident * PAGE;
}

static void
names_and_sizes_that_make_no_zone_are_refused(void)
{
	mmz_params_t p = { .name = "a/b", .bytes = MiB(1), .numa_node = VM_NODE_ANY };
	mmz_t *z = (mmz_t *)1;

	CU_ASSERT_EQUAL(mmz_create(&p, &z), -EINVAL);
	p.name = "0123456789012345678901234567890123";
	CU_ASSERT_EQUAL(mmz_create(&p, &z), -EINVAL);
	p.name = zone_name();
	p.bytes = 0;
	CU_ASSERT_EQUAL(mmz_create(&p, &z), -EINVAL);
	p.bytes = MiB(2);
	p.max_bytes = MiB(1);
	CU_ASSERT_EQUAL(mmz_create(&p, &z), -EINVAL);
	p.max_bytes = 0;
	p.numa_node = 77;
	CU_ASSERT_EQUAL(mmz_create(&p, &z), -ENODEV);
	p.numa_node = VM_NODE_ANY;
	p.dir = "/nonexistent";
	CU_ASSERT_EQUAL(mmz_create(&p, &z), -ENOENT);
	CU_ASSERT_EQUAL(mmz_open(zone_name(), &z), -ENOENT);
	CU_ASSERT_PTR_EQUAL(z, (mmz_t *)1);
}

static void
a_second_zone_of_a_name_is_refused(void)
{
	mmz_params_t p = { .name = zone_name(), .bytes = MiB(1), .numa_node = VM_NODE_ANY };
	mmz_t *z = zone_of(MiB(1), 0), *again = NULL;

	CU_ASSERT_EQUAL(mmz_create(&p, &again), -EEXIST);
	CU_ASSERT_EQUAL(mmz_open(zone_name(), &again), 0);
	mmz_close(again);
	CU_ASSERT_EQUAL(mmz_destroy(z), 0);
	CU_ASSERT_EQUAL(mmz_open(zone_name(), &again), -ENOENT);
}

/* 16 MiB are allocated and this process holds no byte of them, nor a mapping. */
static void
allocating_maps_nothing(void)
{
	mmz_t *z = zone_of(MiB(32), 0);
	mmz_info_t info;
	uword before = resident_bytes();
	mmz_id_t id;

	CU_ASSERT_EQUAL(mmz_alloc(z, "frame", MiB(16), 0, &id), 0);
	CU_ASSERT(resident_bytes() < before + MiB(2));
	mmz_get_info(z, &info);
	CU_ASSERT_EQUAL(info.used_bytes, MiB(16));
	CU_ASSERT_EQUAL(info.n_blocks, 1);
	CU_ASSERT_EQUAL(mmz_free(z, id), 0);
	CU_ASSERT_EQUAL(mmz_free(z, id), -ENOENT);
	CU_ASSERT_EQUAL(mmz_destroy(z), 0);
}

static void
first_fit_fills_holes_and_honours_alignment(void)
{
	mmz_t *z = zone_of(MiB(1), 0);
	mmz_id_t a, b, c, d;

	CU_ASSERT_EQUAL(mmz_alloc(z, "a", KiB(64), 0, &a), 0);
	CU_ASSERT_EQUAL(mmz_alloc(z, "b", KiB(64), 0, &b), 0);
	CU_ASSERT_EQUAL(mmz_alloc(z, "c", 1, KiB(256), &c), 0);
	CU_ASSERT_EQUAL(mmz_free(z, a), 0);
	CU_ASSERT_EQUAL(mmz_alloc(z, "d", KiB(32), 0, &d), 0);
	CU_ASSERT(d > c);
	CU_ASSERT(is_whole(z));
	CU_ASSERT_EQUAL(mmz_alloc(z, "too long", MiB(1), 0, &a), -ENOMEM);
	CU_ASSERT_EQUAL(mmz_alloc(z, "no size", 0, 0, &a), -EINVAL);
	CU_ASSERT_EQUAL(mmz_alloc(z, "odd", KiB(4), KiB(12), &a), -EINVAL);
	mmz_free(z, b);
	mmz_free(z, c);
	mmz_free(z, d);
	CU_ASSERT_EQUAL(mmz_destroy(z), 0);
}

/* The pages are the file's: what one mapping writes another reads, in one frame. */
static int
child_maps_by_name(void)
{
	mmz_t *z;
	mmz_id_t id;
	void *p;
	vm_address_t a = { 0 };
	u64 *words;

	CHILD_CHECK(mmz_open(zone_name(), &z) == 0);
	CHILD_CHECK(mmz_find(z, "frame", &id) == 0);
	CHILD_CHECK(mmz_map(z, id, 0, &p) == 0);
	words = p;
	CHILD_CHECK(words[0] == 0x1122334455667788ull);
	a.va = pointer_to_uword(p);
	vm_inspect(&a, 1);
	words[1] = a.pfn;
	CHILD_CHECK(mmz_unmap(z, id) == 0);
	mmz_close(z);
	return 0;
}

static void
a_second_process_maps_the_block_by_name(void)
{
	mmz_t *z = zone_of(MiB(4), 0);
	vm_address_t a = { 0 };
	mmz_id_t id;
	void *p, *q;
	u64 *words;

	CU_ASSERT_EQUAL(mmz_alloc(z, "frame", MiB(2), 0, &id), 0);
	CU_ASSERT_EQUAL(mmz_map(z, id, 0, &p), 0);
	CU_ASSERT_EQUAL(mmz_map(z, id, 0, &q), 0);
	CU_ASSERT_PTR_EQUAL(p, q);
	CU_ASSERT_EQUAL(mmz_map(z, id, MMZ_MAP_READ_ONLY, &q), -EACCES);
	CU_ASSERT_EQUAL(mmz_map(z, id, MMZ_MAP_UNCACHED, &q), -ENOTSUP);
	words = p;
	words[0] = 0x1122334455667788ull;
	CU_ASSERT_EQUAL(in_child(child_maps_by_name), 0);
	a.va = pointer_to_uword(p);
	vm_inspect(&a, 1);
	CU_ASSERT_EQUAL(words[1], a.pfn);
	CU_ASSERT_EQUAL(mmz_free(z, id), -EBUSY);
	CU_ASSERT_EQUAL(mmz_destroy(z), -EBUSY);
	CU_ASSERT_EQUAL(mmz_unmap(z, id), 0);
	CU_ASSERT_EQUAL(mmz_free(z, id), -EBUSY);
	CU_ASSERT_EQUAL(mmz_unmap(z, id), 0);
	CU_ASSERT_EQUAL(mmz_unmap(z, id), -ENOENT);
	CU_ASSERT_EQUAL(mmz_free(z, id), 0);
	CU_ASSERT_EQUAL(mmz_destroy(z), 0);
}

static void
freed_pages_come_back_zero_and_leave_the_file(void)
{
	mmz_t *z = zone_of(MiB(1), 0);
	mmz_id_t id;
	void *p;

	CU_ASSERT_EQUAL(mmz_alloc(z, "x", MiB(1), 0, &id), 0);
	CU_ASSERT_EQUAL(mmz_map(z, id, 0, &p), 0);
	memset(p, 0xee, MiB(1));
	mmz_unmap(z, id);
	mmz_free(z, id);
	CU_ASSERT_EQUAL(mmz_alloc(z, "y", MiB(1), 0, &id), 0);
	CU_ASSERT_EQUAL(mmz_map(z, id, MMZ_MAP_READ_ONLY, &p), 0);
	CU_ASSERT_EQUAL(((u8 *)p)[MiB(1) - 1], 0);
	mmz_unmap(z, id);
	mmz_free(z, id);
	CU_ASSERT_EQUAL(mmz_destroy(z), 0);
}

/* ---- the dead ---- */

static int
child_allocates_and_waits_for_its_end(void)
{
	mmz_t *z;
	mmz_id_t id;
	void *p;

	mmz_open(zone_name(), &z);
	mmz_alloc(z, "orphan", KiB(128), 0, &id);
	mmz_alloc(z, "mapped orphan", KiB(64), 0, &id);
	mmz_map(z, id, 0, &p);
	kill(getpid(), SIGKILL);
	return 0;
}

static int
find_orphan(const mmz_block_info_t *b, void *arg)
{
	u32 *n = arg;

	*n += b->is_orphan;
	return 0;
}

/* kill -9 frees nothing; the blocks are listed as orphans, stay while somebody maps them, and
 * are reclaimed after. */
static void
blocks_of_a_killed_process_are_orphans_and_reclaimed(void)
{
	mmz_t *z = zone_of(MiB(1), 0);
	mmz_reclaimed_t r;
	mmz_info_t info;
	mmz_id_t mine, id;
	u32 n = 0;
	void *p;

	CU_ASSERT_EQUAL(mmz_alloc(z, "mine", KiB(4), 0, &mine), 0);
	CU_ASSERT_EQUAL(in_child(child_allocates_and_waits_for_its_end), 128 + SIGKILL);
	mmz_foreach_block(z, find_orphan, &n);
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_EQUAL(mmz_find(z, "mapped orphan", &id), 0);
	CU_ASSERT_EQUAL(mmz_map(z, id, 0, &p), 0);
	mmz_reclaim(z, &r);
	CU_ASSERT_EQUAL(r.n_blocks, 1);
	CU_ASSERT_EQUAL(r.n_bytes, KiB(128));
	CU_ASSERT_EQUAL(mmz_unmap(z, id), 0);
	mmz_reclaim(z, &r);
	CU_ASSERT_EQUAL(r.n_blocks, 1);
	mmz_get_info(z, &info);
	CU_ASSERT_EQUAL(info.n_blocks, 1);
	CU_ASSERT_EQUAL(info.used_bytes, KiB(4));
	CU_ASSERT_EQUAL(info.n_reclaimed, 2);
	CU_ASSERT(is_whole(z));
	mmz_free(z, mine);
	CU_ASSERT_EQUAL(mmz_destroy(z), 0);
}

static int
child_allocates_without_end(void)
{
	mmz_t *z;
	mmz_id_t id;

	mmz_open(zone_name(), &z);
	for (;;) {
		if (!mmz_alloc(z, "churn", KiB(12), 0, &id))
			mmz_free(z, id);
	}
	return 0;
}

/* A process killed anywhere, also with the lock in hand, leaves a zone that others go on with. */
static void
a_process_killed_in_a_call_leaves_a_whole_zone(void)
{
	mmz_t *z = zone_of(MiB(1), 0);
	u64 seed = unit_seed();
	mmz_info_t info;

	for (u32 i = 0; i < 40; i++) {
		mmz_id_t id;
		pid_t pid = fork();

		if (pid == 0) {
			child_allocates_without_end();
			_exit(0);
		}
		usleep(500 + (useconds_t)unit_random_below(&seed, 3000));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		CU_ASSERT_EQUAL(mmz_alloc(z, "after", KiB(8), 0, &id), 0);
		CU_ASSERT(is_whole(z));
		mmz_free(z, id);
		mmz_reclaim(z, NULL);
	}
	mmz_get_info(z, &info);
	printf("%lu locks taken over from the dead\n", (unsigned long)info.n_lock_recoveries);
	CU_ASSERT_EQUAL(info.used_bytes, 0);
	CU_ASSERT_EQUAL(mmz_destroy(z), 0);
}

/* Files of the test's zone in the folder of tables, of whatever suffix. */
static u32
n_files(void)
{
	char pattern[64];
	glob_t g;
	u32 n = 0;

	snprintf(pattern, sizeof(pattern), "/dev/shm/vmheap-%s.*", zone_name());
	if (!glob(pattern, 0, NULL, &g)) {
		n = (u32)g.gl_pathc;
		globfree(&g);
	}
	return n;
}

static void
child_makes_and_removes_without_end(void)
{
	mmz_params_t p = { .name = zone_name(), .bytes = MiB(1), .numa_node = VM_NODE_ANY };
	mmz_t *z;

	for (;;)
		if (!mmz_create(&p, &z))
			mmz_destroy(z);
}

/* What it leaves under the name can be opened, or made anew, and its blocks have pages; no file is
 * left beside. */
static void
a_process_killed_while_it_makes_a_zone_leaves_its_name_usable(void)
{
	mmz_params_t p = { .name = zone_name(), .bytes = MiB(1), .numa_node = VM_NODE_ANY };
	u64 seed = unit_seed();

	for (u32 i = 0; i < 150; i++) {
		mmz_t *z = NULL;
		mmz_id_t id;
		pid_t pid = fork();
		void *at;

		if (pid == 0)
			child_makes_and_removes_without_end();
		usleep(300 + (useconds_t)unit_random_below(&seed, 2000));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		if (mmz_open(zone_name(), &z))
			CU_ASSERT_EQUAL_FATAL(mmz_create(&p, &z), 0);
		CU_ASSERT_EQUAL_FATAL(mmz_alloc(z, "after", KiB(8), 0, &id), 0);
		CU_ASSERT_EQUAL_FATAL(mmz_map(z, id, 0, &at), 0);
		/* A file without its length would answer this with SIGBUS. */
		memset(at, 1, KiB(8));
		CU_ASSERT(is_whole(z));
		mmz_unmap(z, id);
		mmz_free(z, id);
		CU_ASSERT_EQUAL_FATAL(mmz_destroy(z), 0);
		CU_ASSERT_EQUAL(n_files(), 0);
	}
}

static void *
sleep_long(void *arg)
{
	sleep(30);
	return arg;
}

static void
child_goes_on_without_its_first_thread(int ready)
{
	pthread_t thread;
	mmz_t *z = NULL;
	mmz_id_t id;
	void *p;

	if (mmz_open(zone_name(), &z) || mmz_alloc(z, "living", KiB(8), 0, &id) ||
	    mmz_map(z, id, 0, &p) || pthread_create(&thread, NULL, sleep_long, NULL))
		_exit(1);
	if (write(ready, "x", 1) == 1)
		pthread_exit(NULL);
	_exit(1);
}

/* 'Z' in /proc, as if it were dead. */
static int
is_shown_as_zombie(pid_t pid)
{
	char path[32], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (f)
		fclose(f);
	return state == 'Z';
}

/* Its other threads use the block that it owns. */
static void
a_process_without_its_first_thread_is_alive(void)
{
	mmz_t *z = zone_of(MiB(1), 0);
	mmz_reclaimed_t r;
	int fds[2];
	pid_t pid;
	char byte;

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	pid = fork();
	if (pid == 0)
		child_goes_on_without_its_first_thread(fds[1]);
	close(fds[1]);
	CU_ASSERT_EQUAL(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	for (u32 i = 0; i < 1000 && !is_shown_as_zombie(pid); i++)
		usleep(1000);
	CU_ASSERT(is_shown_as_zombie(pid));
	CU_ASSERT_EQUAL(mmz_reclaim(z, &r), 0);
	CU_ASSERT_EQUAL(r.n_blocks, 0);
	CU_ASSERT_EQUAL(mmz_destroy(z), -EBUSY);
	kill(pid, SIGKILL);
	/* Not waited for yet: dead all the same, when its last thread is. */
	for (u32 i = 0; i < 1000 && !r.n_blocks; i++) {
		usleep(1000);
		mmz_reclaim(z, &r);
	}
	CU_ASSERT_EQUAL(r.n_blocks, 1);
	waitpid(pid, NULL, 0);
	CU_ASSERT_EQUAL(mmz_destroy(z), 0);
}

/* ---- zones that go ---- */

/* Who still has it open gets nothing of it any more, and does not take a new zone's name away. */
static void
a_removed_zone_gives_nothing_and_leaves_its_name_alone(void)
{
	mmz_t *z = zone_of(MiB(1), MiB(2)), *old = NULL, *again = NULL;
	mmz_id_t id;

	CU_ASSERT_EQUAL(mmz_open(zone_name(), &old), 0);
	CU_ASSERT_EQUAL(mmz_destroy(z), 0);
	CU_ASSERT_EQUAL(mmz_alloc(old, "late", KiB(4), 0, &id), -ENOENT);
	CU_ASSERT_EQUAL(mmz_grow(old, MiB(2)), -ENOENT);
	z = zone_of(MiB(1), 0);
	CU_ASSERT_EQUAL(mmz_alloc(z, "mine", KiB(4), 0, &id), 0);
	CU_ASSERT_EQUAL(mmz_destroy(old), 0);
	CU_ASSERT_EQUAL(mmz_open(zone_name(), &again), 0);
	CU_ASSERT_EQUAL(mmz_find(again, "mine", &id), 0);
	mmz_close(again);
	mmz_free(z, id);
	CU_ASSERT_EQUAL(mmz_destroy(z), 0);
	CU_ASSERT_EQUAL(n_files(), 0);
}

/* Somebody removes the pages by hand: the name can be had again, once nobody has a block. */
static void
a_name_without_pages_can_be_had_again(void)
{
	mmz_params_t p = { .name = zone_name(), .bytes = MiB(1), .numa_node = VM_NODE_ANY };
	mmz_t *z = zone_of(MiB(1), 0), *next = NULL;
	mmz_info_t info;
	mmz_id_t id;

	CU_ASSERT_EQUAL(mmz_alloc(z, "mine", KiB(4), 0, &id), 0);
	mmz_get_info(z, &info);
	CU_ASSERT_EQUAL(unlink(info.path), 0);
	CU_ASSERT_EQUAL(mmz_open(zone_name(), &next), -ENOENT);
	CU_ASSERT_EQUAL(mmz_create(&p, &next), -EEXIST);
	mmz_free(z, id);
	CU_ASSERT_EQUAL(mmz_create(&p, &next), 0);
	CU_ASSERT_EQUAL(mmz_destroy(z), 0);
	CU_ASSERT_EQUAL(mmz_alloc(next, "new", KiB(4), 0, &id), 0);
	mmz_free(next, id);
	CU_ASSERT_EQUAL(mmz_destroy(next), 0);
}

/* Tables lie where everybody may write, and name a file that is punched: root follows nobody's. */
static void
a_table_of_another_user_is_not_opened(void)
{
	mmz_t *z = zone_of(MiB(1), 0), *other = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/dev/shm/vmheap-%s.mmb", zone_name());
	if (!chown(path, 65534, 65534)) {
		CU_ASSERT_EQUAL(mmz_open(zone_name(), &other), -EACCES);
		CU_ASSERT_EQUAL(chown(path, geteuid(), getegid()), 0);
	}
	CU_ASSERT_EQUAL(mmz_destroy(z), 0);
}

/* A process stopped in a call: who only looks, or clears up, is told and goes on. */
static void
a_lock_that_is_not_given_back_stops_nobody_who_looks(void)
{
	mmz_t *z = zone_of(MiB(1), 0), *other = NULL;
	int fds[2], status;
	pid_t pid;
	char byte;

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		pthread_mutex_lock(&((mmz_table_t *)z->table)->lock);
		if (write(fds[1], "x", 1) == 1)
			kill(getpid(), SIGSTOP);
		_exit(0);
	}
	CU_ASSERT_EQUAL(read(fds[0], &byte, 1), 1);
	CU_ASSERT_EQUAL(mmz_open(zone_name(), &other), -EBUSY);
	CU_ASSERT_EQUAL(mmz_reclaim(z, NULL), -EBUSY);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	CU_ASSERT_EQUAL(mmz_open(zone_name(), &other), 0);
	mmz_close(other);
	CU_ASSERT_EQUAL(mmz_destroy(z), 0);
	close(fds[0]);
	close(fds[1]);
}

/* ---- the whole zone ---- */

static int
child_grows(void)
{
	mmz_t *z;

	CHILD_CHECK(mmz_open(zone_name(), &z) == 0);
	CHILD_CHECK(mmz_grow(z, MiB(2)) == 0);
	CHILD_CHECK(mmz_grow(z, MiB(1)) == -EINVAL);
	CHILD_CHECK(mmz_grow(z, MiB(64)) == -EINVAL);
	return 0;
}

static u8 *fault_at;

static int
child_touches(void)
{
	siginfo_t info = { .si_signo = SIGSEGV, .si_code = SEGV_ACCERR };
	clib_fault_t fault;

	info.si_addr = fault_at;
	clib_fault_inspect(&info, NULL, &fault);
	printf("%s", fault.text);
	CHILD_CHECK(fault.cause == CLIB_FAULT_NOT_ATTACHED);
	CHILD_CHECK(strstr(fault.text, "it has 0x200000 bytes, this process attached 0x100000"));
	signal(SIGSEGV, SIG_DFL);
	*(volatile u8 *)fault_at = 1;
	return 0;
}

/* What another process adds is not attached here until we say so, and a fault says just that. */
static void
a_view_ends_where_it_was_attached_until_refreshed(void)
{
	mmz_t *z = zone_of(MiB(1), MiB(4));
	mmz_id_t id;
	u8 *view, *p;

	CU_ASSERT_EQUAL(mmz_refresh(z), -ENOENT);
	view = mmz_view(z);
	CU_ASSERT_PTR_NOT_NULL_FATAL(view);
	CU_ASSERT_PTR_EQUAL(mmz_view(z), view);
	CU_ASSERT_EQUAL(mmz_alloc(z, "b", KiB(4), KiB(512), &id), 0);
	CU_ASSERT_EQUAL(mmz_map(z, id, 0, (void **)&p), 0);
	p[5] = 55;
	CU_ASSERT_EQUAL(view[5], 55);
	CU_ASSERT_EQUAL(in_child(child_grows), 0);
	fault_at = view + MiB(1) + 100;
	CU_ASSERT_EQUAL(in_child(child_touches), 128 + SIGSEGV);
	CU_ASSERT_EQUAL(mmz_refresh(z), 0);
	view[MiB(1) + 100] = 1;
	mmz_unmap(z, id);
	mmz_free(z, id);
	CU_ASSERT_EQUAL(mmz_destroy(z), 0);
}

/* ---- figures ---- */

static int
sum_blocks(const mmz_block_info_t *b, void *arg)
{
	mmz_info_t *sum = arg;

	CU_ASSERT(b->offset >= sum->bytes);
	sum->bytes = b->offset + b->bytes;
	sum->used_bytes += b->bytes;
	sum->n_blocks++;
	CU_ASSERT_EQUAL(b->owner_pid, getpid());
	CU_ASSERT(!b->is_orphan);
	return 0;
}

/* Random calls: the blocks never overlap, and the listing's sums are the zone's. */
static void
totals_are_the_sums_of_the_lines(void)
{
	mmz_t *z = zone_of(MiB(2), 0);
	u64 seed = unit_seed(), n_ops = unit_n_ops(3000);
	mmz_id_t live[64] = { 0 };
	mmz_info_t info, sum;

	for (u64 i = 0; i < n_ops; i++) {
		u32 k = (u32)unit_random_below(&seed, ARRAY_LEN(live));

		if (live[k]) {
			CU_ASSERT_EQUAL(mmz_free(z, live[k]), 0);
			live[k] = 0;
		} else if (mmz_alloc(z, "r", 1 + unit_random_below(&seed, KiB(64)),
				     KiB(4) << unit_random_below(&seed, 4), &live[k]))
			live[k] = 0;
		if (i % 100 == 0) {
			memset(&sum, 0, sizeof(sum));
			mmz_foreach_block(z, sum_blocks, &sum);
			mmz_get_info(z, &info);
			CU_ASSERT_EQUAL(sum.used_bytes, info.used_bytes);
			CU_ASSERT_EQUAL(sum.n_blocks, info.n_blocks);
			CU_ASSERT(is_whole(z));
		}
	}
	for (u32 k = 0; k < ARRAY_LEN(live); k++)
		if (live[k])
			mmz_free(z, live[k]);
	CU_ASSERT_EQUAL(mmz_destroy(z), 0);
}

static int
find_name(const char *name, void *arg)
{
	*(u32 *)arg += !strcmp(name, zone_name());
	return 0;
}

static void
zones_are_found_by_listing(void)
{
	mmz_t *z = zone_of(KiB(4), 0);
	u32 n = 0;

	mmz_foreach_name(find_name, &n);
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_EQUAL(mmz_destroy(z), 0);
	mmz_foreach_name(find_name, &n);
	CU_ASSERT_EQUAL(n, 1);
}

/* The table has 1024 places; the one too many is refused and the rest is as it was. */
static void
a_full_table_is_no_memory(void)
{
	mmz_t *z = zone_of(MiB(8), 0);
	mmz_info_t info;
	mmz_id_t id, last = 0;

	for (u32 i = 0; i < MMZ_MAX_BLOCKS; i++)
		CU_ASSERT_EQUAL_FATAL(mmz_alloc(z, "n", 1, 0, &last), 0);
	CU_ASSERT_EQUAL(mmz_alloc(z, "n", 1, 0, &id), -ENOMEM);
	mmz_get_info(z, &info);
	CU_ASSERT_EQUAL(info.n_fails, 1);
	CU_ASSERT_EQUAL(info.used_bytes, MiB(4));
	while (!mmz_find(z, "n", &id))
		mmz_free(z, id);
	CU_ASSERT_EQUAL(mmz_destroy(z), 0);
}

/* Pages of 2 MiB: contiguous inside a page and named as such where the kernel tells. */
static void
huge_zones_need_a_mounted_hugetlbfs(void)
{
	mmz_params_t p = { .name = zone_name(),
			   .bytes = MiB(4),
			   .page_size = CLIB_MEM_PAGE_SZ_2M,
			   .numa_node = vm_current_numa_node() };
	mmz_t *z = NULL;
	mmz_id_t id;
	void *address;
	int rv = mmz_create(&p, &z);

	if (rv) {
		printf("not shown here: %s\n", strerror(-rv));
		CU_ASSERT(rv == -ENOTSUP || rv == -EACCES || rv == -ENODEV);
		return;
	}
	rv = mmz_alloc(z, "huge", MiB(2), 0, &id);
	if (rv) {
		CU_ASSERT_EQUAL(rv, -ENOMEM); /* no huge page is free */
	} else {
		CU_ASSERT_EQUAL(mmz_map(z, id, 0, &address), 0);
		CU_ASSERT_EQUAL((uword)address % MiB(2), 0);
		*(u8 *)address = 1;
		mmz_unmap(z, id);
		CU_ASSERT_EQUAL(mmz_free(z, id), 0);
	}
	CU_ASSERT_EQUAL(mmz_destroy(z), 0);
}

static const unit_test_t tests[] = {
	UNIT(names_and_sizes_that_make_no_zone_are_refused),
	UNIT(a_second_zone_of_a_name_is_refused),
	UNIT(allocating_maps_nothing),
	UNIT(first_fit_fills_holes_and_honours_alignment),
	UNIT(a_second_process_maps_the_block_by_name),
	UNIT(freed_pages_come_back_zero_and_leave_the_file),
	UNIT(blocks_of_a_killed_process_are_orphans_and_reclaimed),
	UNIT(a_process_killed_in_a_call_leaves_a_whole_zone),
	UNIT(a_process_killed_while_it_makes_a_zone_leaves_its_name_usable),
	UNIT(a_process_without_its_first_thread_is_alive),
	UNIT(a_removed_zone_gives_nothing_and_leaves_its_name_alone),
	UNIT(a_name_without_pages_can_be_had_again),
	UNIT(a_table_of_another_user_is_not_opened),
	UNIT(a_lock_that_is_not_given_back_stops_nobody_who_looks),
	UNIT(a_view_ends_where_it_was_attached_until_refreshed),
	UNIT(totals_are_the_sums_of_the_lines),
	UNIT(zones_are_found_by_listing),
	UNIT(a_full_table_is_no_memory),
	UNIT(huge_zones_need_a_mounted_hugetlbfs),
};

int
main(void)
{
	return unit_run("mmz", tests, ARRAY_LEN(tests));
}
