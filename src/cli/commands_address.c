/* SPDX-License-Identifier: Apache-2.0 */
/* show memory address: everything that is known of one address. */
#include <cli/commands.h>

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <vppinfra/arena.h>
#include <vppinfra/kmem.h>
#include <vppinfra/mem.h>
#include <vppinfra/pages.h>
#include <vppinfra/segment.h>
#include <vppinfra/vm_address.h>
#include <vppinfra/vmem.h>
#include <vppinfra/vmem_core.h>

static void
show_unknown_or_hex(cli_output_t *out, const char *key, u64 value)
{
	if (value == VM_ADDRESS_UNKNOWN)
		cli_show_string(out, key, "unknown");
	else
		cli_show_hex(out, key, value);
}

static void
show_tables(cli_output_t *out, const vm_address_t *a)
{
	cli_show_u64(out, "pgd", a->pgd);
	cli_show_u64(out, "pud", a->pud);
	if (a->log2_page_size < 30)
		cli_show_u64(out, "pmd", a->pmd);
	if (a->log2_page_size < 21)
		cli_show_u64(out, "pte", a->pte);
	cli_show_hex(out, "page_offset", a->page_offset);
}

static void
show_page_flags(cli_output_t *out, u64 flags)
{
	u8 *s = 0;
	uword i;

	if (flags == VM_ADDRESS_UNKNOWN) {
		cli_show_string(out, "page_flags", "unknown");
		return;
	}
	foreach_set_bit(i, flags, ({
				const char *name = vm_page_flag_name((u32)i);

				s = name ? format(s, "%s%s", s ? " " : "", name)
					 : format(s, "%sbit-%lu", s ? " " : "", i);
			}));
	if (!vec_terminate_c_string(s))
		cli_show_string(out, "page_flags", (char *)s);
	vec_free(s);
}

static void
show_page(cli_output_t *out, const vm_address_t *a)
{
	cli_text(out, "  %-24s %U%s", "page_size", format_log2_page_size, (int)a->log2_page_size,
		 a->is_thp ? " (in a transparent huge page)" : "");
	cli_field_u64(out, "page_size", 1ull << a->log2_page_size);
	show_tables(out, a);
	cli_text(out, "  %-24s %s 0x%lx-0x%lx %s", "mapping", a->rights, a->map_start, a->map_end,
		 a->path);
	cli_object_begin(out, "mapping");
	cli_field_string(out, "rights", "%s", a->rights);
	cli_field_string(out, "start", "0x%lx", a->map_start);
	cli_field_string(out, "end", "0x%lx", a->map_end);
	cli_field_string(out, "path", "%s", a->path);
	cli_end(out);
	if (a->state != VM_ADDRESS_RESIDENT)
		return;
	show_unknown_or_hex(out, "pfn", a->pfn);
	show_unknown_or_hex(out, "physical_address", a->pa);
	if (a->node < 0)
		cli_show_string(out, "numa_node", "unknown");
	else
		cli_show_u64(out, "numa_node", (u64)a->node);
	if (a->map_count == VM_ADDRESS_UNKNOWN)
		cli_show_string(out, "map_count", "unknown");
	else
		cli_show_u64(out, "map_count", a->map_count);
	show_page_flags(out, a->page_flags);
}

static void
show_range(cli_output_t *out, uword va)
{
	vm_range_t *range = vm_range_of((void *)va);
	vm_range_info_t info;

	if (!range)
		return;
	vm_range_get_info(range, &info);
	cli_text(out, "  %-24s %s, offset 0x%lx", "range", info.name, va - info.base);
	cli_field_string(out, "range", "%s", info.name);
	cli_field_string(out, "range_offset", "0x%lx", va - info.base);
}

static void
show_handle(cli_output_t *out, uword va)
{
	clib_handle_t handle = clib_handle_of((void *)va);

	if (handle)
		cli_show_hex(out, "handle", handle);
}

