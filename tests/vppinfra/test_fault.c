/* SPDX-License-Identifier: Apache-2.0 */
/* A child process for each cause: what it prints, and how it dies. */
#include <vppinfra/fault.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <vppinfra/arena.h>
#include <vppinfra/mem.h>
#include "fault_child.h"
#include "vm_test.h"

/* ---- 1: no mapping ---- */

static int
touch_nothing(void)
{
	void *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(p, PAGE);
	write_to(p);
	return 0;
}

/* The handler says it and the signal still ends the process, so that there is a core file. */
static void
an_address_in_no_mapping_is_outside(void)
{
	run_child(touch_nothing);
	CU_ASSERT_EQUAL(died_of, SIGSEGV);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "SIGSEGV: write to 0x"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, ": outside: no mapping of this process"));
}

static int
touch_null(void)
{
	write_to((void *)24);
	return 0;
}

static void
a_small_address_is_called_a_null_pointer(void)
{
	run_child(touch_null);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "a NULL pointer and an offset?"));
}

/* ---- 2: rights ---- */

static int
write_to_read_only(void)
{
	vm_range_t *r = range_of_4k("rights", MiB(1), 0);

	vm_commit(r, 0, PAGE);
	mprotect(vm_range_base(r), PAGE, PROT_READ);
	write_to(vm_range_base(r));
	return 0;
}

static void
a_write_to_a_read_only_page_is_rights(void)
{
	run_child(write_to_read_only);
	CU_ASSERT_EQUAL(died_of, SIGSEGV);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, ": rights: it is mapped"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "range 'rights', offset 0x0 of 0x100000"));
}

/* ---- 3: reserved only ---- */

static int
write_past_a_heap(void)
{
	clib_arena_params_t params = { .name = "faulty",
				       .reserve_bytes = MiB(16),
				       .numa_node = VM_NODE_ANY,
				       .page_size = CLIB_MEM_PAGE_SZ_4K };
	clib_arena_t *arena;
	uword offset;
	void *v;

	clib_arena_create(&params, &arena);
	clib_arena_create_heap(arena, "tiny heap", MiB(8), 0, &v);
	mheap_get(v, 48, &offset);
	write_to((u8 *)v + MiB(4));
	return 0;
}

static void
a_heap_that_has_not_grown_there_is_not_committed_and_named(void)
{
	run_child(write_past_a_heap);
	CU_ASSERT_EQUAL(died_of, SIGSEGV);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, ": not committed: address space only"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "range 'faulty'"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "heap 'tiny heap', offset 0x400000"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "past its last element, which is in use, 48 bytes"));
}

/* ---- 4: a page that cannot be had ---- */

static int
read_past_the_end_of_a_file(void)
{
	int fd = memfd_create("short", 0);
	u8 *p;

	if (ftruncate(fd, (off_t)PAGE))
		_exit(1);
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	write_to(p + PAGE);
	return 0;
}

static void
a_file_that_is_shorter_has_no_page(void)
{
	run_child(read_past_the_end_of_a_file);
	CU_ASSERT_EQUAL(died_of, SIGBUS);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "SIGBUS: write to"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, ": no page: the mapping promises"));
}

/* A file of huge pages that may have one page, whatever the machine has; only the child sees it,
 * over any directory.  -1: not to be had here. */
static int
open_one_huge_page(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/mnt", "hugetlbfs", 0, "pagesize=2M,size=2M"))
		return -1;
	return open("/mnt/page", O_RDWR | O_CREAT, 0600);
}

/* mmap() grants more huge pages than there are; the one too many is a signal. */
static int
touch_more_huge_pages_than_there_are(void)
{
	int fd = open_one_huge_page();
	u8 *p = mmap(NULL, 2 * MiB(2), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);

	if (fd < 0 || p == MAP_FAILED)
		_exit(CHILD_CANNOT);
	write_to(p);
	write_to(p + MiB(2));
	return 0;
}

static int
one_huge_page_can_be_had(void)
{
	vm_hugepages_t h;

	return getuid() == 0 && !vm_hugepages(VM_NODE_ANY, 21, &h) && h.n_free > 1;
}

