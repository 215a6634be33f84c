/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/sparse_vec.h>
#include "container_test.h"

typedef struct {
	u32 node, errors;
} port_t;

/* Indices without element give place 0, whose element belongs to nobody. */
static void
what_is_no_member_is_element_0(void)
{
	port_t *v = 0, *p;
	u32 i0, i1;

	heap_begin(MiB(1));
	p = sparse_vec_validate(v, 4789);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_EQUAL(p->node, 0);
	p->node = 7;
	v[SPARSE_VEC_INVALID_INDEX].node = ~0u;
	CU_ASSERT_EQUAL(vec_len(v), 2);
	CU_ASSERT_EQUAL(sparse_vec_index(v, 4789), 1);
	CU_ASSERT_EQUAL(sparse_vec_index(v, 4788), SPARSE_VEC_INVALID_INDEX);
	CU_ASSERT_EQUAL(sparse_vec_index(v, 4790), SPARSE_VEC_INVALID_INDEX);
	CU_ASSERT_EQUAL(sparse_vec_elt_at_index(v, 4789)->node, 7);
	CU_ASSERT_EQUAL(sparse_vec_elt_at_index(v, 80)->node, ~0u);
	/* One past the greatest index is none either, and cannot become one. */
	CU_ASSERT_EQUAL(sparse_vec_index(v, 65536), SPARSE_VEC_INVALID_INDEX);
	CU_ASSERT_EQUAL(sparse_vec_index(v, ~0ULL), SPARSE_VEC_INVALID_INDEX);
	CU_ASSERT_PTR_NULL(sparse_vec_validate(v, 65536));
	CU_ASSERT_EQUAL(vec_len(v), 2);
	sparse_vec_index2(v, 4789, 80, &i0, &i1);
	CU_ASSERT_EQUAL(i0, 1);
	CU_ASSERT_EQUAL(i1, 0);
	sparse_vec_free(v);
	CU_ASSERT_PTR_NULL(v);
	sparse_vec_free(v);
	heap_end();
}

/* Members keep their elements whatever comes between them, and lie in the order of indices. */
static void
members_keep_their_elements(void)
{
	static const u16 ports[] = { 4789, 80, 65535, 0, 443, 64, 63, 65, 4790 };
	port_t *v = 0;

	heap_begin(MiB(1));
	for (u32 i = 0; i < ARRAY_LEN(ports); i++) {
		port_t *p = sparse_vec_validate(v, ports[i]);

		CU_ASSERT_EQUAL(p->node, 0);
		p->node = ports[i] + 1u;
		CU_ASSERT_EQUAL(sparse_vec_check(v), 0);
		for (u32 k = 0; k <= i; k++)
			CU_ASSERT_EQUAL(sparse_vec_elt_at_index(v, ports[k])->node, ports[k] + 1u);
	}
	CU_ASSERT_EQUAL(sparse_vec_validate(v, 80)->node, 81);
	CU_ASSERT_EQUAL(vec_len(v), ARRAY_LEN(ports) + 1);
	for (u32 i = 2; i < vec_len(v); i++)
		CU_ASSERT_TRUE(v[i - 1].node < v[i].node);
	sparse_vec_free(v);
	heap_end();
}

/* All 65536 indices may be members: the counts, which are u16, hold. */
static void
every_index_may_be_a_member(void)
{
	u32 *v = 0, n_wrong = 0, i0, i1;

	heap_begin(MiB(4));
	for (u32 i = 0; i < 65536; i++)
		*sparse_vec_validate(v, i) = i;
	CU_ASSERT_EQUAL(vec_len(v), 65537);
	CU_ASSERT_EQUAL(sparse_vec_check(v), 0);
	for (u32 i = 0; i < 65536; i++) {
		n_wrong += *sparse_vec_elt_at_index(v, i) != i;
		sparse_vec_index2(v, i, 65535 - i, &i0, &i1);
		n_wrong += i0 != i + 1 || i1 != 65536 - i;
	}
	CU_ASSERT_EQUAL(n_wrong, 0);
	sparse_vec_free(v);
	heap_end();
}

/* Indices of fewer bits take smaller tables, and more than 16 cannot be had. */
static void
index_bits_are_kept(void)
{
	heap_begin(MiB(1));
	for (uword bits = 0; bits <= 16; bits++) {
		u64 *v = sparse_vec_new(sizeof(u64), bits);

		CU_ASSERT_PTR_NOT_NULL_FATAL(v);
		CU_ASSERT_EQUAL(vec_len(v), 1);
		CU_ASSERT_EQUAL(v[0], 0);
		CU_ASSERT_EQUAL(vec_len(sparse_vec_header(v)->is_member_bitmap),
				bits <= 6 ? 1 : 1u << (bits - 6));
		CU_ASSERT_PTR_NOT_NULL(sparse_vec_validate(v, (1u << bits) - 1));
		CU_ASSERT_EQUAL(sparse_vec_index(v, (1u << bits) - 1), 1);
		sparse_vec_free(v);
	}
	CU_ASSERT_PTR_NULL(sparse_vec_new(sizeof(u64), 17));
	heap_end();
}

