/* SPDX-License-Identifier: Apache-2.0 */
/* Heaps by the words that people have for them, and addresses by name. */
#include <vppinfra/backtrace.h>
#include <vppinfra/vec.h>
#include <cli/heap_words.h>
#include <cli/symbolize.h>
#include "unit.h"

static clib_mem_heap_t *numa_heap, *rx, *rx_table, *rx_again, *nameless;

static void
make_heaps(void)
{
	clib_mem_init(NULL, MiB(4));
	numa_heap = clib_mem_create_heap(NULL, MiB(1), 1, "numa-0 heap");
	clib_mem_set_numa_heap(0, numa_heap);
	rx = clib_mem_create_heap(NULL, MiB(1), 0, "rx");
	rx_table = clib_mem_create_heap(NULL, MiB(1), 0, "rx flow table");
	rx_again = clib_mem_create_heap(NULL, MiB(1), 0, "rx");
	nameless = clib_mem_create_heap(NULL, MiB(1), 0, NULL);
}

static void
destroy_heaps(void)
{
	clib_mem_set_numa_heap(0, NULL);
	clib_mem_destroy_heap(numa_heap);
	clib_mem_destroy_heap(rx);
	clib_mem_destroy_heap(rx_table);
	clib_mem_destroy_heap(rx_again);
	clib_mem_destroy_heap(nameless);
	clib_mem_exit();
}

/* The heaps that all words of a line name; NULL where a word names none. */
static clib_mem_heap_t **
named(const char *line)
{
	clib_mem_heap_t **heaps = 0;
	unformat_input_t input;

	unformat_init_string(&input, (char *)line, (int)strlen(line));
	while (unformat_check_input(&input) != UNFORMAT_END_OF_INPUT) {
		if (unformat(&input, "%U", unformat_cli_heaps, &heaps))
			continue;
		vec_free(heaps);
		break;
	}
	unformat_free(&input);
	return heaps;
}

static int
names(const char *line, clib_mem_heap_t *a, clib_mem_heap_t *b)
{
	clib_mem_heap_t **heaps = named(line);
	uword n = vec_len(heaps);
	int is_right = n == (uword)(a != NULL) + (b != NULL) && (n < 1 || heaps[0] == a) &&
		       (n < 2 || heaps[1] == b);

	vec_free(heaps);
	return is_right;
}

/* Fixed words, and names with blanks or hyphens, the longest first; each heap once. */
static void
heaps_are_named(void)
{
	char line[64];

	make_heaps();
	CU_ASSERT(names("main-heap", clib_mem_main_heap(), NULL));
	CU_ASSERT(names("main heap", clib_mem_main_heap(), NULL));
	CU_ASSERT(names(" numa-heap 0 main-heap", numa_heap, clib_mem_main_heap()));
	CU_ASSERT(names("numa-heaps numa-0-heap numa-0 heap numa-heap 0", numa_heap, NULL));
	CU_ASSERT(names("rx flow table", rx_table, NULL));
	CU_ASSERT(names("rx-flow table", rx_table, NULL));
	/* Two heaps have that name: both. */
	CU_ASSERT(names("rx", rx, rx_again));
	snprintf(line, sizeof(line), "base 0x%llx",
		 (unsigned long long)(uword)clib_mem_get_heap_base(nameless));
	CU_ASSERT(names(line, nameless, NULL));
	destroy_heaps();
}

/* Parts of names, other names and none at all are no names. */
static void
other_words_name_nothing(void)
{
	make_heaps();
	CU_ASSERT(names("", NULL, NULL));
	CU_ASSERT(names("rx-flow", NULL, NULL));
	CU_ASSERT(names("rxx", NULL, NULL));
	CU_ASSERT(names("r", NULL, NULL));
	CU_ASSERT(names("main", NULL, NULL));
	CU_ASSERT(names("numa-heap", NULL, NULL));
	CU_ASSERT(names("numa-heap 1", NULL, NULL));
	CU_ASSERT(names("base 0x1000", NULL, NULL));
	CU_ASSERT(names("rx main-heaps", NULL, NULL));
	destroy_heaps();
}

/* All that could be said is offered, in words that are understood. */
static void
what_could_be_named_is_offered(void)
{
	u8 *s;

	make_heaps();
	s = format(0, "%U%c", format_cli_heap_words, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "main-heap, numa-heap 0, numa-0-heap, rx, "
						 "rx-flow-table, rx, base 0x"));
	vec_free(s);
	destroy_heaps();
}

/* With libbacktrace a static function has its name and each address its line. */
static never_inline u32
own_line(clib_symbol_t *symbol)
{
	uword caller;

	if (clib_backtrace(&caller, 1, 0) != 1)
		return 0;
	clib_symbolize(caller, symbol);
	return __LINE__ - 3;
}

static void
static_functions_have_names_and_lines(void)
{
	clib_symbol_t symbol;
	u32 line;
	u8 *s;

	clib_mem_init(NULL, MiB(4));
	cli_symbolizer_install();
	line = own_line(&symbol);
	CU_ASSERT_PTR_NOT_NULL(strstr(symbol.object, "test_cli_heap_words"));
	if (symbol.file[0]) {
		CU_ASSERT_STRING_EQUAL(symbol.function, "own_line");
		CU_ASSERT_STRING_EQUAL(symbol.file, "tests/cli/test_heap_words.c");
		CU_ASSERT_EQUAL(symbol.line, line);
		CU_ASSERT(symbol.offset > 0 && symbol.offset < 256);
	} else {
		printf("(no libbacktrace) ");
	}
	/* Of the library: exported, so known either way. */
	s = format(0, "%U%c", format_clib_symbol, (uword)format_white_space + 4, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "format_white_space + 0x4"));
	vec_free(s);
	/* And nowhere. */
	s = format(0, "%U%c", format_clib_symbol, (uword)64, 0);
	CU_ASSERT_STRING_EQUAL((char *)s, "0x40");
	vec_free(s);
	clib_set_symbolizer(NULL);
	clib_mem_exit();
}

static const unit_test_t tests[] = {
	UNIT(heaps_are_named),
	UNIT(other_words_name_nothing),
	UNIT(what_could_be_named_is_offered),
	UNIT(static_functions_have_names_and_lines),
};

int
main(void)
{
	return unit_run("heap_words", tests, ARRAY_LEN(tests));
}
