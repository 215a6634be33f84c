/* SPDX-License-Identifier: Apache-2.0 */
/* buffers { buffers-per-numa N | max-per-numa N | budget SIZE | page-size S | default data-size N
 *           reserve NAME N
 *           numa N { buffers M  max M  budget SIZE  reserve NAME M }
 *           grow { by N  below L  shrink-after SECONDS } } */
#include "buffer.h"

#define BUFFER_WORDS                                                                               \
	"buffers-per-numa N, max-per-numa N, budget SIZE, numa N { ... }, grow { ... }, "          \
	"reserve NAME N, page-size SIZE or default data-size N"
/* An index is 32 bits of 64-byte units; far below that a node's memory ends. */
#define MAX_PER_NODE (1u << 26)
#define MIN_DATA_BYTES 64
#define MAX_DATA_BYTES (UINT16_MAX - RTE_PKTMBUF_HEADROOM)

static clib_error_t *
check_range(const char *what, u32 n, u32 min, u32 max)
{
	return n >= min && n <= max
		       ? NULL
		       : clib_error_return(0, "%s %u: at least %u, at most %u", what, n, min, max);
}

/* node: ~0 for all. */
static clib_error_t *
parse_reserve(unformat_input_t *input, u32 node)
{
	buffer_main_t *bm = &buffer_main;
	buffer_reserve_t *r = bm->reserves, *end = r + bm->n_reserves;
	char name[PKTPOOL_RESERVATION_NAME_BYTES];
	u8 *word = NULL;
	u32 n, *place;

	if (!unformat(input, "%U %u", unformat_token, "a-zA-Z0-9_-", &word, &n)) {
		vec_free(word);
		return vmheap_config_unknown(input, "a name and a number of buffers");
	}
	n = clib_min(n, MAX_PER_NODE + 1);
	if (vec_len(word) >= sizeof(name)) {
		clib_error_t *error = clib_error_return(0, "reserve %v: a name of at most %u bytes",
							word, (u32)sizeof(name) - 1);

		vec_free(word);
		return error;
	}
	memset(name, 0, sizeof(name));
	memcpy(name, word, vec_len(word));
	vec_free(word);
	while (r < end && strcmp(r->name, name))
		r++;
	if (r == end && bm->n_reserves == BUFFER_MAX_RESERVATIONS)
		return clib_error_return(0, "reserve %s: %u names are all there can be", name,
					 BUFFER_MAX_RESERVATIONS);
	if (r == end) {
		bm->n_reserves++;
		memcpy(r->name, name, sizeof(name));
	}
	place = node == ~0u ? &r->n : &r->n_on_node[node];
	if (*place)
		return clib_error_return(0, "reserve %s: named twice", name);
	*place = n;
	return check_range("reserve", n, 1, MAX_PER_NODE);
}

static clib_error_t *
parse_node(unformat_input_t *input, u32 node)
{
	clib_error_t *error;
	uword size;
	u32 n;

	if (node >= BUFFER_MAX_NODES)
		return clib_error_return(0, "numa %u: this DPDK knows %u nodes", node,
					 BUFFER_MAX_NODES);
	while (!unformat(input, "}")) {
		if (unformat(input, "buffers %u", &n)) {
			error = check_range("buffers", n, 1, MAX_PER_NODE);
			buffer_main.n_on_node[node] = n;
		} else if (unformat(input, "max %u", &n)) {
			error = check_range("max", n, 1, MAX_PER_NODE);
			buffer_main.max_on_node[node] = n;
		} else if (unformat(input, "budget %U", unformat_memory_size, &size)) {
			error = NULL;
			buffer_main.budget_on_node[node] = size;
		} else if (unformat(input, "reserve"))
			error = parse_reserve(input, node);
		else
			error = vmheap_config_unknown(
				input, "buffers N, max N, budget SIZE, reserve NAME N or }");
		if (error)
			return error;
	}
	return NULL;
}

static clib_error_t *
parse_grow(unformat_input_t *input)
{
	buffer_main_t *bm = &buffer_main;
	u32 n;

	while (!unformat(input, "}")) {
		clib_error_t *error = NULL;

		if (unformat(input, "by %u", &n)) {
			error = check_range("by", n, 1, MAX_PER_NODE);
			bm->grow_by = n;
		} else if (unformat(input, "below %u", &n)) {
			error = check_range("below", n, 1, MAX_PER_NODE);
			bm->grow_below = n;
		} else if (unformat(input, "shrink-after %u", &n)) {
			error = check_range("shrink-after", n, 1, 86400);
			bm->shrink_after_s = n;
		} else
			error = vmheap_config_unknown(input,
						      "by N, below N, shrink-after SECONDS or }");
		if (error)
			return error;
	}
	if (!bm->grow_by || !bm->grow_below)
		return clib_error_return(0, "grow { by N below N }: both are needed");
	return NULL;
}

static clib_error_t *
buffer_config(unformat_input_t *input)
{
	buffer_main_t *bm = &buffer_main;

	while (unformat_skip_white_space(input), !unformat_is_eof(input)) {
		clib_error_t *error = NULL;
		u32 n;

		if (unformat(input, "buffers-per-numa %u", &n)) {
			error = check_range("buffers-per-numa", n, 1, MAX_PER_NODE);
			bm->n_per_numa = n;
		} else if (unformat(input, "max-per-numa %u", &n)) {
			error = check_range("max-per-numa", n, 1, MAX_PER_NODE);
			bm->max_per_numa = n;
		} else if (unformat(input, "budget %U", unformat_memory_size, &bm->budget_bytes))
			;
		else if (unformat(input, "numa %u {", &n))
			error = parse_node(input, n);
		else if (unformat(input, "reserve"))
			error = parse_reserve(input, ~0u);
		else if (unformat(input, "grow {"))
			error = parse_grow(input);
		else if (unformat(input, "page-size %U", unformat_log2_page_size,
				  &bm->log2_page_size))
			;
		else if (unformat(input, "default data-size %u", &n)) {
			error = check_range("default data-size", n, MIN_DATA_BYTES, MAX_DATA_BYTES);
			bm->data_bytes = n;
		} else
			error = vmheap_config_unknown(input, BUFFER_WORDS);
		if (error)
			return error;
	}
	return NULL;
}
VMHEAP_CONFIG_FUNCTION(buffer_config, "buffers");
