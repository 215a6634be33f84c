/* SPDX-License-Identifier: Apache-2.0 */
/* Each stanza is a table of keys; one loop reads them all. */
#include <cli/daemon_config.h>

#include <ctype.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

typedef struct parse parse_t;

typedef struct {
	const char *word;
	clib_error_t *(*take)(parse_t *p, const char *key);
	u8 may_repeat;
} config_key_t;

struct parse {
	config_cursor_t cursor;
	daemon_config_t *d;
	config_token_t key; /* the key's own token */
};

/* ---- values with a range of their own ---- */

static const struct {
	const char *word;
	clib_mem_page_sz_t size;
} page_sizes[] = {
	{ "4k", CLIB_MEM_PAGE_SZ_4K },
	{ "2m", CLIB_MEM_PAGE_SZ_2M },
	{ "1g", CLIB_MEM_PAGE_SZ_1G },
	{ "default", CLIB_MEM_PAGE_SZ_DEFAULT },
	{ "default-hugepage", CLIB_MEM_PAGE_SZ_DEFAULT_HUGE },
};

static int
token_is_nocase(const config_token_t *t, const char *word)
{
	return t->type == CONFIG_WORD && strlen(word) == t->n_bytes &&
	       !strncasecmp(t->p, word, t->n_bytes);
}

static clib_error_t *
take_page_size(parse_t *p, clib_mem_page_sz_t *size, u32 *offset)
{
	config_token_t t = config_next(&p->cursor);

	for (u32 i = 0; i < ARRAY_LEN(page_sizes); i++) {
		if (token_is_nocase(&t, page_sizes[i].word)) {
			*size = page_sizes[i].size;
			*offset = t.offset;
			return 0;
		}
	}
	return config_unknown(&p->cursor, &t, "one of: 4K, 2M, 1G, default, default-hugepage");
}

/* "a-b,c": CPU numbers in order, each a worker; a CPU may be named more than once. */
static clib_error_t *
take_cpu_list(parse_t *p, const char *key)
{
	daemon_config_t *d = p->d;
	config_token_t t = config_next(&p->cursor);
	const char *s = t.p, *end = t.p + t.n_bytes;
	u32 n = 0;

	d->cpu.corelist = malloc(VMHEAP_MAX_WORKERS * sizeof(d->cpu.corelist[0]));
	d->cpu.corelist_offset = t.offset;
	while (t.type == CONFIG_WORD && d->cpu.corelist) {
		u32 range[2], i;

		for (i = 0; i < 2; i++) {
			u32 n_digits = 0;

			for (range[i] = 0; s < end && isdigit((u8)*s) && n_digits < 6;
			     s++, n_digits++)
				range[i] = 10 * range[i] + (*s - '0');
			if (!n_digits || range[i] >= DAEMON_MAX_CPUS)
				goto bad;
			if (i == 0 && (s == end || *s != '-')) {
				range[1] = range[0];
				break;
			}
			s += i == 0;
		}
		if (range[1] < range[0])
			goto bad;
		for (u32 cpu = range[0]; cpu <= range[1]; cpu++) {
			if (n == VMHEAP_MAX_WORKERS)
				return config_error(p->cursor.config, t.offset,
						    "more than %d workers", VMHEAP_MAX_WORKERS);
			d->cpu.corelist[n++] = cpu;
		}
		d->cpu.n_corelist = n;
		if (s == end)
			return 0;
		if (*s++ != ',')
			goto bad;
	}
bad:
	return config_error(p->cursor.config, t.offset,
			    "expected a list of CPUs such as 1-3,5 after '%s' in stanza 'cpu'",
			    key);
}

static int
word_list_add(config_word_t **list, u32 *n, char *text, u32 offset)
{
	config_word_t *grown = realloc(*list, (*n + 1) * sizeof(**list));

	if (!grown || !text) {
		*list = grown ? grown : *list;
		free(text);
		return -ENOMEM;
	}
	*list = grown;
	grown[*n].text = text;
	grown[*n].offset = offset;
	(*n)++;
	return 0;
}

static clib_error_t *
take_listed_word(parse_t *p, const char *key, config_word_t **list, u32 *n)
{
	config_token_t t = config_peek(&p->cursor);
	char *word = NULL;
	clib_error_t *error = config_take_word(&p->cursor, key, &word);

	if (!error && word_list_add(list, n, word, t.offset))
		error = config_error(p->cursor.config, t.offset, "no memory");
	return error;
}

