/* SPDX-License-Identifier: Apache-2.0 */
/* show physmem and show memory map: what is there is shown, in words and in JSON. */
#include <stdio.h>
#include <jansson.h>
#include <unistd.h>
#include <cli/cli.h>
#include <vppinfra/mem_setup.h>
#include <vppinfra/physmem.h>
#include <vppinfra/vec.h>
#include "unit.h"

static void
set_up(void)
{
	clib_mem_setup_t setup = { .main_heap_bytes = MiB(64),
				   .numa_heap_bytes = MiB(16),
				   .flags = CLIB_MEM_SETUP_NO_HUGE };

	CU_ASSERT_EQUAL_FATAL(clib_mem_setup(&setup, NULL, 0), 0);
}

/* The answer to a line, NUL terminated, good until the next call. */
static const char *
answer(const char *line, u32 format)
{
	static char text[KiB(256)];
	cli_answer_t a;

	cli_run((const u8 *)line, strlen(line), format, 0, &a);
	snprintf(text, sizeof(text), "%.*s", (int)vec_len(a.body), (const char *)a.body);
	cli_answer_free(&a);
	return text;
}

static int
answer_has(const char *line, const char *words)
{
	int has = strstr(answer(line, CLI_FORMAT_TEXT), words) != NULL;

	if (!has)
		printf("%s\n", answer(line, CLI_FORMAT_TEXT));
	return has;
}

static json_t *
answer_json(const char *line)
{
	json_error_t error;
	json_t *j = json_loads(answer(line, CLI_FORMAT_JSON), 0, &error);

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	return j;
}

static json_int_t
integer(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* Before anything was allocated there is the line, and the process's arenas. */
static void
nothing_allocated_is_shown_as_nothing(void)
{
	set_up();
	CU_ASSERT(answer_has("show physmem", "used-pages 0 reserved-pages 0\n"));
	CU_ASSERT(answer_has("show physmem", "  arena 'main' pages "));
	CU_ASSERT(answer_has("show physmem", " subpage-size 4K numa-node -1\n"));
	CU_ASSERT(answer_has("show physmem frob", "one of: verbose, detail, map"));
	CU_ASSERT_EQUAL(clib_mem_teardown(NULL, 0), 0);
}

/* physmem's arenas, pages and chunks by the option, each spelling of it. */
static void
physmem_is_shown_by_detail(void)
{
	json_t *j, *arena, *page;
	char words[64];
	u32 map;
	u8 *p;

	set_up();
	CU_ASSERT_PTR_NULL(clib_physmem_init(0, MiB(16)));
	CU_ASSERT_PTR_NULL(clib_physmem_shared_map_create("rings", MiB(2), 12, 0, &map));
	p = clib_physmem_alloc_from_map(map, 256, 64);
	CU_ASSERT_PTR_NULL(clib_physmem_alloc_from_map(77, 64, 64));
	CU_ASSERT(answer_has("show physmem", "used-pages 1 reserved-pages 8 default-page-size 2M "
					     "lookup-page-size 4K"));
	CU_ASSERT(answer_has("show physmem", "\n  last-error: "));
	snprintf(words, sizeof(words), "pages 1 subpage-size 4K numa-node 0 shared fd %d\n",
		 clib_physmem_get_map(map)->fd);
	CU_ASSERT(answer_has("show physmem", words));
	CU_ASSERT_PTR_NULL(strstr(answer("show physmem", CLI_FORMAT_TEXT), "free-chunks"));
	CU_ASSERT(answer_has("show physmem verbose", "free 2096896 chunks 2 free-chunks 1\n"));
	CU_ASSERT(answer_has("show physmem v", "free 2096896 chunks 2 free-chunks 1\n"));
	CU_ASSERT(answer_has("show physmem detail", " va-start 0x"));
	CU_ASSERT(answer_has("show physmem d", "0         256     yes       0      -1       1\n"));

	j = answer_json("show physmem detail");
	CU_ASSERT_EQUAL(integer(j, "used_pages"), 1);
	CU_ASSERT_EQUAL(integer(j, "reserved_pages"), 8);
	CU_ASSERT_EQUAL(integer(j, "refused"), 1);
	arena = json_array_get(json_object_get(j, "arenas"), 0);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(arena, "name")), "rings");
	CU_ASSERT_EQUAL(integer(arena, "fd"), clib_physmem_get_map(map)->fd);
	page = json_array_get(json_object_get(arena, "page_list"), 0);
	CU_ASSERT_EQUAL(integer(page, "free_bytes"), 2096896);
	CU_ASSERT_EQUAL(integer(json_array_get(json_object_get(page, "chunks"), 0), "bytes"), 256);
	json_decref(j);
	clib_physmem_free(p);
	clib_physmem_exit();
	CU_ASSERT_EQUAL(clib_mem_teardown(NULL, 0), 0);
}

