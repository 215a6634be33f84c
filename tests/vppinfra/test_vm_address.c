/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/vm_address.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "child.h"
#include "vm_test.h"

/* The mapping of an address as a reader of our own sees it: rights and page size from smaps. */
typedef struct {
	uword start, end, page_kib;
	char rights[5];
} line_t;

static u32
read_lines(line_t *lines, u32 n_max)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char text[512];
	u32 n = 0;

	while (f && fgets(text, sizeof(text), f)) {
		line_t l = { 0 };

		if (sscanf(text, "%lx-%lx %4s", &l.start, &l.end, l.rights) == 3 && n < n_max)
			lines[n++] = l;
		else if (n)
			sscanf(text, "KernelPageSize: %lu kB", &lines[n - 1].page_kib);
	}
	if (f)
		fclose(f);
	return n;
}

static u64
pagemap_entry(uword va)
{
	static int fd = -1;
	u64 entry = 0;

	if (fd < 0)
		fd = open("/proc/self/pagemap", O_RDONLY);
	if (pread(fd, &entry, 8, (off_t)(va / PAGE * 8)) != 8)
		return 0;
	return entry;
}

/* Whether an answer is what the other reader says. */
static int
agrees(const vm_address_t *a, const line_t *lines, u32 n)
{
	u64 entry;

	for (u32 i = 0; i < n; i++) {
		const line_t *l = &lines[i];

		if (a->va < l->start || a->va >= l->end)
			continue;
		entry = pagemap_entry(a->va);
		if (strcmp(a->rights, l->rights) || 1ULL << a->log2_page_size != l->page_kib << 10)
			return 0;
		if (entry >> 63)
			return a->state == VM_ADDRESS_RESIDENT &&
			       (!(entry << 9) || (a->pfn == (entry & pow2_mask(55)) &&
						  a->pa == a->pfn * PAGE + a->va % PAGE));
		return a->state ==
		       (memcmp(l->rights, "---", 3) ? VM_ADDRESS_ABSENT : VM_ADDRESS_RESERVED);
	}
	return a->state == VM_ADDRESS_UNMAPPED && a->log2_page_size == 0;
}

/* 10 000 addresses, in mappings of every kind and in none: no answer differs from that of an
 * independent reader. */
static void
ten_thousand_addresses_agree_with_another_reader(void)
{
	static vm_address_t addresses[10000];
	static line_t lines[1000];
	vm_range_t *r = range_of_4k("addresses", MiB(4), VM_RANGE_SHARED);
	u64 seed = unit_seed();
	u32 n, n_differ = 0, n_resident = 0;

	CU_ASSERT_EQUAL_FATAL(vm_commit(r, MiB(1), MiB(1)), 0);
	n = read_lines(lines, ARRAY_LEN(lines));
	for (u32 i = 0; i < ARRAY_LEN(addresses); i++) {
		const line_t *l = &lines[unit_random_below(&seed, n)];

		if (i % 4 == 0)
			addresses[i].va = pointer_to_uword(vm_range_base(r)) +
					  unit_random_below(&seed, MiB(4));
		else if (i % 16 == 1)
			addresses[i].va = unit_random_below(&seed, 1ULL << 47);
		else
			addresses[i].va = l->start + unit_random_below(&seed, l->end - l->start);
	}
	CU_ASSERT_EQUAL(vm_inspect(addresses, ARRAY_LEN(addresses)), 0);
	for (u32 i = 0; i < ARRAY_LEN(addresses); i++) {
		/* pagemap has no entries for the kernel's half. */
		if (addresses[i].va >> 47)
			continue;
		n_resident += addresses[i].state == VM_ADDRESS_RESIDENT;
		/* A page of ours may be touched for the first time between the two looks. */
		if (!agrees(&addresses[i], lines, n))
			vm_inspect(&addresses[i], 1);
		if (!agrees(&addresses[i], lines, n) && ++n_differ < 5)
			printf("0x%lx: %s, %s, %s\n", addresses[i].va,
			       vm_address_state_name(addresses[i].state), addresses[i].rights,
			       addresses[i].path);
	}
	printf("%u addresses, %u mappings, %u resident\n", (u32)ARRAY_LEN(addresses), n,
	       n_resident);
	CU_ASSERT_EQUAL(n_differ, 0);
	CU_ASSERT(n_resident > 100);
	vm_release(r);
}