static clib_error_t *
take_offset_size(parse_t *p, const char *key, uword *value, u32 *offset)
{
	*offset = config_peek(&p->cursor).offset;
	return config_take_size(&p->cursor, key, value);
}

/* ---- unix ---- */

#define TAKE(name, body)                                                                           \
	static clib_error_t *take_##name(parse_t *p, const char *key)                              \
	{                                                                                          \
		daemon_config_t *d = p->d;                                                         \
		body;                                                                              \
	}
#define TAKE_FLAG(name, field) TAKE(name, (d->field = 1); return 0)
#define TAKE_WORD(name, field) TAKE(name, return config_take_word(&p->cursor, key, &d->field))

TAKE_WORD(cli_listen, unix_.cli_listen)
TAKE_WORD(pidfile, unix_.pidfile)
TAKE_WORD(log, unix_.log)
TAKE_FLAG(nodaemon, unix_.nodaemon)
TAKE_FLAG(daemon, unix_.daemon)
TAKE_FLAG(interactive, unix_.interactive)

static clib_error_t *
take_exec(parse_t *p, const char *key)
{
	if (p->d->unix_.exec)
		return config_error(p->cursor.config, p->key.offset,
				    "'%s': a file to run is given already", key);
	return config_take_word(&p->cursor, key, &p->d->unix_.exec);
}

static const config_key_t unix_keys[] = {
	{ "cli-listen", take_cli_listen },
	{ "pidfile", take_pidfile },
	{ "log", take_log },
	{ "exec", take_exec },
	{ "startup-config", take_exec },
	{ "nodaemon", take_nodaemon },
	{ "daemon", take_daemon },
	{ "interactive", take_interactive },
};

/* ---- cpu ---- */

static clib_error_t *
take_main_core(parse_t *p, const char *key)
{
	p->d->cpu.main_core_offset = config_peek(&p->cursor).offset;
	return config_take_u32(&p->cursor, key, 0, DAEMON_MAX_CPUS - 1, &p->d->cpu.main_core);
}
TAKE(workers, return config_take_u32(&p->cursor, key, 0, VMHEAP_MAX_WORKERS, &d->cpu.n_workers))
TAKE(skip_cores,
     return config_take_u32(&p->cursor, key, 0, DAEMON_MAX_CPUS - 1, &d->cpu.skip_cores))

static const config_key_t cpu_keys[] = {
	{ "main-core", take_main_core },
	{ "workers", take_workers },
	{ "corelist-workers", take_cpu_list },
	{ "skip-cores", take_skip_cores },
};

/* ---- memory ---- */

TAKE(main_heap_size,
     return take_offset_size(p, key, &d->memory.main_heap_size, &d->memory.main_heap_size_offset))
TAKE(numa_heap_size,
     return take_offset_size(p, key, &d->memory.numa_heap_size, &d->memory.numa_heap_size_offset))
TAKE(main_heap_page_size, return take_page_size(p, &d->memory.main_heap_page_size,
						&d->memory.main_heap_page_size_offset))
TAKE(default_hugepage_size, return take_offset_size(p, key, &d->memory.default_hugepage_size,
						    &d->memory.default_hugepage_size_offset))

TAKE_FLAG(guard_metadata, memory.guard_metadata)

static clib_error_t *
take_fronts(parse_t *p, const char *key)
{
	config_token_t t = config_next(&p->cursor);

	if (!config_token_is(&t, "on") && !config_token_is(&t, "off"))
		return config_error(p->cursor.config, t.offset,
				    "expected on or off after '%s' in stanza 'memory'", key);
	p->d->memory.no_fronts = (u8)config_token_is(&t, "off");
	return 0;
}

static const config_key_t memory_keys[] = {
	{ "main-heap-size", take_main_heap_size },
	{ "main-heap-page-size", take_main_heap_page_size },
	{ "numa-heap-size", take_numa_heap_size },
	{ "default-hugepage-size", take_default_hugepage_size },
	{ "guard-metadata", take_guard_metadata },
	{ "fronts", take_fronts },
};

/* ---- plugins ---- */

static clib_error_t *
take_path(parse_t *p, const char *key)
{
	p->d->plugins.has_path = 1;
	return take_listed_word(p, key, &p->d->plugins.paths, &p->d->plugins.n_paths);
}
TAKE(add_path, return take_listed_word(p, key, &d->plugins.paths, &d->plugins.n_paths))

