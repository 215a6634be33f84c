/* SPDX-License-Identifier: Apache-2.0 */
/* zones: named zones that the daemon makes for itself and for other processes, and the sets of
 * pages of its nodes.
 *
 *   startup.conf:  zones { zone video { size 64M max-size 256M page-size 2M node 0 }
 *                          pages { size 64M highmem 64M page-size 2M node 0 } }
 *   vmheapctl:     show zones named [NAME] | zones reclaim
 *
 * A zone of the configuration that exists already is used as it is: other processes may hold
 * blocks in it since a run before.  At the end an empty one is removed; one with blocks stays, and
 * the log says so. */
#include <plugins/plugin.h>
#include <stdio.h>
#include <vppinfra/mmz.h>
#include <vppinfra/pages.h>
#include <vppinfra/vec.h>

VMHEAP_PLUGIN_REGISTER(.name = "zones", .version = VMHEAP_VERSION,
		       .description = "named memory zones, shared by name between processes");

/* Orphans are looked for every ten seconds: a process that died does not come back sooner. */
#define RECLAIM_PERIOD_MS 10000

typedef struct {
	char *name, *dir; /* NUL-terminated vectors; dir may be NULL */
	uword bytes, max_bytes;
	int log2_page_size, numa_node;
	mmz_t *zone;
} zone_t;

typedef struct {
	uword bytes, highmem_bytes;
	int log2_page_size, numa_node;
	pages_t *pages;
} pages_set_t;

static struct {
	zone_t *zones;     /* vector */
	pages_set_t *sets; /* vector */
} zones_main;

/* ---- configuration ---- */

#define PAGES_WORDS "size S, highmem S, page-size S, node N or }"
#define ZONE_WORDS "size S, max-size S, page-size S, node N, dir PATH or }"

static clib_error_t *
parse_zone(unformat_input_t *input, zone_t *z)
{
	while (!unformat(input, "}")) {
		if (unformat(input, "size %U", unformat_memory_size, &z->bytes))
			;
		else if (unformat(input, "max-size %U", unformat_memory_size, &z->max_bytes))
			;
		else if (unformat(input, "page-size %U", unformat_log2_page_size,
				  &z->log2_page_size))
			;
		else if (unformat(input, "node %d", &z->numa_node))
			;
		else if (unformat(input, "dir %s", &z->dir))
			;
		else
			return vmheap_config_unknown(input, ZONE_WORDS);
	}
	return z->bytes ? NULL : clib_error_return(0, "zone %s: no size", z->name);
}

static clib_error_t *
parse_pages(unformat_input_t *input, pages_set_t *set)
{
	while (!unformat(input, "}")) {
		if (unformat(input, "size %U", unformat_memory_size, &set->bytes))
			;
		else if (unformat(input, "highmem %U", unformat_memory_size, &set->highmem_bytes))
			;
		else if (unformat(input, "page-size %U", unformat_log2_page_size,
				  &set->log2_page_size))
			;
		else if (unformat(input, "node %d", &set->numa_node))
			;
		else
			return vmheap_config_unknown(input, PAGES_WORDS);
	}
	if (!set->bytes && !set->highmem_bytes)
		return clib_error_return(0, "pages: neither size nor highmem");
	return vec_add1(zones_main.sets, *set) ? clib_error_return(0, "pages: no memory") : NULL;
}

static clib_error_t *
zones_config(unformat_input_t *input)
{
	while (unformat_skip_white_space(input), !unformat_is_eof(input)) {
		zone_t z = { .numa_node = VM_NODE_ANY };
		pages_set_t set = { .log2_page_size = CLIB_MEM_PAGE_SZ_DEFAULT_HUGE };
		clib_error_t *error;

		if (unformat(input, "pages {")) {
			error = parse_pages(input, &set);
			if (error)
				return error;
			continue;
		}
		if (!unformat(input, "zone %s {", &z.name))
			return vmheap_config_unknown(input, "zone NAME { size S ... } or pages { "
							    "size S ... }");
		error = parse_zone(input, &z);
		if (vec_add1(zones_main.zones, z) && !error)
			error = clib_error_return(0, "zone %s: no memory", z.name);
		if (error)
			return error;
	}
	return NULL;
}
VMHEAP_CONFIG_FUNCTION(zones_config, "zones");

/* ---- life ---- */

static int
reclaim_one(const char *name, void *arg)
{
	mmz_reclaimed_t *sum = arg, r;
	mmz_t *zone;

	if (mmz_open(name, &zone))
		return 0;
	if (!mmz_reclaim(zone, &r)) {
		sum->n_blocks += r.n_blocks;
		sum->n_bytes += r.n_bytes;
	}
	mmz_close(zone);
	return 0;
}

/* Zones of this daemon only: those of others are theirs to reclaim, or a person's. */
static void
reclaim_own(void *arg)
{
	zone_t *z;

	vec_foreach (z, zones_main.zones)
		if (z->zone)
			mmz_reclaim(z->zone, NULL);
}