static void
a_huge_page_that_was_never_populated_has_no_page(void)
{
	if (!one_huge_page_can_be_had()) {
		printf("not shown here: needs root and a free 2M page\n");
		return;
	}
	run_child(touch_more_huge_pages_than_there_are);
	CU_ASSERT_EQUAL(died_of, SIGBUS);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, ": no page: "));
}

/* ---- 5: copy on write ---- */

static int
write_to_the_parents_huge_page(void)
{
	int fd = open_one_huge_page();
	u8 *p = mmap(NULL, MiB(2), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);

	if (fd < 0 || p == MAP_FAILED)
		_exit(CHILD_CANNOT);
	write_to(p);
	/* Nothing is left for a copy. */
	if (fork() == 0)
		write_to(p);
	else
		wait(NULL);
	return 0;
}

static void
a_forked_childs_write_to_a_huge_page_is_copy_on_write(void)
{
	if (!one_huge_page_can_be_had()) {
		printf("not shown here: needs root and a free 2M page\n");
		return;
	}
	run_child(write_to_the_parents_huge_page);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "SIGBUS: write to"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, ": copy on write: the page is shared"));
}

/* ---- 6: what only a layer above knows ---- */

static void
describe_as_not_attached(clib_fault_t *fault)
{
	fault->cause = CLIB_FAULT_NOT_ATTACHED;
	clib_fault_print(fault->text, sizeof(fault->text), "vmheap:   zone '%s', page %u\n", "z9",
			 7u);
}

static int
touch_what_another_process_grew(void)
{
	clib_fault_add_describer(describe_as_not_attached);
	write_to((void *)GiB(18));
	return 0;
}

static void
a_describer_names_its_own_cause(void)
{
	run_child(touch_what_another_process_grew);
	CU_ASSERT_EQUAL(died_of, SIGSEGV);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, ": not attached: another process grew it"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "zone 'z9', page 7"));
}

/* ---- protection keys ---- */

static int
write_against_a_key(void)
{
	vm_range_t *r = range_of_4k("keyed", MiB(1), 0);
	int key = pkey_alloc(0, PKEY_DISABLE_WRITE);

	if (key < 0)
		_exit(CHILD_CANNOT);
	vm_commit(r, 0, PAGE);
	pkey_mprotect(vm_range_base(r), PAGE, PROT_READ | PROT_WRITE, key);
	write_to(vm_range_base(r));
	return 0;
}

static void
a_protection_key_is_told_apart_from_rights(void)
{
	int key = pkey_alloc(0, 0);

	if (key < 0) {
		printf("not shown here: the processor has no protection keys\n");
		return;
	}
	pkey_free(key);
	run_child(write_against_a_key);
	CU_ASSERT_EQUAL(died_of, SIGSEGV);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, ": key: protection key "));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "range 'keyed'"));
}

/* ---- the handler ---- */

static int
overwrite_a_heap_and_fault_in_it(void)
{
	void *v = mheap_alloc(NULL, MiB(1));
	uword offset;

	mheap_get(v, 100, &offset);
	mheap_get(v, 100, &offset);
	/* Headers that make no sense: the walk must end in words, not in a second fault. */
	memset(v, 0x5a, 300);
	mprotect((void *)round_down_pow2((uword)v, PAGE), PAGE, PROT_READ);
	write_to((u8 *)v + 64);
	return 0;
}

static void
a_damaged_heap_does_not_end_the_report(void)
{
	run_child(overwrite_a_heap_and_fault_in_it);
	CU_ASSERT_EQUAL(died_of, SIGSEGV);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, ": rights: "));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "its elements cannot be read"));
}

static int
kill_oneself(void)
{
	kill(getpid(), SIGSEGV);
	pause();
	return 0;
}

/* A signal that somebody sent has no address to tell about, and still does what it did. */
static void
a_sent_signal_is_passed_on_in_silence(void)
{
	run_child(kill_oneself);
	CU_ASSERT_EQUAL(died_of, SIGSEGV);
	CU_ASSERT_STRING_EQUAL(said, "");
}

static void
exit_42(int CLIB_UNUSED(signo))
{
	_exit(42);
}