/* The map names the physical address of what it lists, or says that it is unknown. */
static void
the_map_shows_physical_addresses(void)
{
	u64 pa = 0, bytes = 0;
	json_t *j, *row;
	char words[64];
	size_t i;
	u32 map;

	set_up();
	CU_ASSERT_PTR_NULL(clib_physmem_init(0, MiB(16)));
	CU_ASSERT_PTR_NULL(clib_physmem_shared_map_create("rings", MiB(2), 12, 0, &map));
	CU_ASSERT(answer_has("show physmem map", "\nArena "));
	pa = clib_physmem_get_pa(clib_physmem_get_map(map)->base);
	if (pa)
		snprintf(words, sizeof(words), "0x%llx ", (unsigned long long)pa);
	CU_ASSERT(answer_has("show physmem map verbose", pa ? words : " unknown "));
	j = answer_json("show physmem map");
	json_array_foreach(json_object_get(j, "map"), i, row)
	{
		if (!strcmp(json_string_value(json_object_get(row, "arena")), "rings"))
			bytes += integer(row, "bytes");
	}
	CU_ASSERT_EQUAL(bytes, MiB(2));
	json_decref(j);
	clib_physmem_exit();
	CU_ASSERT_EQUAL(clib_mem_teardown(NULL, 0), 0);
}

/* show memory map has a program's own mappings between the ranges. */
static void
show_memory_map_has_mappings(void)
{
	char words[64];
	json_t *j, *row;
	size_t i;
	u32 n = 0;
	u8 *p;

	set_up();
	p = clib_mem_vm_map(0, KiB(40), CLIB_MEM_PAGE_SZ_DEFAULT, "table of %s", "flows");
	memset(p, 1, KiB(12));
	snprintf(words, sizeof(words), "%016lx     40k", (unsigned long)p);
	CU_ASSERT(answer_has("show memory map", words));
	j = answer_json("show memory map");
	json_array_foreach(json_object_get(j, "map"), i, row)
	{
		if (strcmp(json_string_value(json_object_get(row, "name")), "table of flows"))
			continue;
		n++;
		CU_ASSERT_EQUAL(integer(row, "pages"), 10);
		CU_ASSERT_EQUAL(integer(row, "size_bytes"), KiB(40));
		CU_ASSERT(integer(row, "not_populated") == 7 || integer(row, "numa0_pages") == 0);
		CU_ASSERT(json_is_null(json_object_get(row, "fd")));
	}
	CU_ASSERT_EQUAL(n, 1);
	json_decref(j);
	CU_ASSERT_EQUAL(clib_mem_vm_unmap(p), 0);
	CU_ASSERT_PTR_NULL(strstr(answer("show memory map", CLI_FORMAT_TEXT), "table of flows"));
	CU_ASSERT_EQUAL(clib_mem_teardown(NULL, 0), 0);
}

static const unit_test_t tests[] = {
	UNIT(nothing_allocated_is_shown_as_nothing),
	UNIT(physmem_is_shown_by_detail),
	UNIT(the_map_shows_physical_addresses),
	UNIT(show_memory_map_has_mappings),
};

int
main(void)
{
	return unit_run("show_physmem", tests, ARRAY_LEN(tests));
}
