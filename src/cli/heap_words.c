/* SPDX-License-Identifier: Apache-2.0 */
/* Heaps by name.  A name may hold blanks, so it is compared with the bytes of the line. */
#include <cli/heap_words.h>

#include <vppinfra/vec.h>

static int
add_heap(clib_mem_heap_t *heap, void *arg)
{
	clib_mem_heap_t ***heaps = arg;

	vec_add1(*heaps, heap);
	return 0;
}

clib_mem_heap_t **
cli_all_heaps(void)
{
	clib_mem_heap_t **heaps = 0;

	clib_mem_foreach_heap(add_heap, &heaps);
	return heaps;
}

static void
add_once(clib_mem_heap_t ***heaps, clib_mem_heap_t *heap)
{
	if (vec_search(*heaps, heap) == ~0)
		vec_add1(*heaps, heap);
}

/* Bytes of the input that spell the name, followed by a blank or the end; 0: another word. */
static uword
n_bytes_of_name(const unformat_input_t *input, uword at, const char *name)
{
	uword i = at, end = vec_len(input->buffer);

	for (; *name; name++, i++) {
		if (i == end)
			return 0;
		if (input->buffer[i] != (u8)*name &&
		    !(*name == ' ' &&
		      (input->buffer[i] == '-' || is_white_space(input->buffer[i]))))
			return 0;
	}
	return i == end || is_white_space(input->buffer[i]) ? i - at : 0;
}

/* The longest name that fits, and each heap that has it. */
static uword
take_name(unformat_input_t *input, clib_mem_heap_t ***heaps)
{
	clib_mem_heap_t **all = cli_all_heaps();
	uword at, n, n_longest = 0;

	unformat_skip_white_space(input);
	at = input->index;
	for (uword i = 0; i < vec_len(all) && at != UNFORMAT_END_OF_INPUT; i++) {
		n = n_bytes_of_name(input, at, mheap_header(all[i])->name);
		n_longest = clib_max(n_longest, n);
	}
	for (uword i = 0; i < vec_len(all) && n_longest; i++) {
		if (n_bytes_of_name(input, at, mheap_header(all[i])->name) == n_longest)
			add_once(heaps, all[i]);
	}
	vec_free(all);
	if (n_longest)
		input->index = at + n_longest;
	return n_longest != 0;
}

static uword
take_numa_heaps(clib_mem_heap_t ***heaps)
{
	u32 n_nodes = vm_n_numa_nodes();
	uword is_found = 0;

	for (u32 node = 0; node < n_nodes; node++) {
		clib_mem_heap_t *heap = clib_mem_get_numa_heap(node);

		if (!heap)
			continue;
		add_once(heaps, heap);
		is_found = 1;
	}
	return is_found;
}

static uword
take_base(uword base, clib_mem_heap_t ***heaps)
{
	clib_mem_heap_t **all = cli_all_heaps();
	uword is_found = 0;

	for (uword i = 0; i < vec_len(all); i++) {
		if (clib_mem_get_heap_base(all[i]) != (void *)base)
			continue;
		add_once(heaps, all[i]);
		is_found = 1;
	}
	vec_free(all);
	return is_found;
}

uword
unformat_cli_heaps(unformat_input_t *input, va_list *va)
{
	clib_mem_heap_t ***heaps = va_arg(*va, clib_mem_heap_t ***);
	uword base;
	u32 node;

	if (unformat(input, "main-heap")) {
		add_once(heaps, clib_mem_main_heap());
		return 1;
	}
	if (unformat(input, "numa-heaps"))
		return take_numa_heaps(heaps);
	if (unformat(input, "numa-heap %u", &node)) {
		if (!clib_mem_get_numa_heap(node))
			return 0;
		add_once(heaps, clib_mem_get_numa_heap(node));
		return 1;
	}
	if (unformat(input, "base 0x%wx", &base))
		return take_base(base, heaps);
	return take_name(input, heaps);
}

u8 *
format_cli_heap_words(u8 *s, va_list *va)
{
	clib_mem_heap_t **all = cli_all_heaps();
	u32 n_nodes = vm_n_numa_nodes();

	s = format(s, "main-heap");
	for (u32 node = 0; node < n_nodes; node++)
		if (clib_mem_get_numa_heap(node))
			s = format(s, ", numa-heap %u", node);
	for (uword i = 0; i < vec_len(all); i++) {
		const mheap_t *h = mheap_header(all[i]);
		u8 *word;

		if (all[i] == clib_mem_main_heap())
			continue;
		if (!h->name[0]) {
			s = format(s, ", base 0x%wx", (uword)clib_mem_get_heap_base(all[i]));
			continue;
		}
		word = format(0, "%s", h->name);
		for (uword j = 0; j < vec_len(word); j++)
			word[j] = word[j] == ' ' ? '-' : word[j];
		s = format(s, ", %v", word);
		vec_free(word);
	}
	vec_free(all);
	return s;
}