/* A range goes through its states: address space, page, address space again. */
static void
a_page_is_reserved_then_resident_then_reserved(void)
{
	vm_range_t *r = range_of_4k("states", MiB(1), 0);
	vm_address_t a = { .va = pointer_to_uword(vm_range_base(r)) + 5 * PAGE + 123 };

	vm_inspect(&a, 1);
	CU_ASSERT_EQUAL(a.state, VM_ADDRESS_RESERVED);
	CU_ASSERT_STRING_EQUAL(a.rights, "---p");
	CU_ASSERT_EQUAL(vm_commit(r, 5 * PAGE, PAGE), 0);
	vm_inspect(&a, 1);
	CU_ASSERT_EQUAL(a.state, VM_ADDRESS_RESIDENT);
	CU_ASSERT_STRING_EQUAL(a.rights, "rw-p");
	CU_ASSERT_EQUAL(a.log2_page_size, 12);
	CU_ASSERT_EQUAL(a.page_offset, 123);
	CU_ASSERT_EQUAL(a.map_start, pointer_to_uword(vm_range_base(r)) + 5 * PAGE);
	CU_ASSERT_EQUAL(vm_decommit(r, 0, MiB(1), NULL), 0);
	vm_inspect(&a, 1);
	CU_ASSERT_EQUAL(a.state, VM_ADDRESS_RESERVED);
	CU_ASSERT_EQUAL(a.pfn, VM_ADDRESS_UNKNOWN);
	CU_ASSERT_EQUAL(a.node, -1);
	vm_release(r);
}

/* The indices of the four tables make up the address again. */
static void
table_indices_put_the_address_together(void)
{
	vm_address_t a = { .va = pointer_to_uword(&a) };

	vm_inspect(&a, 1);
	CU_ASSERT_EQUAL(a.state, VM_ADDRESS_RESIDENT);
	CU_ASSERT_EQUAL((uword)a.pgd << 39 | (uword)a.pud << 30 | (uword)a.pmd << 21 |
				(uword)a.pte << 12 | a.page_offset,
			a.va);
	CU_ASSERT_STRING_EQUAL(a.path, "[stack]");
}

static int
nobody_gets_no_frame_numbers(void)
{
	vm_address_t a = { .va = pointer_to_uword(&a) };
	int rv = drop_root();

	if (rv)
		return rv;
	CHILD_CHECK(vm_inspect(&a, 1) == 0);
	CHILD_CHECK(a.state == VM_ADDRESS_RESIDENT || a.state == VM_ADDRESS_ABSENT);
	CHILD_CHECK(a.pfn == VM_ADDRESS_UNKNOWN);
	CHILD_CHECK(a.pa == VM_ADDRESS_UNKNOWN);
	CHILD_CHECK(a.page_flags == VM_ADDRESS_UNKNOWN);
	return 0;
}

/* What a process may not know is unknown, not 0. */
static void
without_root_frames_are_unknown(void)
{
	CHILD_ASSERT(nobody_gets_no_frame_numbers);
}

/* One memory file mapped twice is one frame, and the kernel counts two mappings. */
static void
a_page_mapped_twice_has_one_frame_and_a_count_of_two(void)
{
	int fd = memfd_create("twice", 0);
	vm_address_t a[2] = { 0 };
	u8 *p, *q;

	CU_ASSERT_EQUAL(ftruncate(fd, (off_t)PAGE), 0);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p[0] = 1;
	CU_ASSERT_EQUAL(q[0], 1);
	a[0].va = pointer_to_uword(p);
	a[1].va = pointer_to_uword(q);
	vm_inspect(a, 2);
	CU_ASSERT_EQUAL(a[0].pfn, a[1].pfn);
	if (a[0].map_count != VM_ADDRESS_UNKNOWN)
		CU_ASSERT_EQUAL(a[0].map_count, 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(a[0].path, "memfd:twice"));
	munmap(p, PAGE);
	munmap(q, PAGE);
	close(fd);
}

/* Every flag the kernel documents has a word. */
static void
page_flags_have_names(void)
{
	CU_ASSERT_STRING_EQUAL(vm_page_flag_name(17), "huge");
	CU_ASSERT_STRING_EQUAL(vm_page_flag_name(22), "thp");
	CU_ASSERT_STRING_EQUAL(vm_page_flag_name(26), "pgtable");
	CU_ASSERT_PTR_NULL(vm_page_flag_name(63));
	CU_ASSERT_STRING_EQUAL(vm_address_state_name(VM_ADDRESS_SWAPPED), "swapped");
}

static const unit_test_t tests[] = {
	UNIT(ten_thousand_addresses_agree_with_another_reader),
	UNIT(a_page_is_reserved_then_resident_then_reserved),
	UNIT(table_indices_put_the_address_together),
	UNIT(without_root_frames_are_unknown),
	UNIT(a_page_mapped_twice_has_one_frame_and_a_count_of_two),
	UNIT(page_flags_have_names),
};

int
main(void)
{
	return unit_run("vm_address", tests, ARRAY_LEN(tests));
}
