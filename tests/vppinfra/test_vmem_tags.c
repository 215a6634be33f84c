/* SPDX-License-Identifier: Apache-2.0 */
/* What a segment costs, that the hash keeps up with the work a little at a time, and what happens
 * when there is no memory for tags.  Linked with the library's objects. */
#include <vppinfra/vmem/vmem_impl.h>
#include "unit.h"

#define ADDR(x) ((void *)(uword)(x))

STATIC_ASSERT(sizeof(struct vmem_seg) + sizeof(vmem_tag_index_t) <= 28, "a tag and a bucket");

static vmem_t *
ids_of(uword n)
{
	vmem_t *vmp =
		vmem_create("ids", ADDR(1), n, 1, NULL, NULL, NULL, 0, VM_NOSLEEP | VMC_IDENTIFIER);

	CU_ASSERT_PTR_NOT_NULL_FATAL(vmp);
	return vmp;
}

static void
check_all(void)
{
	vmem_t *all[] = { vmem_seg_arena, vmem_hash_arena, vmem_internal_arena, vmem_vmem_arena,
			  vmem_heap };

	for (u32 i = 0; i < ARRAY_LEN(all); i++)
		CU_ASSERT_EQUAL(vmem_check(all[i], NULL, 0), 0);
}

/* Bytes of memory, as the system gave it, for n segments; each is its own, with a hole behind. */
static void
segments_cost_28_bytes(void)
{
	/* Just above a power of two the hash has just begun on a new part. */
	static const u32 counts[] = { 100000, 131073, 1000000, 1048577 };

	for (u32 i = 0; i < ARRAY_LEN(counts); i++) {
		u32 n = counts[i];
		vmem_t *vmp = ids_of(n);
		uword before, bytes;

		vmem_reap();
		before = vmem_mmap_committed_bytes();
		for (u32 id = 0; id < n; id++)
			vmem_alloc(vmp, 1, VM_NOSLEEP);
		CU_ASSERT_EQUAL(vmp->vm_n_segs, n);
		bytes = vmem_mmap_committed_bytes() - before;
		printf("%u segments: %.2f bytes each\n", n, (double)bytes / n);
		/* And what describes the memory for that: nine tags, in three arenas, for each
		 * chunk and each block; a page that each small part of the hash may round. */
		CU_ASSERT(bytes <= 28ull * n + 5 * n / 8 + 2 * VMEM_CHUNK_BYTES + KiB(64));
		CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
		for (u32 id = 1; id <= n; id++)
			vmem_free(vmp, ADDR(id), 1);
		CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
		CU_ASSERT_EQUAL(vmp->vm_hash_mask + 1 + vmp->vm_hash_split, VMEM_HASH_INITIAL);
		vmem_destroy(vmp);
	}
}

/* Bytes that the system gave since. */
static uword
fresh_bytes(uword *before)
{
	uword now = vmem_mmap_committed_bytes(), bytes = now > *before ? now - *before : 0;

	*before = now;
	return bytes;
}

/* Memory from the system is what an operation waits longest for.  So each asks for one piece, three
 * pages at most, however large the arena is and though it needs tags, buckets and nodes of an
 * index: what it cannot have is for the next. */
static void
one_small_fetch_an_operation(void)
{
	u32 n = 600000, n_fetches = 0;
	vmem_t *vmp = ids_of(2 * n);
	uword before, bytes, most = 0;

	vmem_reap();
	CU_ASSERT_EQUAL(vmem_prepare(vmp), 0);
	before = vmem_mmap_committed_bytes();
	for (u32 i = 0; i < n; i++) {
		vmem_alloc(vmp, 1, VM_NOSLEEP | (i % 3 ? 0 : VM_BESTFIT));
		bytes = fresh_bytes(&before);
		n_fetches += bytes != 0;
		most = clib_max(most, bytes);
	}
	for (u32 i = 1; i <= n; i += 2) {
		vmem_free(vmp, ADDR(i), 1);
		bytes = fresh_bytes(&before);
		n_fetches += bytes != 0;
		most = clib_max(most, bytes);
	}
	printf("%u fetches, at most %llu bytes\n", n_fetches, (unsigned long long)most);
	CU_ASSERT(n_fetches > n / VMEM_TAGS_PER_CHUNK);
	CU_ASSERT(most <= VMEM_CHUNK_BYTES);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	for (u32 i = 2; i <= n; i += 2)
		vmem_free(vmp, ADDR(i), 1);
	vmem_destroy(vmp);
}

/* Above four million buckets the directory of blocks has a directory: found, split, joined and
 * given back like the others. */