/* Sets that the kernel's names (alloc_pages, vmalloc) use on their nodes. */
static clib_error_t *
make_sets(void)
{
	pages_set_t *s;

	vec_foreach (s, zones_main.sets) {
		char name[24];
		pages_params_t params = {
			.name = name,
			.numa_node =
				vm_numa_node_has_memory(s->numa_node) ? s->numa_node : VM_NODE_ANY,
			.page_size = (clib_mem_page_sz_t)s->log2_page_size,
			.max_bytes = s->bytes,
			.max_highmem_bytes = s->highmem_bytes,
			.n_reserve_pages = ~0u,
			.n_cached_pages = 64,
		};
		int rv;

		snprintf(name, sizeof(name), "pages-%d", s->numa_node);
		rv = pages_create(&params, &s->pages);
		if (!rv)
			rv = pages_set_node((u32)s->numa_node, s->pages);
		if (rv)
			return clib_error_return(0, "pages of node %d: %s", s->numa_node,
						 strerror(-rv));
		/* The first chunk now: workers may not call the system. */
		pages_grow(s->pages, 1);
	}
	return NULL;
}

static clib_error_t *
cannot_open(const char *name, int rv)
{
	const char *why = rv == -EINVAL   ? "is of another version; remove it when nobody uses it"
			  : rv == -EACCES ? "is another user's"
			  : rv == -EBUSY  ? "is locked by a process that does not go on"
					  : strerror(-rv);

	return clib_error_return(0, "zone %s exists, but /dev/shm/vmheap-%s.mmb %s", name, name,
				 why);
}

static clib_error_t *
zones_init(void)
{
	clib_error_t *error = make_sets();
	zone_t *z;
	int rv = 0;

	if (error)
		return error;

	vec_foreach (z, zones_main.zones) {
		mmz_params_t params = { .name = z->name,
					.bytes = z->bytes,
					.max_bytes = z->max_bytes,
					.page_size = (clib_mem_page_sz_t)z->log2_page_size,
					.numa_node = z->numa_node,
					.dir = z->dir };

		rv = mmz_create(&params, &z->zone);
		if (rv == -EEXIST) {
			rv = mmz_open(z->name, &z->zone);
			if (rv)
				return cannot_open(z->name, rv);
		}
		if (rv == -ENOTSUP)
			return clib_error_return(
				0,
				"zone %s: no hugetlbfs with pages of %U is mounted: mount -t "
				"hugetlbfs -o pagesize=%U none DIR",
				z->name, format_log2_page_size, z->log2_page_size,
				format_log2_page_size, z->log2_page_size);
		if (rv)
			return clib_error_return(0, "zone %s of %U: %s", z->name,
						 format_memory_size, z->bytes, strerror(-rv));
	}
	if (vec_len(zones_main.zones))
		rv = vmheap_timer_add(RECLAIM_PERIOD_MS, reclaim_own, NULL);
	return rv ? clib_error_return(0, "timer: %s", strerror(-rv)) : NULL;
}
VMHEAP_INIT_FUNCTION(zones_init);

static clib_error_t *
zones_exit(void)
{
	pages_set_t *s;
	zone_t *z;

	vec_foreach (s, zones_main.sets)
		if (s->pages && pages_destroy(s->pages))
			clib_warning("pages of node %d: blocks did not come back", s->numa_node);
	vec_free(zones_main.sets);

	vec_foreach (z, zones_main.zones) {
		mmz_info_t info;

		if (z->zone) {
			mmz_get_info(z->zone, &info);
			if (mmz_destroy(z->zone)) {
				clib_warning("zone %s stays: %u blocks of %U are in use", z->name,
					     info.n_blocks, format_memory_size, info.used_bytes);
				mmz_close(z->zone);
			}
		}
		vec_free(z->name);
		vec_free(z->dir);
	}
	vec_free(zones_main.zones);
	return NULL;
}
VMHEAP_EXIT_FUNCTION(zones_exit);

/* ---- commands ---- */

typedef struct {
	cli_output_t *out;
	const char *only; /* NULL: all */
	u32 n_zones, n_blocks;
	u64 bytes, used_bytes;
} show_t;

static u8 *
format_pa(u8 *s, va_list *va)
{
	u64 pa = va_arg(*va, u64);

	return pa == ~(u64)0 ? format(s, "unknown") : format(s, "0x%Lx", pa);
}

static int
show_block(const mmz_block_info_t *b, void *arg)
{
	show_t *show = arg;

	cli_text(show->out,
		 "   |-MMB: phys(%U%s), kvirt=0x%lx, offset=0x%lx, length=%luKB, maps=%u, "
		 "owner=%d%s, name=\"%s\"",
		 format_pa, b->pa, b->pa != ~(u64)0 && !b->is_contiguous ? ", scattered" : "",
		 (uword)b->address, b->offset, b->bytes >> 10, b->n_maps, b->owner_pid,
		 b->is_orphan ? " (orphan)" : "", b->name);
	cli_list_item_begin(show->out, "blocks");
	cli_field_u64(show->out, "id", b->id);
	cli_field_string(show->out, "name", "%s", b->name);
	cli_field_u64(show->out, "offset", b->offset);
	cli_field_u64(show->out, "bytes", b->bytes);
	cli_field_string(show->out, "physical_address", "%U", format_pa, b->pa);
	cli_field_bool(show->out, "contiguous", b->is_contiguous);
	cli_field_i64(show->out, "owner", b->owner_pid);
	cli_field_bool(show->out, "orphan", b->is_orphan);
	cli_field_u64(show->out, "maps", b->n_maps);
	cli_end(show->out);
	return 0;
}

