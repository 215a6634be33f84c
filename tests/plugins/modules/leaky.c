/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin that leaks on request, for the end-to-end test of traces: `leak plant` forgets objects
 * at three places, half of what it gets there; `leak twice` frees an object twice; `leak heap`
 * makes a heap that has a name; `leak release` gives back what was planted. */
#include <plugins/plugin.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>

VMHEAP_PLUGIN_REGISTER(.name = "leaky", .version = "1.0", .description = "leaks on request");

#define N_HEADERS 100
#define N_NAMES 1000
#define N_TABLES 7

static void *planted[N_HEADERS + N_NAMES + N_TABLES];
static u32 n_planted;
static clib_mem_heap_t *own_heap;
static volatile u32 n_freed_again;
/* Volatile: an unrolled loop would be as many sites. */
static volatile u32 n_headers = N_HEADERS, n_names = N_NAMES, n_tables = N_TABLES;

/* Static: their names are in the debug information alone. */
static never_inline void
leak_of_headers(void)
{
	for (u32 i = 0; i < n_headers; i++) {
		planted[n_planted++] = clib_mem_alloc(128);
		clib_mem_free(clib_mem_alloc(128));
	}
}

static never_inline void
leak_of_names(void)
{
	for (u32 i = 0; i < n_names; i++) {
		planted[n_planted++] = clib_mem_alloc(48);
		clib_mem_free(clib_mem_alloc(48));
	}
}

static never_inline void
leak_of_tables(void)
{
	for (u32 i = 0; i < n_tables; i++) {
		planted[n_planted++] = clib_mem_heap_alloc(clib_mem_get_numa_heap(0), 20000);
		clib_mem_free(clib_mem_heap_alloc(clib_mem_get_numa_heap(0), 20000));
	}
}

static never_inline void *
get_for_two(void)
{
	void *p = clib_mem_alloc(64);

	CLIB_COMPILER_BARRIER();
	return p;
}

static never_inline void
free_first(void *p)
{
	clib_mem_free(p);
	CLIB_COMPILER_BARRIER();
}

/* Unlike free_first(), or the compiler makes one function of the two. */
static never_inline void
free_again(void *p)
{
	clib_mem_free(p);
	n_freed_again++;
}

static void
release(void)
{
	while (n_planted)
		clib_mem_free(planted[--n_planted]);
	if (own_heap)
		clib_mem_destroy_heap(own_heap);
	own_heap = NULL;
}

static clib_error_t *
leak_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	void *p;

	if (unformat(input, "plant") && !n_planted) {
		leak_of_headers();
		leak_of_names();
		leak_of_tables();
	} else if (unformat(input, "twice")) {
		p = get_for_two();
		free_first(p);
		free_again(p);
	} else if (unformat(input, "heap") && !own_heap) {
		own_heap = clib_mem_create_heap(NULL, MiB(1), 1, "leaky heap");
	} else if (unformat(input, "release")) {
		release();
	} else {
		return vmheap_config_unknown(input, "plant, twice, heap or release");
	}
	return NULL;
}
VMHEAP_CLI_COMMAND(leak) = {
	.path = "leak",
	.short_help = "leak plant|twice|heap|release",
	.function = leak_fn,
};