static void
the_hash_has_directories_of_directories(void)
{
	/* A tenth of that under a sanitizer, which is one directory. */
	u32 n = (u32)unit_n_ops(2 * VMEM_HASH_DIRECTORY_BUCKETS + 3 * VMEM_HASH_BLOCK_BUCKETS);
	vmem_t *vmp = ids_of(n);
	uword before, most = 0, hash_bytes;

	vmem_reap();
	before = vmem_mmap_committed_bytes();
	for (u32 i = 0; i < n; i++) {
		vmem_alloc(vmp, 1, VM_NOSLEEP);
		most = clib_max(most, fresh_bytes(&before));
	}
	CU_ASSERT(most <= VMEM_CHUNK_BYTES);
	CU_ASSERT(vmem_hash_n_buckets(vmp) + VMEM_HASH_BUCKETS_PER_OP >= n);
	hash_bytes = vmem_hash_bytes(vmp);
	CU_ASSERT(hash_bytes >= vmem_hash_n_buckets(vmp) * sizeof(vmem_tag_index_t) - KiB(4));
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	for (u32 i = n; i >= 1; i--)
		vmem_free(vmp, ADDR(i), 1);
	CU_ASSERT_EQUAL(vmp->vm_n_segs, 0);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_bad_free, 0);
	CU_ASSERT(vmem_hash_bytes(vmp) < hash_bytes / 10);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	vmem_destroy(vmp);
	vmem_reap();
}

typedef struct {
	u64 moved, worst;
} moves_t;

static void
note_moves(const vmem_t *vmp, moves_t *m)
{
	u64 n = vmp->vm_kstat.vk_hash_moved - m->moved;

	m->moved = vmp->vm_kstat.vk_hash_moved;
	m->worst = clib_max(m->worst, n);
}

/* A fill to a million segments and a free of all, in an order unlike the one they came in: no
 * operation moves more than a handful, and chains stay short throughout. */
static void
the_hash_is_rescaled_with_the_work(void)
{
	u32 n = 1 << 20, step = 611953; /* a prime: visits every id once */
	vmem_t *vmp = ids_of(n);
	moves_t moves = { 0, 0 };
	u64 n_searched;

	for (u32 i = 0; i < n; i++) {
		vmem_alloc(vmp, 1, VM_NOSLEEP);
		note_moves(vmp, &moves);
		/* A few more while a directory and a block are being fetched, and tags between. */
		if (vmp->vm_n_segs > vmp->vm_hash_mask + 1 + vmp->vm_hash_split + 4)
			CU_FAIL("more entries than buckets");
	}
	CU_ASSERT(moves.moved >= n / 2);
	for (u32 i = 0; i < n; i++) {
		vmem_free(vmp, ADDR(1 + (u64)i * step % n), 1);
		note_moves(vmp, &moves);
		if (i % 100000 == 0)
			CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	}
	n_searched = vmp->vm_kstat.vk_search;
	printf("moved %.2f an operation, at most %llu; passed over %.2f a look-up\n",
	       (double)moves.moved / (2 * n), (unsigned long long)moves.worst,
	       (double)n_searched / n);
	CU_ASSERT(moves.worst <= 24);
	CU_ASSERT(n_searched < 2 * (u64)n);
	CU_ASSERT_EQUAL(vmp->vm_n_segs, 0);
	CU_ASSERT(vmp->vm_kstat.vk_hash_resizes >= 2 * 16);
	vmem_destroy(vmp);
}

/* Power-of-two sizes at power-of-two distances must not meet in few buckets. */
static void
strides_do_not_collide(void)
{
	for (u32 log2 = 0; log2 < 40; log2 += 3) {
		vmem_t *vmp = vmem_create("strides", ADDR(1ull << 46), 1ull << (log2 + 14), 1, NULL,
					  NULL, NULL, 0, VM_NOSLEEP);
		uword addr = 1ull << 46;

		for (u32 i = 0; i < 1 << 14; i++)
			vmem_alloc(vmp, 1ull << log2, VM_NOSLEEP);
		for (u32 i = 0; i < 1 << 14; i++, addr += 1ull << log2)
			vmem_free(vmp, ADDR(addr), 1ull << log2);
		CU_ASSERT_EQUAL(vmp->vm_n_segs, 0);
		CU_ASSERT(vmp->vm_kstat.vk_search < 3 << 14);
		vmem_destroy(vmp);
	}
}

static void
free_it(void *vmp, void *p, size_t size)
{
	vmem_free(vmp, p, size);
}