/* Heap and element, by name and offset: the address as another process would say it. */
static void
show_object(cli_output_t *out, uword va)
{
	void *v = mheap_of_address((void *)va);
	mheap_nearest_t near = { 0 };
	uword offset;

	if (!v)
		return;
	offset = va - pointer_to_uword(v);
	cli_text(out, "  %-24s %s, offset 0x%lx", "heap", mheap_header(v)->name, offset);
	cli_field_string(out, "heap", "%s", mheap_header(v)->name);
	cli_field_string(out, "heap_offset", "0x%lx", offset);
	if (mheap_nearest(v, offset, &near))
		return;
	cli_text(out, "  %-24s %s, %lu bytes at offset 0x%lx%s", "element",
		 near.is_free ? "free" : "in use", near.n_bytes, near.uoffset,
		 near.is_past_end ? ", the last before it" : "");
	cli_object_begin(out, "element");
	cli_field_bool(out, "free", near.is_free);
	cli_field_bool(out, "past_end", near.is_past_end);
	cli_field_u64(out, "bytes", near.n_bytes);
	cli_field_string(out, "offset", "0x%lx", near.uoffset);
	cli_end(out);
}

typedef struct {
	cli_output_t *out;
	uword va;
} whereis_t;

static int
show_arena_segment(vmem_t *vmp, void *arg)
{
	const whereis_t *w = arg;
	vmem_where_t where;

	if (vmem_whereis(vmp, w->va, &where))
		return 0;
	cli_text(w->out, "  %-24s %s, %s, %lu bytes at 0x%lx", "arena", vmp->vm_name,
		 where.is_free ? "free" : "in use", where.size, where.start);
	cli_list_item_begin(w->out, "arenas");
	cli_field_string(w->out, "name", "%s", vmp->vm_name);
	cli_field_bool(w->out, "free", where.is_free);
	cli_field_u64(w->out, "bytes", where.size);
	cli_field_string(w->out, "start", "0x%lx", where.start);
	cli_end(w->out);
	return 0;
}

static int
show_cache_object(clib_kmem_cache_t *cache, void *arg)
{
	const whereis_t *w = arg;
	clib_kmem_where_t where;
	uword offset;

	if (clib_kmem_cache_whereis(cache, (void *)w->va, &where))
		return 0;
	offset = w->va - pointer_to_uword(where.object);
	cli_text(w->out, "  %-24s %s, object %s, %u bytes at 0x%lx", "cache",
		 clib_kmem_cache_name(cache), where.is_live ? "in use" : "free",
		 clib_kmem_cache_size(cache), w->va - offset);
	cli_object_begin(w->out, "cache");
	cli_field_string(w->out, "name", "%s", clib_kmem_cache_name(cache));
	cli_field_bool(w->out, "free", !where.is_live);
	cli_field_u64(w->out, "bytes", clib_kmem_cache_size(cache));
	cli_field_string(w->out, "object", "0x%lx", w->va - offset);
	cli_end(w->out);
	return 1;
}

/* Arenas that gave the address out, each to the next, and the object cache that it ended in. */
static void
show_arenas(cli_output_t *out, uword va)
{
	whereis_t w = { .out = out, .va = va };

	vmem_foreach_arena(show_arena_segment, &w);
	clib_kmem_foreach_cache(show_cache_object, &w);
}

/* The record of a page that is managed as such. */
static void
show_page_record(cli_output_t *out, uword va)
{
	const page_t *page = clib_virt_to_page((void *)va);
	const char *state = "inside a block";

	if (!page)
		page = clib_vmalloc_to_page((void *)va);
	if (!page)
		return;
	if (page->flags & PG_USED)
		state = "first page of a block in use";
	else if (page->flags & PG_FREE)
		state = "first page of a free block";
	else if (page->flags & PG_CACHED)
		state = "free, kept by a thread";
	cli_text(out, "  %-24s %s%s, order %u, zone %s, count %u, mapcount %u", "page", state,
		 clib_is_vmalloc_addr((void *)va) ? " under vmalloc" : "",
		 page->flags & PG_ORDER_MASK,
		 pages_zone_name((page->flags & PG_ZONE_MASK) >> PG_ZONE_SHIFT), (u32)page->_count,
		 (u32)page->_mapcount);
	cli_object_begin(out, "page");
	cli_field_string(out, "state", "%s", state);
	cli_field_u64(out, "order", page->flags & PG_ORDER_MASK);
	cli_field_string(out, "zone", "%s",
			 pages_zone_name((page->flags & PG_ZONE_MASK) >> PG_ZONE_SHIFT));
	cli_field_u64(out, "count", page->_count);
	cli_field_u64(out, "mapcount", page->_mapcount);
	cli_end(out);
}

