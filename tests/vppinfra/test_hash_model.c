/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/hash.h>
#include "container_test.h"

/* Random operations, memory ending now and then, beside an array of values by key. */

#define N_KEYS 4096

static u64 model[N_KEYS]; /* 0: not there */
static u64 model_n;

/* Keys of both kinds: numbers far apart, and the bytes of such numbers. */
static u64 key_bytes[N_KEYS];

static void
compare_with_model(uword *h, int is_mem)
{
	uword key, value, n = 0;

	CU_ASSERT_EQUAL_FATAL(hash_check(h), 0);
	CU_ASSERT_EQUAL_FATAL(hash_elts(h), model_n);
	for (uword i = 0; i < N_KEYS; i++) {
		uword *v = is_mem ? hash_get_mem(h, &key_bytes[i]) : hash_get(h, key_bytes[i]);

		CU_ASSERT_EQUAL_FATAL(v ? *v : 0, model[i]);
	}
	hash_foreach(key, value, h, ({
			     CU_ASSERT_TRUE(key != 0 || value != 0);
			     n++;
		     }));
	CU_ASSERT_EQUAL_FATAL(n, model_n);
}

static void
random_operations(int is_mem, u64 n_ops, u64 *seed)
{
	uword *h = 0;
	u64 favour = 8, n_refused = 0, range = N_KEYS;

	heap_begin(MiB(16));
	memset(model, 0, sizeof(model));
	model_n = 0;
	for (u64 i = 0; i < N_KEYS; i++)
		key_bytes[i] = i * 0x100000001ull << (i % 3 ? 0 : 20);
	h = is_mem ? hash_create_mem(0, sizeof(u64), sizeof(uword)) : NULL;
	for (u64 op = 0; op < n_ops; op++) {
		u64 i = unit_random_below(seed, range), key = key_bytes[i], old = 0;
		/* Another copy of the bytes than the one the table points at. */
		uword *found;
		int error;

		if (op % 5000 == 0) {
			favour = 2 + unit_random_below(seed, 12);
			range = 16 + unit_random_below(seed, N_KEYS - 16);
		}
		if (unit_random_below(seed, 16) < favour) {
			if (unit_random_below(seed, 8) == 0)
				mheap_fail_get_after(1 + unit_random_below(seed, 2));
			error = is_mem ? hash_set3(h, (uword)&key_bytes[i], op + 1, &old)
				       : hash_set3(h, key, op + 1, &old);
			mheap_fail_get_after(0);
			CU_ASSERT_TRUE(error == 0 || (error == -ENOMEM && model[i] == 0));
			n_refused += error != 0;
			if (!error) {
				CU_ASSERT_EQUAL(old, model[i]);
				model_n += model[i] == 0;
				model[i] = op + 1;
			}
		} else {
			error = is_mem ? hash_unset3(h, (uword)&key, &old)
				       : hash_unset3(h, key, &old);
			CU_ASSERT_EQUAL(error, model[i] ? 0 : -ENOENT);
			CU_ASSERT_EQUAL(old, model[i]);
			model_n -= model[i] != 0;
			model[i] = 0;
		}
		i = unit_random_below(seed, range);
		key = key_bytes[i];
		found = is_mem ? hash_get_mem(h, &key) : hash_get(h, key);
		CU_ASSERT_EQUAL_FATAL(found ? *found : 0, model[i]);
		if (op % 1000 == 0)
			compare_with_model(h, is_mem);
		if (unit_random_below(seed, 8000) == 0) {
			hash_free(h);
			memset(model, 0, sizeof(model));
			model_n = 0;
			h = is_mem ? hash_create_mem(0, sizeof(u64), sizeof(uword)) : NULL;
		}
	}
	CU_ASSERT_TRUE(n_refused > 0);
	compare_with_model(h, is_mem);
	hash_free(h);
	heap_end();
}

static void
random_operations_match_an_array(void)
{
	u64 seed = unit_seed();

	random_operations(0, unit_n_ops(1500000), &seed);
	random_operations(1, unit_n_ops(1500000), &seed);
}

static const unit_test_t tests[] = {
	UNIT(random_operations_match_an_array),
};

int
main(void)
{
	return unit_run("hash model", tests, ARRAY_LEN(tests));
}