/* Nothing left for tags: requests are refused and say so, every free works, and what is freed
 * can be had again. */
static void
free_needs_no_tags(void)
{
	u32 n = 20000, n_got = 0, n_again = 0;
	vmem_t *vmp = ids_of(2 * n);
	u64 n_free, n_chunks, n_chunks_before;

	vmem_reap();
	vmem_tags_counts(&n_free, &n_chunks_before);
	vmem_seg_arena->vm_mtbf = 1; /* no chunk is given from here on */
	for (u32 i = 0; i < n; i++)
		n_got += vmem_alloc(vmp, 1, VM_NOSLEEP) != NULL;
	CU_ASSERT(n_got > 0);
	CU_ASSERT(n_got < n);
	CU_ASSERT(vmp->vm_kstat.vk_populate_fail > 0);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_fail, n - n_got);
	vmem_tags_counts(&n_free, &n_chunks);
	CU_ASSERT_EQUAL(n_chunks, n_chunks_before);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	check_all();
	/* Spans need tags too. */
	CU_ASSERT_PTR_NULL(vmem_add(vmp, ADDR(MiB(1)), 16, VM_NOSLEEP));

	for (u32 i = 1; i <= n_got; i += 2)
		vmem_free(vmp, ADDR(i), 1);
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_ALLOC), n_got / 2);
	/* A hole of just that size takes no tag, so each can be had again. */
	for (u32 i = 0; i < n_got / 2; i++)
		n_again += vmem_alloc(vmp, 1, VM_NOSLEEP | VM_BESTFIT) != NULL;
	CU_ASSERT_EQUAL(n_again, n_got / 2);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	vmem_seg_arena->vm_mtbf = 0;
	while (n_got < n)
		n_got += vmem_alloc(vmp, 1, VM_NOSLEEP | VM_NEXTFIT) != NULL;
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	check_all();
	vmem_walk(vmp, VMEM_ALLOC | (int)VMEM_REENTRANT, free_it, vmp);
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_ALLOC), 0);
	vmem_destroy(vmp);
}

/* Tags of an arena that names a node come from chunks of that node's own, whatever else is in
 * stock; one that the machine has not is refused. */
static void
tags_lie_on_the_arenas_node(void)
{
	vmem_t *here = ids_of(20000), *anywhere = ids_of(20000);
	u32 chunk = 0;

	CU_ASSERT_EQUAL(vmem_set_node(here, -2), -ENODEV);
	CU_ASSERT_EQUAL(vmem_set_node(here, 7), -ENODEV);
	CU_ASSERT_EQUAL(vmem_set_node(here, 0), 0);
	/* As on a machine with several: there vmem_set_node() does this. */
	here->vm_node = 0;
	vmem_tags_give(here, 0);
	for (u32 i = 0; i < 10000; i++) {
		u32 a, b;

		vmem_alloc(here, 1, VM_NOSLEEP);
		vmem_alloc(anywhere, 1, VM_NOSLEEP);
		/* The youngest is the last before the free one. */
		a = vmem_tag(here->vm_freelist[min_log2(here->vm_freemap)].vs_knext)->vs_aprev;
		b = vmem_tag(anywhere->vm_freelist[min_log2(anywhere->vm_freemap)].vs_knext)
			    ->vs_aprev;
		CU_ASSERT_NOT_EQUAL(a >> VMEM_LOG2_TAGS_PER_CHUNK, b >> VMEM_LOG2_TAGS_PER_CHUNK);
		chunk = a >> VMEM_LOG2_TAGS_PER_CHUNK;
	}
	CU_ASSERT(chunk != 0);
	CU_ASSERT_EQUAL(vmem_check(here, NULL, 0), 0);
	for (u32 i = 1; i <= 10000; i++) {
		vmem_free(here, ADDR(i), 1);
		vmem_free(anywhere, ADDR(i), 1);
	}
	vmem_destroy(here);
	vmem_destroy(anywhere);
	vmem_reap();
	check_all();
}

/* Without memory for the hash everything works, with longer chains; with memory again it catches
 * up as the work goes on. */
static void
the_hash_does_without_memory(void)
{
	u32 n = 5000;
	vmem_t *vmp = ids_of(2 * n);

	vmem_hash_arena->vm_mtbf = 1;
	for (u32 i = 0; i < n; i++)
		CU_ASSERT_PTR_NOT_NULL(vmem_alloc(vmp, 1, VM_NOSLEEP));
	CU_ASSERT_EQUAL(vmp->vm_hash_mask + 1, VMEM_HASH_INITIAL);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	vmem_hash_arena->vm_mtbf = 0;
	for (u32 i = 0; i < 4 * n; i++)
		vmem_free(vmp, vmem_alloc(vmp, 1, VM_NOSLEEP), 1);
	CU_ASSERT(vmp->vm_n_segs <= vmp->vm_hash_mask + 1 + vmp->vm_hash_split);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	for (u32 i = 1; i <= n; i++)
		vmem_free(vmp, ADDR(i), 1);
	vmem_destroy(vmp);
}

