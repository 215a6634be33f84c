/* SPDX-License-Identifier: Apache-2.0 */
/* An ARP-like cache in today's idiom: entries in a pool, found by a struct; and strings interned once,
 * named by the offsets at which the table keeps them.
 *
 *   test_mhash [entries N] [verbose] */
#include <vppinfra/clib.h>
#include <vppinfra/mem.h>
#include <vppinfra/pool.h>
#include <vppinfra/mhash.h>
#include <vppinfra/error.h>
#include <vppinfra/format.h>

typedef struct {
	u32 sw_if_index;
	u8 address[4];
} arp_key_t;

typedef struct {
	arp_key_t key;
	u8 mac[6];
} arp_entry_t;

static clib_error_t *
test_arp(u32 n)
{
	arp_entry_t *entries = 0, *e;
	arp_key_t *k, key = { 0 };
	uword *p, n_seen = 0, old;
	clib_error_t *error;
	mhash_t cache;
	u32 i;

	mhash_init(&cache, sizeof(uword), sizeof(arp_key_t));
	if ((error = CLIB_ERROR_ASSERT(mhash_value_bytes(&cache) == sizeof(uword))))
		return error;
	for (i = 0; i < n; i++) {
		pool_get_zero(entries, e);
		e->key.sw_if_index = i & 3;
		clib_memcpy(e->key.address, &i, sizeof(i));
		mhash_set(&cache, &e->key, e - entries, /* old_value */ 0);
	}
	for (i = 0; i < n; i++) {
		key.sw_if_index = i & 3;
		clib_memcpy(key.address, &i, sizeof(i));
		p = mhash_get(&cache, &key);
		if ((error = CLIB_ERROR_ASSERT(p && p[0] == i)))
			return error;
	}
	/* Interface 2 goes down: what is being looked at may go. */
	mhash_foreach (k, p, &cache, ({
			       n_seen++;
			       if (k->sw_if_index != 2)
				       continue;
			       e = pool_elt_at_index(entries, p[0]);
			       key = *k;
			       mhash_unset(&cache, &key, &old);
			       if (old != e - entries)
				       return clib_error_return(0, "old value %lu", old);
			       pool_put(entries, e);
		       }));
	if ((error = CLIB_ERROR_ASSERT(n_seen == n)) ||
	    (error = CLIB_ERROR_ASSERT(mhash_elts(&cache) == pool_elts(entries))))
		return error;
	pool_foreach (e, entries) {
		p = mhash_get(&cache, &e->key);
		if ((error = CLIB_ERROR_ASSERT(p && p[0] == e - entries)))
			return error;
	}
	mhash_free(&cache);
	pool_free(entries);
	return 0;
}

static clib_error_t *
test_interned(u32 n)
{
	mhash_t strings;
	clib_error_t *error;
	uword *offsets = 0, again;
	u32 i;
	u8 *s = 0;

	mhash_init_c_string(&strings, sizeof(uword));
	for (i = 0; i < n; i++) {
		vec_reset_length(s);
		s = format(s, "node-%u%c", i, 0);
		vec_add1(offsets, mhash_set(&strings, s, i, 0));
	}
	for (i = 0; i < n; i++) {
		vec_reset_length(s);
		s = format(s, "node-%u%c", i, 0);
		again = mhash_get_pair(&strings, s)->key;
		if ((error = CLIB_ERROR_ASSERT(again == offsets[i])) ||
		    (error = CLIB_ERROR_ASSERT(!strcmp(mhash_key_to_mem(&strings, again), (char *)s))))
			return error;
	}
	vec_free(s);
	vec_free(offsets);
	mhash_free(&strings);
	return 0;
}

int
test_mhash_main(unformat_input_t *input)
{
	clib_error_t *error;
	u32 n = 5000;
	int verbose = 0;

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (unformat(input, "entries %u", &n))
			;
		else if (unformat(input, "verbose"))
			verbose = 1;
		else {
			clib_warning("unknown input `%U'", format_unformat_error, input);
			return 1;
		}
	}
	if ((error = test_arp(n)) || (error = test_interned(n))) {
		error->flags &= ~CLIB_ERROR_FATAL;
		clib_error_report(error);
		return 1;
	}
	if (verbose)
		fformat(stdout, "%u entries\n", n);
	return 0;
}

#ifdef CLIB_UNIX
int
main(int argc, char *argv[])
{
	unformat_input_t i;
	int ret;

	clib_mem_init(0, 3ULL << 30);
	unformat_init_command_line(&i, argv);
	ret = test_mhash_main(&i);
	unformat_free(&i);
	return ret;
}
#endif