static int
fault_with_a_handler_of_its_own(void)
{
	signal(SIGSEGV, exit_42);
	clib_fault_install();
	fclose(stderr);
	close(STDERR_FILENO);
	touch_nothing();
	return 0;
}

/* Whoever had the signal before gets it after us. */
static void
the_handler_before_ours_runs_after_it(void)
{
	CU_ASSERT_EQUAL(in_child(fault_with_a_handler_of_its_own), 42);
}

/* ---- faults in the report ---- */

static u8 *bad_page;

static void
describe_by_fault(clib_fault_t CLIB_UNUSED(*fault))
{
	write_to(bad_page);
}

static int
fault_of_either_kind_in_the_report(void)
{
	bad_page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			memfd_create("empty", MFD_CLOEXEC), 0);
	clib_fault_add_describer(describe_by_fault);
	alarm(10);
	write_to((void *)24);
	return 0;
}

static int
fault_in_the_report_of_a_bus_error(void)
{
	u8 *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		     memfd_create("empty", MFD_CLOEXEC), 0);

	bad_page = (u8 *)24;
	clib_fault_add_describer(describe_by_fault);
	alarm(10);
	write_to(p);
	return 0;
}

/* A report that faults itself ends the process by the second signal; it does not go round. */
static void
a_fault_in_the_report_ends_the_process(void)
{
	run_child(fault_of_either_kind_in_the_report);
	CU_ASSERT_EQUAL(died_of, SIGBUS);
	run_child(fault_in_the_report_of_a_bus_error);
	CU_ASSERT_EQUAL(died_of, SIGSEGV);
}

/* ---- what the processor tells, and what it does not ---- */

static int
touch_what_is_no_address(void)
{
	write_to((void *)0x4141414141414141);
	return 0;
}

/* x86 gives no address for one that cannot be: it is not called NULL, and the register is shown. */
static void
an_address_that_cannot_be_is_no_null_pointer(void)
{
#if defined(__x86_64__)
	run_child(touch_what_is_no_address);
	CU_ASSERT_EQUAL(died_of, SIGSEGV);
	CU_ASSERT_PTR_NULL(strstr(said, "NULL"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "the address cannot be one"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, " is 0x4141414141414141"));
#endif
}

static int
jump_into_a_hole(void)
{
	void (*f)(void) = (void (*)(void))(uword)0x10000;

	__asm__ volatile("" : "+r"(f));
	f();
	return 0;
}

static void
a_jump_is_called_one(void)
{
	run_child(jump_into_a_hole);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "SIGSEGV: jump to 0x10000 "));
}

static int __attribute__((noinline, no_sanitize("address", "thread", "undefined")))
use_up_the_stack(int n)
{
	volatile u8 frame[KiB(4)];

	frame[0] = (u8)n;
	return n ? use_up_the_stack(n + 1) + frame[0] : 0;
}

static int
overflow_with_a_signal_stack(void)
{
	stack_t s = { .ss_size = KiB(32) };

	s.ss_sp = mmap(NULL, s.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaltstack(&s, NULL);
	return use_up_the_stack(1);
}

static void
a_stack_that_is_used_up_is_suspected(void)
{
	run_child(overflow_with_a_signal_stack);
	CU_ASSERT_EQUAL(died_of, SIGSEGV);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "is the stack used up?"));
	run_child(touch_null);
	CU_ASSERT_PTR_NULL(strstr(said, "is the stack used up?"));
}

/* ---- who has the signal ---- */

/* A program that puts its handler over ours keeps it: it may hold ours as the one to call next. */
static void
a_handler_over_ours_is_not_taken_away(void)
{
	struct sigaction over = { .sa_handler = exit_42 }, ours, now;

	CU_ASSERT_EQUAL(clib_fault_install(), 0);
	CU_ASSERT_EQUAL(sigaction(SIGSEGV, &over, &ours), 0);
	CU_ASSERT_EQUAL(clib_fault_uninstall(), -EBUSY);
	CU_ASSERT_EQUAL(sigaction(SIGSEGV, &ours, &now), 0);
	CU_ASSERT_PTR_EQUAL(now.sa_handler, exit_42);
	CU_ASSERT_EQUAL(clib_fault_uninstall(), 0);
}

