/* SPDX-License-Identifier: Apache-2.0 */
/* A little route table as today's code keeps one: sessions by a key struct that the table owns,
 * interfaces by name, next hops by number, and what is done with them when they go.
 *
 *   test_hash [routes N] [names N] [seed N] [verbose] */
#include <vppinfra/clib.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include <vppinfra/pool.h>
#include <vppinfra/hash.h>
#include <vppinfra/error.h>
#include <vppinfra/format.h>
#include <vppinfra/random.h>

typedef CLIB_PACKED(struct {
	u32 fib_index;
	u8 address[16];
	u8 len;
}) route_key_t;

typedef struct {
	route_key_t key;
	u32 sw_if_index;
} route_t;

typedef struct {
	route_t *routes;
	uword *route_by_key;
	uword *sw_if_index_by_name;
	uword *n_routes_by_sw_if_index;
	u8 **names;
	u32 seed, n_routes, n_names;
	int verbose;
} test_main_t;

static test_main_t test_main;

static u8 *
format_route_pair(u8 *s, va_list *args)
{
	void *CLIB_UNUSED(arg) = va_arg(*args, void *);
	void *CLIB_UNUSED(v) = va_arg(*args, void *);
	hash_pair_t *p = va_arg(*args, hash_pair_t *);
	route_key_t *k = uword_to_pointer(p->key, route_key_t *);

	return format(s, "fib %u %U/%u: route %wu", k->fib_index, format_hex_bytes, k->address,
		      (u32)sizeof(k->address), k->len, p->value[0]);
}

static clib_error_t *
add_route(test_main_t *tm, route_key_t *k, u32 sw_if_index)
{
	uword *p;
	route_t *r;

	p = hash_get_mem(tm->route_by_key, k);
	if (p)
		return clib_error_return(0, "route %u exists", (u32)p[0]);
	pool_get_zero(tm->routes, r);
	r->key = *k;
	r->sw_if_index = sw_if_index;
	hash_set_mem_alloc(&tm->route_by_key, k, r - tm->routes);

	p = hash_get(tm->n_routes_by_sw_if_index, sw_if_index);
	if (p)
		p[0]++;
	else
		hash_set(tm->n_routes_by_sw_if_index, sw_if_index, 1);
	return 0;
}

static clib_error_t *
del_route(test_main_t *tm, route_key_t *k)
{
	uword *p = hash_get_mem(tm->route_by_key, k), *n;
	route_t *r;

	if (!p)
		return clib_error_return(0, "no such route");
	r = pool_elt_at_index(tm->routes, p[0]);
	n = hash_get(tm->n_routes_by_sw_if_index, r->sw_if_index);
	if (--n[0] == 0)
		hash_unset(tm->n_routes_by_sw_if_index, r->sw_if_index);
	pool_put(tm->routes, r);
	hash_unset_mem_free(&tm->route_by_key, k);
	return 0;
}

static clib_error_t *
check_main(test_main_t *tm)
{
	uword key, value, n = 0, n_by_interface = 0, *p;
	route_key_t *k;
	route_t *r;
	clib_error_t *error;

	pool_foreach (r, tm->routes) {
		p = hash_get_mem(tm->route_by_key, &r->key);
		if ((error = CLIB_ERROR_ASSERT(p && p[0] == r - tm->routes)))
			return error;
	}

	hash_foreach_mem (k, value, tm->route_by_key, ({
				  r = pool_elt_at_index(tm->routes, value);
				  if (clib_memcmp(&r->key, k, sizeof(*k)))
					  return clib_error_return(0, "keys differ");
				  n++;
			  }));
	hash_foreach (key, value, tm->n_routes_by_sw_if_index,
		      ({ n_by_interface += value, (void)key; }));
	if ((error = CLIB_ERROR_ASSERT(n == pool_elts(tm->routes))) ||
	    (error = CLIB_ERROR_ASSERT(n == hash_elts(tm->route_by_key))) ||
	    (error = CLIB_ERROR_ASSERT(n == n_by_interface)))
		return error;
	return hash_validate(tm->route_by_key);
}

static clib_error_t *
test_routes(test_main_t *tm)
{
	clib_error_t *error = 0;
	route_key_t *k, *keys = 0;
	u32 i;

	tm->route_by_key = hash_create_mem(0, sizeof(route_key_t), sizeof(uword));
	hash_set_pair_format(tm->route_by_key, format_route_pair, 0);

	for (i = 0; i < tm->n_routes && !error; i++) {
		vec_add2(keys, k, 1);
		clib_memset(k, 0, sizeof(*k));
		k->fib_index = random_u32(&tm->seed) % 4;
		k->len = 128;
		clib_memcpy(k->address + 12, &i, sizeof(i));
		error = add_route(tm, k, i % 13);
	}
	if (error || (error = check_main(tm)))
		return error;

	/* A second one is refused. */
	error = add_route(tm, &keys[0], 0);
	if (!error)
		return clib_error_return(0, "added twice");
	clib_error_free(error);

	for (i = 0; i < vec_len(keys); i++)
		if (i % 3 && (error = del_route(tm, &keys[i])))
			return error;
	if ((error = check_main(tm)))
		return error;
	if (tm->verbose)
		fformat(stdout, "%U\n", format_hash, tm->route_by_key, tm->verbose);

	for (i = 0; i < vec_len(keys); i += 3)
		if ((error = del_route(tm, &keys[i])))
			return error;
	if ((error = CLIB_ERROR_ASSERT(hash_elts(tm->route_by_key) == 0)) ||
	    (error = CLIB_ERROR_ASSERT(hash_elts(tm->n_routes_by_sw_if_index) == 0)))
		return error;
	pool_free(tm->routes);
	hash_free(tm->route_by_key);
	hash_free(tm->n_routes_by_sw_if_index);
	vec_free(keys);
	return 0;
}