static clib_error_t *
plugin_word(parse_t *p, const config_token_t *t, vmheap_plugin_entry_t *e)
{
	u8 is_default = !strcmp(e->name, "default");

	if (is_default && config_token_is(t, "disable"))
		p->d->plugins.default_disable = 1;
	else if (is_default)
		return config_unknown(&p->cursor, t, "one of: disable");
	else if (config_token_is(t, "enable"))
		e->enable = 1;
	else if (config_token_is(t, "disable"))
		e->disable = 1;
	else if (config_token_is(t, "require"))
		e->require = 1;
	else
		return config_unknown(&p->cursor, t, "one of: enable, disable, require");
	return e->disable && (e->enable || e->require)
		       ? config_error(p->cursor.config, t->offset,
				      "plugin '%s': disable contradicts the word before", e->name)
		       : 0;
}

static clib_error_t *
plugin_block(parse_t *p, vmheap_plugin_entry_t *e)
{
	config_token_t t = config_next(&p->cursor);
	clib_error_t *error = 0;

	if (t.type != CONFIG_OPEN)
		return config_error(p->cursor.config, t.offset, "expected '{' after plugin '%s'",
				    e->name);
	for (t = config_next(&p->cursor); !error && t.type != CONFIG_CLOSE;
	     t = config_next(&p->cursor))
		error = plugin_word(p, &t, e);
	return error;
}

static clib_error_t *
take_plugin(parse_t *p, const char *key)
{
	daemon_config_t *d = p->d;
	config_token_t t = config_peek(&p->cursor);
	vmheap_plugin_entry_t e = {}, *grown;
	clib_error_t *error = config_take_word(&p->cursor, key, &e.name);

	if (error)
		return error;
	for (u32 i = 0; i < d->plugins.n_entries && !error; i++) {
		if (!strcmp(d->plugins.entries[i].name, e.name))
			error = config_error(p->cursor.config, t.offset,
					     "plugin '%s' is configured twice", e.name);
	}
	if (!error)
		error = plugin_block(p, &e);
	/* "default" is no plugin. */
	if (error || !strcmp(e.name, "default")) {
		free(e.name);
		return error;
	}
	grown = realloc(d->plugins.entries, (d->plugins.n_entries + 1) * sizeof(e));
	if (!grown) {
		free(e.name);
		return config_error(p->cursor.config, t.offset, "no memory");
	}
	d->plugins.entries = grown;
	grown[d->plugins.n_entries++] = e;
	return 0;
}

static const config_key_t plugins_keys[] = {
	{ "path", take_path, .may_repeat = 1 },
	{ "add-path", take_add_path, .may_repeat = 1 },
	{ "plugin", take_plugin, .may_repeat = 1 },
};

/* ---- dpdk ---- */

TAKE_FLAG(no_pci, dpdk.no_pci)
TAKE_FLAG(no_huge, dpdk.no_huge)
TAKE_WORD(file_prefix, dpdk.file_prefix)
TAKE_WORD(log_level, dpdk.log_level)
TAKE(vdev, return take_listed_word(p, key, &d->dpdk.vdevs, &d->dpdk.n_vdevs))

static clib_error_t *
take_in_memory(parse_t *p, const char *key)
{
	p->d->dpdk.in_memory = 1;
	p->d->dpdk.in_memory_offset = p->key.offset;
	return 0;
}

static clib_error_t *
take_socket_mem(parse_t *p, const char *key)
{
	p->d->dpdk.socket_mem_offset = p->key.offset;
	return config_take_word(&p->cursor, key, &p->d->dpdk.socket_mem);
}

static clib_error_t *
take_iova_mode(parse_t *p, const char *key)
{
	config_token_t t = config_peek(&p->cursor);

	if (!config_token_is(&t, "pa") && !config_token_is(&t, "va"))
		return config_error(p->cursor.config, t.offset,
				    "expected pa or va after '%s' in stanza 'dpdk'", key);
	return config_take_word(&p->cursor, key, &p->d->dpdk.iova_mode);
}

static const config_key_t dpdk_keys[] = {
	{ "vdev", take_vdev, .may_repeat = 1 },
	{ "no-pci", take_no_pci },
	{ "no-huge", take_no_huge },
	{ "in-memory", take_in_memory },
	{ "socket-mem", take_socket_mem },
	{ "file-prefix", take_file_prefix },
	{ "iova-mode", take_iova_mode },
	{ "log-level", take_log_level },
};