static void
install_and_uninstall_pair(void)
{
	CU_ASSERT_EQUAL(clib_fault_uninstall(), -ENOENT);
	CU_ASSERT_EQUAL(clib_fault_install(), 0);
	CU_ASSERT_EQUAL(clib_fault_install(), -EALREADY);
	CU_ASSERT_EQUAL(clib_fault_uninstall(), 0);
	CU_ASSERT_EQUAL(clib_fault_add_describer(describe_as_not_attached), 0);
	CU_ASSERT_EQUAL(clib_fault_add_describer(describe_as_not_attached), -EEXIST);
	CU_ASSERT_EQUAL(clib_fault_remove_describer(describe_as_not_attached), 0);
	CU_ASSERT_EQUAL(clib_fault_remove_describer(describe_as_not_attached), -ENOENT);
}

/* ---- text ---- */

static void
print_knows_its_conversions_and_its_room(void)
{
	char text[24] = "";

	clib_fault_print(text, sizeof(text), "%s %d %u %lx", "a", -7, 42u, 0xfeul);
	CU_ASSERT_STRING_EQUAL(text, "a -7 42 fe");
	clib_fault_print(text, sizeof(text), " %lu and more than fits", 1234567890123ul);
	CU_ASSERT_STRING_EQUAL(text, "a -7 42 fe 123456789012");
	CU_ASSERT_STRING_EQUAL(clib_fault_cause_name(CLIB_FAULT_COPY_ON_WRITE), "copy on write");
	CU_ASSERT_STRING_EQUAL(clib_fault_cause_name(99), "unknown");
}

/* ---- nearest element ---- */

static void
nearest_names_header_data_and_end(void)
{
	void *v = mheap_alloc(NULL, MiB(1));
	mheap_nearest_t near = { 0 };
	uword a, b;

	CU_ASSERT_EQUAL(mheap_nearest(v, 100, &near), -ENOENT);
	mheap_get(v, 100, &a);
	mheap_get(v, 200, &b);
	CU_ASSERT_EQUAL(mheap_nearest(v, a + 10, &near), 0);
	CU_ASSERT_EQUAL(near.uoffset, a);
	CU_ASSERT(!near.is_free && !near.is_past_end);
	CU_ASSERT_EQUAL(mheap_nearest(v, b - 8, &near), 0);
	CU_ASSERT_EQUAL(near.uoffset, b);
	CU_ASSERT_EQUAL(mheap_nearest(v, KiB(512), &near), 0);
	CU_ASSERT_EQUAL(near.uoffset, b);
	CU_ASSERT(near.is_past_end);
	mheap_put(v, a);
	CU_ASSERT_EQUAL(mheap_nearest(v, a + 10, &near), 0);
	CU_ASSERT(near.is_free);
	mheap_put(v, b);
	mheap_free(v);
}

static const unit_test_t tests[] = {
	UNIT(an_address_in_no_mapping_is_outside),
	UNIT(a_small_address_is_called_a_null_pointer),
	UNIT(a_write_to_a_read_only_page_is_rights),
	UNIT(a_heap_that_has_not_grown_there_is_not_committed_and_named),
	UNIT(a_file_that_is_shorter_has_no_page),
	UNIT(a_huge_page_that_was_never_populated_has_no_page),
	UNIT(a_forked_childs_write_to_a_huge_page_is_copy_on_write),
	UNIT(a_describer_names_its_own_cause),
	UNIT(a_protection_key_is_told_apart_from_rights),
	UNIT(a_damaged_heap_does_not_end_the_report),
	UNIT(a_sent_signal_is_passed_on_in_silence),
	UNIT(the_handler_before_ours_runs_after_it),
	UNIT(a_fault_in_the_report_ends_the_process),
	UNIT(an_address_that_cannot_be_is_no_null_pointer),
	UNIT(a_jump_is_called_one),
	UNIT(a_stack_that_is_used_up_is_suspected),
	UNIT(a_handler_over_ours_is_not_taken_away),
	UNIT(install_and_uninstall_pair),
	UNIT(print_knows_its_conversions_and_its_room),
	UNIT(nearest_names_header_data_and_end),
};

int
main(void)
{
	return unit_run("fault", tests, ARRAY_LEN(tests));
}