/* A whole word of at most 16 hexadecimal digits, 0x before them or not. */
static uword
unformat_address(unformat_input_t *input, va_list *va)
{
	uword *address = va_arg(*va, uword *), is_whole;
	u8 *word = 0;
	char *end;

	if (!unformat(input, "%s", &word))
		return 0;
	errno = 0;
	*address = strtoull((char *)word, &end, 16);
	is_whole = !errno && isxdigit(word[0]) && *end == 0;
	vec_free(word);
	return is_whole;
}

static clib_error_t *
show_address_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	vm_address_t a = {};
	int rv;

	if (!unformat(input, "%U", unformat_address, &a.va))
		return vmheap_config_unknown(input, "an address in hex, as in 0x7f0012345678");
	if (unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		return vmheap_config_unknown(input, "one address");
	rv = vm_inspect(&a, 1);
	if (rv)
		return clib_error_return_code(0, -rv, 0,
					      "/proc/self/smaps cannot be read: is /proc mounted?");
	cli_text(out, "address 0x%lx: %s", a.va, vm_address_state_name(a.state));
	cli_field_string(out, "address", "0x%lx", a.va);
	cli_field_string(out, "state", "%s", vm_address_state_name(a.state));
	if (a.state != VM_ADDRESS_UNMAPPED)
		show_page(out, &a);
	show_handle(out, a.va);
	show_range(out, a.va);
	/* Arenas of identifiers have small numbers, which are no addresses. */
	if (a.state != VM_ADDRESS_UNMAPPED)
		show_arenas(out, a.va);
	show_object(out, a.va);
	show_page_record(out, a.va);
	return 0;
}

VMHEAP_CLI_COMMAND(show_memory_address) = {
	.path = "show memory address",
	.short_help = "show memory address ADDRESS",
	.long_help =
		"What lies at an address: mapping, page size, indices into the page tables, page\n"
		"frame, physical address, NUMA node, the kernel's flags of the frame; the range,\n"
		"the arenas with their segment, the object cache with its object, the heap with "
		"its\n"
		"element, the managed page that it belongs to.  What the kernel does not tell is "
		"unknown.",
	.function = show_address_fn,
};

/* ---- show segments ---- */

static int
segment_row(clib_selector_t selector, const clib_segment_t *segment, void *arg)
{
	cli_table_t *t = arg;

	cli_row(t);
	cli_hex(t, selector);
	cli_hex(t, pointer_to_uword(segment->base));
	cli_hex(t, segment->limit);
	cli_string(t, "%s%s", segment->rights & CLIB_SEGMENT_READ ? "r" : "-",
		   segment->rights & CLIB_SEGMENT_WRITE ? "w" : "-");
	cli_string(t, "%s", segment->name);
	return 0;
}

static clib_error_t *
show_segments_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	static const cli_column_t columns[] = {
		{ "selector", "Selector", 10, CLI_RIGHT }, { "base", "Base", 16, CLI_RIGHT },
		{ "limit", "Limit", 14, CLI_RIGHT },       { "rights", "Rights", 6, CLI_LEFT },
		{ "name", "Name", 0, CLI_LEFT },
	};

	if (unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		return vmheap_config_unknown(input, "nothing more");
	clib_segment_foreach(segment_row, cli_table(out, "segments", columns, ARRAY_LEN(columns)));
	cli_show_u64(out, "refused_conversions", clib_handle_n_refused());
	return 0;
}

VMHEAP_CLI_COMMAND(show_segments) = {
	.path = "show segments",
	.short_help = "show segments",
	.long_help = "Memory that handles (selector and offset) can name: base, limit, rights.",
	.function = show_segments_fn,
};