/* vmem_check() is no rubber stamp: each structure is broken in turn and named. */
static void
check_finds_what_is_broken(void)
{
	vmem_t *vmp = ids_of(1000);
	char what[128];
	u32 free_tag, *bucket, saved;

	for (u32 i = 0; i < 9; i++)
		vmem_alloc(vmp, 10, VM_NOSLEEP | VM_FIRSTFIT);
	vmem_free(vmp, ADDR(21), 10);
	CU_ASSERT_EQUAL(vmem_check(vmp, what, sizeof(what)), 0);
	free_tag = vmp->vm_freelist[3].vs_knext;

#define BROKEN(expression, damage, text)                                                           \
	do {                                                                                       \
		__typeof__(expression) _saved = (expression);                                      \
		(expression) = (damage);                                                           \
		CU_ASSERT_EQUAL(vmem_check(vmp, what, sizeof(what)), -EUCLEAN);                    \
		CU_ASSERT_PTR_NOT_NULL(strstr(what, text));                                        \
		if (!strstr(what, text))                                                           \
			printf("%s instead of %s\n", what, text);                                  \
		(expression) = _saved;                                                             \
		CU_ASSERT_EQUAL(vmem_check(vmp, what, sizeof(what)), 0);                           \
	} while (0)

	BROKEN(vmem_tag(free_tag)->vs_aprev, 0, "left neighbour");
	BROKEN(vmem_tag(free_tag)->vs_start, 33, "does not fit its span");
	BROKEN(vmem_tag(free_tag)->vs_knext_type, VMEM_TAG_TYPE(VMEM_TAG_ALLOC), "not in the hash");
	BROKEN(vmem_tag(vmem_tag(free_tag)->vs_anext)->vs_slack, 1, "slack");
	BROKEN(vmem_tag(vmem_tag(vmem_span_next(vmp, 0))->vs_kprev)->vs_kprev, free_tag,
	       "tree of spans");
	BROKEN(vmem_tag(vmp->vm_seg0)->vs_knext_type, VMEM_TAG_TYPE(VMEM_TAG_SPAN),
	       "tree of spans");
	BROKEN(vmp->vm_freemap, 0, "bitmap");
	BROKEN(vmp->vm_freelist[3].vs_kprev, 0, "tail");
	BROKEN(vmp->vm_freelist[3].vs_knext, 0, "tail");
	BROKEN(vmp->vm_nsegfree, 1, "vm_nsegfree");
	BROKEN(vmp->vm_n_segs, 3, "counted 3");
	BROKEN(vmp->vm_kstat.vk_mem_inuse, 3, "sums");
	BROKEN(vmp->vm_kstat.vk_mem_import, 3, "sums");
	BROKEN(vmp->vm_hash_split, 99, "split");
	BROKEN(vmp->vm_hash_n_buckets, VMEM_HASH_INITIAL - 1, "split");
	BROKEN(vmem_tag(vmp->vm_rotor)->vs_anext, free_tag, "behind its address");
	bucket = vmem_hash_bucket(vmp, 1);
	saved = *bucket;
	BROKEN(*bucket, 0, "not in the hash");
	CU_ASSERT_EQUAL(*bucket, saved);
#undef BROKEN
	vmem_free(vmp, ADDR(1), 10);
	for (u32 i = 3; i < 9; i++)
		vmem_free(vmp, ADDR(1 + 10 * i), 10);
	vmem_free(vmp, ADDR(11), 10);
	vmem_destroy(vmp);
}

static const unit_test_t tests[] = {
	UNIT(segments_cost_28_bytes),
	UNIT(one_small_fetch_an_operation),
	UNIT(the_hash_has_directories_of_directories),
	UNIT(the_hash_is_rescaled_with_the_work),
	UNIT(strides_do_not_collide),
	UNIT(free_needs_no_tags),
	UNIT(the_hash_does_without_memory),
	UNIT(tags_lie_on_the_arenas_node),
	UNIT(check_finds_what_is_broken),
};

int
main(void)
{
	vmem_mmap_arena(NULL, NULL);
	return unit_run("vmem_tags", tests, ARRAY_LEN(tests));
}