/* The header is where both generations look for it. */
static void
headers_are_found_both_ways(void)
{
	u8 *v = sparse_vec_new(1, 16);
	sparse_vec_header_t *h = sparse_vec_header(v);

	CU_ASSERT_PTR_EQUAL(vec_header(v, sizeof(sparse_vec_header_t)), h);
	CU_ASSERT_PTR_EQUAL(vec_header(v), h);
	sparse_vec_free(v);
}

/* A member that is a range stands for what is below it, down to the next member; a range that is
 * not valid hides it.  Flags go along when members come between. */
static void
members_may_be_ranges(void)
{
	sparse_vec_header_t *h;
	u32 *v = 0;

	heap_begin(MiB(1));
	*sparse_vec_validate(v, 10) = 10;
	*sparse_vec_validate(v, 20) = 20;
	*sparse_vec_validate(v, 30) = 30;
	h = sparse_vec_header(v);
	vec_validate(h->range_flags, 2);
	h->range_flags[1] = SPARSE_VEC_IS_RANGE | SPARSE_VEC_IS_VALID_RANGE;
	h->range_flags[2] = SPARSE_VEC_IS_RANGE;
	*sparse_vec_validate(v, 5) = 5;
	CU_ASSERT_EQUAL(sparse_vec_index_internal(v, 5, 1, 0), 1);
	CU_ASSERT_EQUAL(sparse_vec_index_internal(v, 7, 1, 0), 0);
	CU_ASSERT_EQUAL(sparse_vec_index_internal(v, 10, 1, 0), 2);
	CU_ASSERT_EQUAL(sparse_vec_index_internal(v, 11, 1, 0), 3);
	CU_ASSERT_EQUAL(sparse_vec_index_internal(v, 20, 1, 0), 3);
	CU_ASSERT_EQUAL(sparse_vec_index_internal(v, 21, 1, 0), 0);
	CU_ASSERT_EQUAL(sparse_vec_index_internal(v, 30, 1, 0), 0);
	CU_ASSERT_EQUAL(sparse_vec_index_internal(v, 31, 1, 0), 0);
	CU_ASSERT_EQUAL(sparse_vec_index(v, 30), 4);
	CU_ASSERT_EQUAL(sparse_vec_index(v, 11), 0);
	sparse_vec_free(v);
	heap_end();
}

/* The check sees counts and lengths that are wrong. */
static void
the_check_sees_what_is_broken(void)
{
	sparse_vec_header_t *h;
	u32 *v = 0;

	heap_begin(MiB(1));
	CU_ASSERT_EQUAL(sparse_vec_check(v), 0);
	sparse_vec_validate(v, 100);
	h = sparse_vec_header(v);
	h->member_counts[3]++;
	CU_ASSERT_EQUAL(sparse_vec_check(v), -EUCLEAN);
	h->member_counts[3]--;
	h->is_member_bitmap[900] = 4;
	CU_ASSERT_EQUAL(sparse_vec_check(v), -EUCLEAN);
	h->is_member_bitmap[900] = 0;
	vec_add1(v, 1);
	CU_ASSERT_EQUAL(sparse_vec_check(v), -EUCLEAN);
	sparse_vec_free(v);
	heap_end();
}

/* Random members beside an array of all indices. */
static void
random_members_match_an_array(void)
{
	static u32 model[65536];
	u64 seed = unit_seed(), n_ops = unit_n_ops(20000);
	u32 *v = 0, *copy;
	uword n = 0;

	heap_begin(MiB(4));
	for (u64 op = 0; op < n_ops; op++) {
		u32 i = (u32)unit_random_below(&seed, 65536), *p = sparse_vec_validate(v, i);

		CU_ASSERT_EQUAL_FATAL(*p, model[i]);
		n += model[i] == 0;
		*p = model[i] = (u32)op + 1;
		i = (u32)unit_random_below(&seed, 65536);
		CU_ASSERT_EQUAL_FATAL(*sparse_vec_elt_at_index(v, i), model[i]);
	}
	CU_ASSERT_EQUAL(vec_len(v), n + 1);
	CU_ASSERT_EQUAL(sparse_vec_check(v), 0);
	copy = sparse_vec_dup(v);
	sparse_vec_free(v);
	for (u32 i = 0; i < 65536; i++)
		CU_ASSERT_EQUAL(*sparse_vec_elt_at_index(copy, i), model[i]);
	CU_ASSERT_EQUAL(sparse_vec_check(copy), 0);
	sparse_vec_free(copy);
	heap_end();
}

static const unit_test_t tests[] = {
	UNIT(what_is_no_member_is_element_0), UNIT(members_keep_their_elements),
	UNIT(every_index_may_be_a_member),    UNIT(index_bits_are_kept),
	UNIT(headers_are_found_both_ways),    UNIT(members_may_be_ranges),
	UNIT(the_check_sees_what_is_broken),  UNIT(random_members_match_an_array),
};

int
main(void)
{
	return unit_run("sparse_vec", tests, ARRAY_LEN(tests));
}