/* "02:00.0" or "0000:02:00.0". */
static int
is_pci_address(const config_token_t *t)
{
	u32 n_colons = 0, n_dots = 0;

	for (u32 i = 0; i < t->n_bytes; i++) {
		if (t->p[i] == ':')
			n_colons++;
		else if (t->p[i] == '.')
			n_dots++;
		else if (!isxdigit((u8)t->p[i]))
			return 0;
	}
	return n_dots == 1 && (n_colons == 1 || n_colons == 2);
}

/* `dev X { ... }`: a PCI address is EAL's to probe; the words themselves are ethdev's. */
static clib_error_t *
note_dev(parse_t *p)
{
	config_token_t t = config_next(&p->cursor);

	if (t.type != CONFIG_WORD)
		return config_error(
			p->cursor.config, t.offset,
			"expected a PCI address or a port's name after 'dev' in stanza 'dpdk'");
	if (is_pci_address(&t) &&
	    word_list_add(&p->d->dpdk.devs, &p->d->dpdk.n_devs, config_token_dup(&t), t.offset))
		return config_error(p->cursor.config, t.offset, "no memory");
	config_skip_block(&p->cursor);
	return 0;
}

static void
keep_for_ethdev(parse_t *p, u32 from, u32 to)
{
	memcpy(p->d->dpdk.rest + from, p->cursor.config->text + from, to - from);
}

/* Words that this file does not know are ethdev's, with the blocks behind them. */
static clib_error_t *
dpdk_unknown(parse_t *p)
{
	u32 from = p->key.offset;
	clib_error_t *error = 0;

	if (p->key.type == CONFIG_OPEN) {
		p->cursor.at = p->key.offset;
		config_skip_block(&p->cursor);
	} else if (config_token_is(&p->key, "dev")) {
		error = note_dev(p);
	}
	if (!error)
		keep_for_ethdev(p, from, p->cursor.at);
	return error;
}

static clib_error_t *
dpdk_begin(parse_t *p)
{
	daemon_config_t *d = p->d;
	u32 n = p->cursor.config->n_bytes;

	if (d->dpdk.rest)
		return 0;
	d->dpdk.rest = malloc(n + 1);
	if (!d->dpdk.rest)
		return clib_error_return(0, "%s: no memory", p->cursor.config->file);
	/* Lines stay lines, everything else is blank until a word is kept. */
	for (u32 i = 0; i < n; i++)
		d->dpdk.rest[i] = p->cursor.config->text[i] == '\n' ? '\n' : ' ';
	d->dpdk.rest[n] = 0;
	return 0;
}

/* ---- all stanzas ---- */

#define MAX_KEYS 16

static const struct {
	const char *name;
	const config_key_t *keys;
	u32 n_keys;
	const char *expected;
	clib_error_t *(*begin)(parse_t *p);
	clib_error_t *(*unknown)(parse_t *p);
} stanzas[] = {
	{ "unix", unix_keys, ARRAY_LEN(unix_keys),
	  "one of: cli-listen, pidfile, log, exec, startup-config, nodaemon, daemon, interactive" },
	{ "cpu", cpu_keys, ARRAY_LEN(cpu_keys),
	  "one of: main-core, workers, corelist-workers, skip-cores" },
	{ "memory", memory_keys, ARRAY_LEN(memory_keys),
	  "one of: main-heap-size, main-heap-page-size, numa-heap-size, default-hugepage-size, "
	  "guard-metadata, fronts" },
	{ "plugins", plugins_keys, ARRAY_LEN(plugins_keys), "one of: path, add-path, plugin" },
	{ "dpdk", dpdk_keys, ARRAY_LEN(dpdk_keys), "", dpdk_begin, dpdk_unknown },
};

#define N_STANZAS ARRAY_LEN(stanzas)

static u32
stanza_index(const char *name)
{
	u32 i;

	for (i = 0; i < N_STANZAS && strcmp(stanzas[i].name, name); i++)
		;
	return i;
}

int
daemon_config_owns(const char *stanza)
{
	return stanza_index(stanza) < N_STANZAS;
}