static void
show_zone(show_t *show, mmz_t *zone)
{
	mmz_info_t info;

	mmz_get_info(zone, &info);
	cli_text(show->out,
		 "+---ZONE: nBYTES=%luKB, max=%luKB, used=%luKB, page=%luKB, node=%d, blocks=%u, "
		 "orphans=%u, NAME=\"%s\", file=%s",
		 info.bytes >> 10, info.max_bytes >> 10, info.used_bytes >> 10,
		 info.page_bytes >> 10, info.numa_node, info.n_blocks, info.n_orphans, info.name,
		 info.path);
	cli_list_item_begin(show->out, "zones");
	cli_field_string(show->out, "name", "%s", info.name);
	cli_field_string(show->out, "file", "%s", info.path);
	cli_field_u64(show->out, "bytes", info.bytes);
	cli_field_u64(show->out, "max_bytes", info.max_bytes);
	cli_field_u64(show->out, "used_bytes", info.used_bytes);
	cli_field_u64(show->out, "page_bytes", info.page_bytes);
	cli_field_i64(show->out, "numa_node", info.numa_node);
	cli_field_u64(show->out, "orphans", info.n_orphans);
	cli_field_u64(show->out, "allocs", info.n_allocs);
	cli_field_u64(show->out, "frees", info.n_frees);
	cli_field_u64(show->out, "fails", info.n_fails);
	cli_field_u64(show->out, "reclaimed", info.n_reclaimed);
	cli_field_u64(show->out, "lock_recoveries", info.n_lock_recoveries);
	mmz_foreach_block(zone, show_block, show);
	cli_end(show->out);
	show->n_zones++;
	show->n_blocks += info.n_blocks;
	show->bytes += info.bytes;
	show->used_bytes += info.used_bytes;
}

/* Each through a handle of its own, so that zones of other processes are seen alike. */
static int
show_by_name(const char *name, void *arg)
{
	show_t *show = arg;
	mmz_t *zone;
	int rv;

	if (show->only && strcmp(show->only, name))
		return 0;
	rv = mmz_open(name, &zone);
	if (rv) {
		cli_text(show->out, "+---ZONE: NAME=\"%s\": %s", name, strerror(-rv));
		return 0;
	}
	show_zone(show, zone);
	mmz_close(zone);
	return 0;
}

static clib_error_t *
show_zones_named_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	show_t show = { .out = out };
	clib_error_t *error = NULL;
	char *only = NULL;

	unformat(input, "%s", &only);
	unformat_skip_white_space(input);
	if (!unformat_is_eof(input)) {
		error = vmheap_config_unknown(input, "one name of a zone");
	} else {
		show.only = only;
		mmz_foreach_name(show_by_name, &show);
		if (only && !show.n_zones)
			error = clib_error_return(0, "no zone is named '%s'", only);
	}
	if (!error) {
		cli_text(out,
			 "---MMZ_USE_INFO: total size=%luKB, used=%luKB, remain=%luKB, "
			 "zone_number=%u, block_number=%u",
			 show.bytes >> 10, show.used_bytes >> 10,
			 (show.bytes - show.used_bytes) >> 10, show.n_zones, show.n_blocks);
		cli_field_u64(out, "total_bytes", show.bytes);
		cli_field_u64(out, "used_bytes", show.used_bytes);
		cli_field_u64(out, "zone_number", show.n_zones);
		cli_field_u64(out, "block_number", show.n_blocks);
	}
	vec_free(only);
	return error;
}
VMHEAP_CLI_COMMAND(show_zones_named) = {
	.path = "show zones named",
	.short_help = "show zones named [NAME]",
	.long_help =
		"Zones that processes share by name, whoever made them, and their blocks: where,\n"
		"how long, whose, how many processes map them; an orphan's owner is dead.",
	.function = show_zones_named_fn,
};

static clib_error_t *
zones_reclaim_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	mmz_reclaimed_t sum = { 0, 0 };

	if (unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		return vmheap_config_unknown(input, "nothing more");
	mmz_foreach_name(reclaim_one, &sum);
	cli_text(out, "%Lu blocks of %U reclaimed", sum.n_blocks, format_memory_size,
		 (uword)sum.n_bytes);
	cli_field_u64(out, "blocks", sum.n_blocks);
	cli_field_u64(out, "bytes", sum.n_bytes);
	return NULL;
}
VMHEAP_CLI_COMMAND(zones_reclaim) = {
	.path = "zones reclaim",
	.short_help = "zones reclaim",
	.long_help =
		"Frees the blocks of dead processes that no living one maps, in all named zones.",
	.function = zones_reclaim_fn,
};