/* Names live in a vector of the program's; those of interfaces that go are unset while the table
 * is walked, which needs no list of what to unset. */
static clib_error_t *
test_names(test_main_t *tm)
{
	clib_error_t *error;
	hash_pair_t *p;
	uword *v, n = 0;
	u8 *name;
	u32 i;

	tm->sw_if_index_by_name = hash_create_string(0, sizeof(uword));
	for (i = 0; i < tm->n_names; i++) {
		name = format(0, "GigabitEthernet%x/%x/%x%c", i >> 8, (i >> 4) & 0xf, i & 0xf, 0);
		vec_add1(tm->names, name);
		hash_set_mem(tm->sw_if_index_by_name, name, i);
	}
	name = format(0, "GigabitEthernet0/%x/%x%c", 1, 2, 0);
	v = hash_get_mem(tm->sw_if_index_by_name, name);
	if ((error = CLIB_ERROR_ASSERT(v && v[0] == 0x12)))
		return error;
	p = hash_get_pair_mem(tm->sw_if_index_by_name, name);
	if ((error = CLIB_ERROR_ASSERT(p->key == pointer_to_uword(tm->names[0x12]))))
		return error;
	vec_free(name);

	hash_set_flags(tm->sw_if_index_by_name, HASH_FLAG_NO_AUTO_SHRINK);
	hash_foreach_pair(p, tm->sw_if_index_by_name, ({
				  if (p->value[0] & 1)
					  continue;
				  if (p->value[0] >= 1000)
					  break;
				  hash_unset_mem(tm->sw_if_index_by_name, (u8 *)p->key);
				  n++;
			  }));
	if ((error = CLIB_ERROR_ASSERT(hash_elts(tm->sw_if_index_by_name) == tm->n_names - n)) ||
	    (error = CLIB_ERROR_ASSERT(n == 500 || tm->n_names <= 1000)))
		return error;
	for (i = 0; i < tm->n_names; i++)
		hash_unset_mem(tm->sw_if_index_by_name, tm->names[i]);
	if ((error = CLIB_ERROR_ASSERT(hash_elts(tm->sw_if_index_by_name) == 0)))
		return error;
	hash_free(tm->sw_if_index_by_name);
	vec_foreach_index (i, tm->names)
		vec_free(tm->names[i]);
	vec_free(tm->names);
	return 0;
}

/* A flow's sum, as nodes compute it. */
static clib_error_t *
test_mix(test_main_t *tm)
{
	u32 a = 0x0a000001, b = 0x0a000002, c = 17 << 16 | 53, a0 = a, b0 = b, c0 = c;
	u64 x = 1, y = 2, z = 3, buckets[16] = { 0 };
	u32 i;

	hash_v3_mix32(a, b, c);
	hash_v3_finalize32(a, b, c);
	hash_v3_mix32_step_1(a0, b0, c0);
	hash_v3_mix32_step_2(a0, b0, c0);
	hash_v3_mix32_step_3(a0, b0, c0);
	hash_v3_finalize32_step_1(a0, b0, c0);
	hash_v3_finalize32_step_2(a0, b0, c0);
	hash_v3_finalize32_step_3(a0, b0, c0);
	if (a != a0 || b != b0 || c != c0)
		return clib_error_return(0, "steps and whole differ");
	for (i = 0; i < 16000; i++) {
		hash_mix64(x, y, z);
		buckets[z % 16]++;
		x += i;
	}
	for (i = 0; i < 16; i++)
		if (buckets[i] < 800 || buckets[i] > 1200)
			return clib_error_return(0, "bucket %u: %lu", i, buckets[i]);
	if (hash_memory(&x, sizeof(x), 0) == hash_memory(&x, sizeof(x), 1))
		return clib_error_return(0, "the state does not matter");
	return 0;
}

int
test_hash_main(unformat_input_t *input)
{
	test_main_t *tm = &test_main;
	clib_error_t *error = 0;

	tm->n_routes = 1000;
	tm->n_names = 2000;
	tm->seed = 0xdeaddabe;
	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (unformat(input, "routes %u", &tm->n_routes))
			;
		else if (unformat(input, "names %u", &tm->n_names))
			;
		else if (unformat(input, "seed %u", &tm->seed))
			;
		else if (unformat(input, "verbose"))
			tm->verbose = 1;
		else {
			error = clib_error_create("unknown input `%U'", format_unformat_error, input);
			goto out;
		}
	}
	if ((error = test_routes(tm)) || (error = test_names(tm)) || (error = test_mix(tm)))
		goto out;
	fformat(stdout, "%u routes and %u names came and went\n", tm->n_routes, tm->n_names);

out:
	if (error) {
		error->flags &= ~CLIB_ERROR_FATAL;
		clib_error_report(error);
		return 1;
	}
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
	ret = test_hash_main(&i);
	unformat_free(&i);
	return ret;
}
#endif