/* seen: one bit a key, over all stanzas of the name. */
static clib_error_t *
read_stanza(parse_t *p, u32 index, u32 *seen)
{
	clib_error_t *error = stanzas[index].begin ? stanzas[index].begin(p) : 0;

	while (!error) {
		const config_key_t *k = stanzas[index].keys, *end = k + stanzas[index].n_keys;

		p->key = config_next(&p->cursor);
		if (p->key.type == CONFIG_END)
			break;
		while (k < end && !config_token_is(&p->key, k->word))
			k++;
		if (k < end) {
			u32 bit = 1u << (k - stanzas[index].keys);

			if (*seen & bit && !k->may_repeat)
				return config_error(p->cursor.config, p->key.offset,
						    "'%s' is given twice in stanza '%s'", k->word,
						    stanzas[index].name);
			*seen |= bit;
			error = k->take(p, k->word);
		} else if (stanzas[index].unknown) {
			error = stanzas[index].unknown(p);
		} else {
			error = config_unknown(&p->cursor, &p->key, stanzas[index].expected);
		}
	}
	return error;
}

/* What no single word can tell. */
static clib_error_t *
check_together(const config_t *c, const daemon_config_t *d)
{
	if (d->unix_.daemon && (d->unix_.nodaemon || d->unix_.interactive))
		return clib_error_return(0, "%s: stanza 'unix': daemon contradicts %s", c->file,
					 d->unix_.nodaemon ? "nodaemon" : "interactive");
	if (d->cpu.n_corelist && d->cpu.n_workers != ~0u)
		return config_error(c, d->cpu.corelist_offset,
				    "corelist-workers and workers exclude each other");
	if (d->dpdk.no_huge && d->dpdk.in_memory)
		return config_error(c, d->dpdk.in_memory_offset,
				    "in-memory and no-huge exclude each other in DPDK");
	if (d->dpdk.no_huge && d->dpdk.socket_mem)
		return config_error(c, d->dpdk.socket_mem_offset,
				    "socket-mem needs huge pages, but no-huge is given");
	if (d->dpdk.no_huge && d->memory.default_hugepage_size)
		return config_error(c, d->memory.default_hugepage_size_offset,
				    "a huge page size, but no-huge is given");
	if (d->dpdk.no_huge && (d->memory.main_heap_page_size == CLIB_MEM_PAGE_SZ_DEFAULT_HUGE ||
				d->memory.main_heap_page_size > CLIB_MEM_PAGE_SZ_64K))
		return config_error(c, d->memory.main_heap_page_size_offset,
				    "huge pages, but no-huge is given");
	return 0;
}

clib_error_t *
daemon_config_read(const config_t *c, daemon_config_t *d)
{
	u32 seen[N_STANZAS] = {};
	clib_error_t *error = 0;

	memset(d, 0, sizeof(*d));
	d->cpu.main_core = d->cpu.n_workers = ~0u;
	for (u32 i = 0; i < c->n_stanzas && !error; i++) {
		u32 index = stanza_index(c->stanzas[i].name);
		parse_t p = { .d = d };

		if (index == N_STANZAS)
			continue;
		if (!strcmp(c->stanzas[i].name, "cpu") && !d->cpu.is_given) {
			d->cpu.is_given = 1;
			d->cpu.offset = c->stanzas[i].name_offset;
		}
		config_cursor_init(&p.cursor, c, &c->stanzas[i]);
		error = read_stanza(&p, index, &seen[index]);
	}
	if (!error)
		error = check_together(c, d);
	if (error)
		daemon_config_free(d);
	return error;
}

static void
word_list_free(config_word_t *list, u32 n)
{
	for (u32 i = 0; i < n; i++)
		free(list[i].text);
	free(list);
}

void
daemon_config_free(daemon_config_t *d)
{
	free(d->unix_.cli_listen);
	free(d->unix_.pidfile);
	free(d->unix_.log);
	free(d->unix_.exec);
	free(d->cpu.corelist);
	word_list_free(d->plugins.paths, d->plugins.n_paths);
	for (u32 i = 0; i < d->plugins.n_entries; i++)
		free(d->plugins.entries[i].name);
	free(d->plugins.entries);
	word_list_free(d->dpdk.vdevs, d->dpdk.n_vdevs);
	word_list_free(d->dpdk.devs, d->dpdk.n_devs);
	free(d->dpdk.socket_mem);
	free(d->dpdk.file_prefix);
	free(d->dpdk.iova_mode);
	free(d->dpdk.log_level);
	free(d->dpdk.rest);
	memset(d, 0, sizeof(*d));
}
