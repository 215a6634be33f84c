/* SPDX-License-Identifier: Apache-2.0 */
/* What does a block of pages cost?
 *
 * Pairs of alloc and free of one page and of larger blocks, hot; random replacement among many
 * held; the way from an address to its frame by record, by the table of all ranges, and through
 * pagemap.  Beside them glibc's
 * aligned_alloc() of the same sizes and the same replacement.  Unit: one pair, or one look-up. */
#include "bench.h"

#include <vppinfra/pages.h>
#include <vppinfra/vm_guard.h>

#define N_HELD 4096

static pages_t *set, *guarded_set;
static page_t *held[N_HELD];
static void *held_malloc[N_HELD];
static uint64_t seed = 42;
static uint8_t *somewhere;

static void
pair(void *arg, uint64_t n_ops)
{
	u32 order = (u32)(uword)arg;

	for (uint64_t i = 0; i < n_ops; i++) {
		page_t *page = pages_alloc(set, GFP_ATOMIC, order);

		bench_keep(page);
		pages_free(page, order);
	}
}

/* Each call opens and closes a protection key, and no page is kept by the thread. */
static void
pair_guarded(void *CLIB_UNUSED(arg), uint64_t n_ops)
{
	for (uint64_t i = 0; i < n_ops; i++) {
		page_t *page = pages_alloc(guarded_set, GFP_ATOMIC, 0);

		bench_keep(page);
		pages_free(page, 0);
	}
}

static void
pair_aligned_alloc(void *arg, uint64_t n_ops)
{
	uword bytes = PAGES_PAGE_BYTES << (uword)arg;

	for (uint64_t i = 0; i < n_ops; i++) {
		void *p = aligned_alloc(bytes, bytes);

		bench_keep(p);
		free(p);
	}
}

static void
replace(void *CLIB_UNUSED(arg), uint64_t n_ops)
{
	for (uint64_t i = 0; i < n_ops; i++) {
		uint64_t k = bench_random(&seed) % N_HELD;

		if (held[k])
			pages_free(held[k], 0);
		held[k] = pages_alloc(set, GFP_ATOMIC, 0);
	}
}

static void
replace_aligned_alloc(void *CLIB_UNUSED(arg), uint64_t n_ops)
{
	for (uint64_t i = 0; i < n_ops; i++) {
		uint64_t k = bench_random(&seed) % N_HELD;

		free(held_malloc[k]);
		held_malloc[k] = aligned_alloc(PAGES_PAGE_BYTES, PAGES_PAGE_BYTES);
	}
}

static void
virt_to_phys_by_record(void *CLIB_UNUSED(arg), uint64_t n_ops)
{
	u64 sum = 0;

	for (uint64_t i = 0; i < n_ops; i++)
		sum += clib_virt_to_phys(somewhere + (i * 4099 & (MiB(2) - 1)));
	bench_keep(sum);
}

static void
virt_to_phys_by_range(void *CLIB_UNUSED(arg), uint64_t n_ops)
{
	u64 sum = 0;

	for (uint64_t i = 0; i < n_ops; i++)
		sum += vm_virt_to_phys(somewhere + (i * 4099 & (MiB(2) - 1)));
	bench_keep(sum);
}

static void
virt_to_phys_by_pagemap(void *CLIB_UNUSED(arg), uint64_t n_ops)
{
	u64 sum = 0, pa;

	for (uint64_t i = 0; i < n_ops; i++)
		sum += vm_va_to_pa(somewhere + (i * 4099 & (MiB(2) - 1)), &pa) ? 0 : pa;
	bench_keep(sum);
}

static bench_case_t cases[] = {
	{ .name = "pages_pair", .params = "order=0", .fn = pair, .n_ops = 1 << 18 },
	{ .name = "aligned_alloc_pair",
	  .params = "order=0",
	  .fn = pair_aligned_alloc,
	  .n_ops = 1 << 16 },
	{ .name = "pages_pair",
	  .params = "order=3",
	  .fn = pair,
	  .arg = (void *)3,
	  .n_ops = 1 << 17 },
	{ .name = "aligned_alloc_pair",
	  .params = "order=3",
	  .fn = pair_aligned_alloc,
	  .arg = (void *)3,
	  .n_ops = 1 << 12 },
	{ .name = "pages_replace", .params = "held=4096", .fn = replace, .n_ops = 1 << 17 },
	{ .name = "aligned_alloc_replace",
	  .params = "held=4096",
	  .fn = replace_aligned_alloc,
	  .n_ops = 1 << 16 },
	{ .name = "pages_pair",
	  .params = "order=0 guarded=1",
	  .fn = pair_guarded,
	  .n_ops = 1 << 16 },
	{ .name = "virt_to_phys",
	  .params = "by=record",
	  .fn = virt_to_phys_by_record,
	  .n_ops = 1 << 18 },
	{ .name = "virt_to_phys",
	  .params = "by=range",
	  .fn = virt_to_phys_by_range,
	  .n_ops = 1 << 18 },
	{ .name = "virt_to_phys",
	  .params = "by=pagemap",
	  .fn = virt_to_phys_by_pagemap,
	  .n_ops = 1 << 12 },
};

int
main(void)
{
	pages_params_t params = { .name = "bench",
				  .numa_node = vm_current_numa_node(),
				  .page_size = CLIB_MEM_PAGE_SZ_DEFAULT_HUGE,
				  .max_bytes = MiB(64),
				  .initial_bytes = MiB(64),
				  .n_cached_pages = 64 };
	const char *why = "";
	page_t *page;

	bench_start("bench_pages");
	if (pages_create(&params, &set)) {
		fprintf(stderr, "bench_pages: no pages: sysctl vm.nr_hugepages=512\n");
		return 1;
	}
	page = pages_alloc(set, GFP_ATOMIC, 9);
	somewhere = clib_page_address(page);
	params.name = "guarded";
	params.max_bytes = params.initial_bytes = MiB(2);
	if (vm_guard_enable(&why))
		printf("# guarded=1 is not guarded: %s\n", why);
	if (pages_create(&params, &guarded_set)) {
		fprintf(stderr, "bench_pages: no pages: sysctl vm.nr_hugepages=512\n");
		return 1;
	}
	return bench_run(cases, ARRAY_LEN(cases), 31);
}
