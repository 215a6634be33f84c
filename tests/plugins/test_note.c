/* SPDX-License-Identifier: Apache-2.0 */
/* Bad plugins are made from a good one's file, each wrong in one way, and loaded together. */
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/capability.h>
#include <plugins/framework/framework.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include "run_command.h"
#include "unit.h"

static char here[400]; /* the directory of this program: modules are beside it */
static char root[440], bad_dir[460], other_dir[460], witness_dir[460];
static u8 *good; /* vector: good_plugin.so */
static u8 *log_text;

/* ---- files ---- */

static u8 *
read_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	u8 *bytes = NULL;

	CU_ASSERT_FATAL(fd >= 0 && fstat(fd, &st) == 0);
	vec_validate(bytes, (uword)st.st_size - 1);
	CU_ASSERT_EQUAL_FATAL(read(fd, bytes, (uword)st.st_size), st.st_size);
	close(fd);
	return bytes;
}

static void
write_file(const char *dir, const char *name, const u8 *bytes, uword n_bytes)
{
	char path[600];
	int fd;

	snprintf(path, sizeof(path), "%s/%s_plugin.so", dir, name);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0755);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL_FATAL(write(fd, bytes, n_bytes), (ssize_t)n_bytes);
	close(fd);
}

static int
file_exists(const char *dir, const char *name)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s_plugin.so", dir, name);
	return access(path, F_OK) == 0;
}

static vmheap_plugin_note_t *
note_in(u8 *bytes)
{
	static const struct {
		u32 n_name, n_desc, type;
		char owner[8];
	} head = { sizeof(VMHEAP_NOTE_OWNER), sizeof(vmheap_plugin_note_t), VMHEAP_NOTE_TYPE,
		   VMHEAP_NOTE_OWNER };
	u8 *p = memmem(bytes, vec_len(bytes), &head, sizeof(head));

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	return (vmheap_plugin_note_t *)(p + 24);
}

/* A copy of the good plugin under another name, for a mutation to work on. */
static u8 *
copy_named(const char *name)
{
	u8 *bytes = vec_dup(good);
	vmheap_plugin_note_t *note = note_in(bytes);

	memset(note->name, 0, sizeof(note->name));
	snprintf(note->name, sizeof(note->name), "%s", name);
	return bytes;
}

/* ---- mutations: bytes is a vector, its length the file's ---- */

#define HEADER(b) ((Elf64_Ehdr *)(b))
#define SEGMENTS(b) ((Elf64_Phdr *)((b) + HEADER(b)->e_phoff))
#define NOTE_HEAD(b) ((u32 *)((u8 *)note_in(b) - 24)) /* n_name, n_desc, type, owner */

static Elf64_Phdr *
segment_of_type(u8 *b, u32 type)
{
	for (u32 i = 0; i < HEADER(b)->e_phnum; i++)
		if (SEGMENTS(b)[i].p_type == type)
			return &SEGMENTS(b)[i];
	return NULL;
}

static void
hide_segments(u8 *b, u32 type)
{
	Elf64_Phdr *p;

	while ((p = segment_of_type(b, type)))
		p->p_type = PT_NULL;
}

#define MUTATION(name_, ...)                                                                       \
	static u8 *name_(u8 *b)                                                                    \
	{                                                                                          \
		__VA_ARGS__;                                                                       \
		return b;                                                                          \
	}

MUTATION(empty, vec_set_len(b, 0))
MUTATION(three_bytes, vec_set_len(b, 3))
MUTATION(plain_text, memcpy(b, "#!/bin/sh\n", 10))
MUTATION(cut_in_elf_header, vec_set_len(b, 40))
MUTATION(cut_in_program_headers, vec_set_len(b, sizeof(Elf64_Ehdr) + 100))
MUTATION(cut_at_section_table, vec_set_len(b, vec_len(b) - 1))
/* As a stripped file would be: without a section table at its end. */
MUTATION(cut_in_a_segment, HEADER(b)->e_shoff = 0; HEADER(b)->e_shnum = 0;
	 vec_set_len(b, segment_of_type(b, PT_DYNAMIC)->p_offset + 1))
MUTATION(class_32, b[EI_CLASS] = ELFCLASS32)
MUTATION(big_endian, b[EI_DATA] = ELFDATA2MSB)
MUTATION(elf_version, b[EI_VERSION] = 9)
MUTATION(other_machine, HEADER(b)->e_machine = EM_S390)
MUTATION(executable_type, HEADER(b)->e_type = ET_EXEC)
MUTATION(segment_entry_size, HEADER(b)->e_phentsize = 32)
MUTATION(no_segments, HEADER(b)->e_phnum = 0)
MUTATION(too_many_segments, HEADER(b)->e_phnum = PN_XNUM)
MUTATION(segments_far_away, HEADER(b)->e_phoff = ~0ull - 8)
MUTATION(section_entry_size, HEADER(b)->e_shentsize = 1)
MUTATION(sections_far_away, HEADER(b)->e_shoff = ~0ull - 8)
MUTATION(sections_too_many, HEADER(b)->e_shnum = 0xffff)
MUTATION(load_wraps, segment_of_type(b, PT_LOAD)->p_offset = ~0ull - 4)
MUTATION(load_too_long, segment_of_type(b, PT_LOAD)->p_filesz = ~0ull)
MUTATION(load_shrinks, segment_of_type(b, PT_LOAD)->p_memsz = 1)
MUTATION(load_alignment, segment_of_type(b, PT_LOAD)->p_align = 3)
MUTATION(load_beyond_memory, segment_of_type(b, PT_LOAD)->p_vaddr = ~0ull - 8)
MUTATION(note_outside, segment_of_type(b, PT_NOTE)->p_offset = 1ull << 40)
MUTATION(notes_too_big, vec_validate(b, vec_len(b) + KiB(128));
	 segment_of_type(b, PT_NOTE)->p_offset = 4096;
	 segment_of_type(b, PT_NOTE)->p_filesz = KiB(65))
MUTATION(no_note, hide_segments(b, PT_NOTE))
MUTATION(nothing_dynamic, hide_segments(b, PT_DYNAMIC))
MUTATION(other_owner, NOTE_HEAD(b)[3] ^= 1)
MUTATION(other_type, NOTE_HEAD(b)[2] = 2)
MUTATION(note_only_4_bytes, NOTE_HEAD(b)[1] = 4)
MUTATION(note_100_bytes, NOTE_HEAD(b)[1] = 100)
MUTATION(note_runs_out, NOTE_HEAD(b)[1] = 0xfffffff0)
MUTATION(owner_runs_out, NOTE_HEAD(b)[0] = 0xfffffff0)
MUTATION(abi_2, note_in(b)->abi = 2)
MUTATION(desc_bytes, note_in(b)->desc_bytes = 8)
MUTATION(fingerprint, note_in(b)->fingerprint ^= 1ull << 60)
MUTATION(dpdk_abi, strcpy(note_in(b)->dpdk_abi, "17"))
MUTATION(dpdk_abi_no_nul, memset(note_in(b)->dpdk_abi, '2', 16))
MUTATION(name_no_nul, memset(note_in(b)->name, 'n', 32))
MUTATION(version_no_nul, memset(note_in(b)->version, 'v', 32))
MUTATION(description_no_nul, memset(note_in(b)->description, 'd', 96))
MUTATION(requires_no_nul, memset(note_in(b)->requires, 'r', 128))
MUTATION(load_after_no_nul, memset(note_in(b)->load_after, 'l', 128))
MUTATION(other_name, strcpy(note_in(b)->name, "somebody_else"))
MUTATION(needs_nobody, strcpy(note_in(b)->requires, "good, nobody_plugin.so"))
MUTATION(needs_refused, strcpy(note_in(b)->requires, "abi_2"))
MUTATION(needs_needs_refused, strcpy(note_in(b)->requires, "needs_refused"))
MUTATION(needs_disabled, strcpy(note_in(b)->requires, "off"))
MUTATION(circle_a, strcpy(note_in(b)->requires, "circle_b"))
MUTATION(circle_b, strcpy(note_in(b)->load_after, "circle_a"))
MUTATION(needs_circle, strcpy(note_in(b)->requires, "circle_b"))
MUTATION(needs_unresolved, strcpy(note_in(b)->requires, "unresolved"))

#define BAD(f, text)                                                                               \
	{                                                                                          \
#		f, f, text                                                                        \
	}
static const struct {
	const char *name;
	u8 *(*mutate)(u8 *bytes);
	const char *reason;
} bad[] = {
	BAD(empty, "is empty"),
	BAD(three_bytes, "is not an ELF file: only 3 bytes"),
	BAD(plain_text, "is not an ELF file"),
	BAD(cut_in_elf_header, "is cut short in the ELF header: 40 of 64 bytes"),
	BAD(cut_in_program_headers, "program headers at byte 64 of 164"),
	BAD(cut_at_section_table, "section headers at byte"),
	BAD(cut_in_a_segment, "is cut short: segment"),
	BAD(class_32, "is not 64-bit: ELF class 1"),
	BAD(big_endian, "is not little endian"),
	BAD(elf_version, "has ELF version"),
	BAD(other_machine, "is for another machine: ELF machine 22"),
	BAD(executable_type, "is not a shared object: ELF type 2"),
	BAD(segment_entry_size, "has program headers of 32 bytes, not 56"),
	BAD(no_segments, "has no program headers"),
	BAD(too_many_segments, "has 65535 program headers, more than 256"),
	BAD(segments_far_away, "program headers at byte 18446744073709551607"),
	BAD(section_entry_size, "has section headers of 1 bytes, not 64"),
	BAD(sections_far_away, "section headers at byte 18446744073709551607"),
	BAD(sections_too_many, "is cut short: 65535 section headers"),
	BAD(load_wraps, "at byte 18446744073709551611"),
	BAD(load_too_long, "has 18446744073709551615 bytes"),
	BAD(load_shrinks, "smaller in memory than in the file"),
	BAD(load_alignment, "aligned to 3, not a power of two"),
	BAD(load_beyond_memory, "beyond the end of memory"),
	BAD(note_outside, "at byte 1099511627776"),
	BAD(notes_too_big, "has 66560 bytes of notes"),
	BAD(no_note, "carries no vmheap note"),
	BAD(nothing_dynamic, "has nothing to load"),
	BAD(other_owner, "carries no vmheap note"),
	BAD(other_type, "carries no vmheap note"),
	BAD(note_only_4_bytes, "has a note of only 4 bytes"),
	BAD(note_100_bytes, "has a note of 100 bytes, not 456"),
	BAD(note_runs_out, "bytes behind its segment"),
	BAD(owner_runs_out, "bytes behind its segment"),
	BAD(abi_2, "was built for plugin ABI 2, this is ABI 1"),
	BAD(desc_bytes, "has a note that calls itself 8 bytes, not 456"),
	BAD(fingerprint, "was built with other structs: fingerprint 0x"),
	BAD(dpdk_abi, "was built for DPDK ABI 17, this is " VMHEAP_DPDK_ABI),
	BAD(dpdk_abi_no_nul, "has a DPDK ABI without its final NUL"),
	BAD(name_no_nul, "has a name without its final NUL"),
	BAD(version_no_nul, "has a version without its final NUL"),
	BAD(description_no_nul, "has a description without its final NUL"),
	BAD(requires_no_nul, "has a list of requirements without its final NUL"),
	BAD(load_after_no_nul, "has a load_after list without its final NUL"),
	BAD(other_name, "calls itself 'somebody_else'"),
	BAD(needs_nobody, "requires nobody, which was not found"),
	BAD(needs_refused, "requires abi_2, which was refused"),
	BAD(needs_needs_refused, "requires needs_refused, which was refused"),
	BAD(needs_disabled, "requires off, which is disabled"),
	BAD(circle_a, "must be loaded after itself: circle_"),
	BAD(circle_b, "must be loaded after itself: circle_"),
	BAD(needs_circle, "requires circle_b, which was refused"),
	BAD(needs_unresolved, "requires unresolved, which was refused"),
};

/* ---- what is not a file to be changed ---- */

/* Root reads everything; without this capability an unreadable file is unreadable to root too. */
static void
set_may_read_everything(int on)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	u32 bits = 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH;

	if (syscall(SYS_capget, &head, data))
		return;
	data[0].effective =
		on ? data[0].effective | (data[0].permitted & bits) : data[0].effective & ~bits;
	syscall(SYS_capset, &head, data);
}

static void
make_odd_files(void)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/directory_plugin.so", bad_dir);
	CU_ASSERT_EQUAL_FATAL(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/fifo_plugin.so", bad_dir);
	CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0644), 0);
	snprintf(path, sizeof(path), "%s/dangling_plugin.so", bad_dir);
	CU_ASSERT_EQUAL_FATAL(symlink("nowhere", path), 0);
	write_file(bad_dir, "unreadable", good, vec_len(good));
	snprintf(path, sizeof(path), "%s/unreadable_plugin.so", bad_dir);
	CU_ASSERT_EQUAL_FATAL(chmod(path, 0), 0);
}

static void
copy_module(const char *dir, const char *name)
{
	char path[600];
	u8 *bytes;

	snprintf(path, sizeof(path), "%s/%s_plugin.so", here, name);
	bytes = read_file(path);
	write_file(dir, name, bytes, vec_len(bytes));
	vec_free(bytes);
}

/* The failing plugin under another name. */
static void
copy_failing_as(const char *dir, const char *name)
{
	char path[600];
	u8 *b;

	snprintf(path, sizeof(path), "%s/failing_plugin.so", here);
	b = read_file(path);
	memset(note_in(b)->name, 0, sizeof(note_in(b)->name));
	strcpy(note_in(b)->name, name);
	write_file(dir, name, b, vec_len(b));
	vec_free(b);
}

static void
copy_with(const char *dir, const char *name, const char *requires, const char *load_after,
	  u32 default_disabled)
{
	u8 *b = copy_named(name);

	strcpy(note_in(b)->requires, requires);
	strcpy(note_in(b)->load_after, load_after);
	note_in(b)->default_disabled = default_disabled;
	write_file(dir, name, b, vec_len(b));
	vec_free(b);
}

static void
make_files(void)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/good_plugin.so", here);
	good = read_file(path);
	for (u32 i = 0; i < ARRAY_LEN(bad); i++) {
		u8 *b = bad[i].mutate(copy_named(bad[i].name));

		write_file(bad_dir, bad[i].name, b, vec_len(b));
		vec_free(b);
	}
	make_odd_files();
	copy_module(bad_dir, "good");
	copy_module(bad_dir, "circular");
	copy_module(bad_dir, "failing");
	copy_module(bad_dir, "unresolved");
	copy_with(bad_dir, "off", "", "", 0);
	copy_with(bad_dir, "off_by_default", "", "", 1);
	copy_with(bad_dir, "on_though_off_by_default", "", "", 1);
	copy_with(bad_dir, "needs_failing", "failing", "", 0);
	copy_with(bad_dir, "a_needs_z", "z", "", 0);
	copy_with(bad_dir, "b_after_a", "", "a_needs_z,nobody", 0);
	copy_with(bad_dir, "z", "", "good", 0);
	/* Names that are no plugins' are not even looked at. */
	write_file(bad_dir, ".hidden", good, 10);
	copy_module(other_dir, "good");
	copy_with(other_dir, "late", "good", "", 0);
	copy_with(other_dir, "needs_failed", "failing", "", 0);
	copy_failing_as(root, "required");
}

/* ---- helpers of the tests ---- */

static void
collect_log(const char *line)
{
	log_text = format(log_text, "%s\n", line);
}

/* Whether a line of the log has all of a text; the log is a vector without a NUL. */
static int
log_has(const char *text)
{
	return log_text && memmem(log_text, vec_len(log_text), text, strlen(text)) != NULL;
}

static int
error_has(clib_error_t *error, const char *text)
{
	u8 *s = format(NULL, "%U", format_clib_error, error);
	int has = s && memmem(s, vec_len(s), text, strlen(text));

	if (!has)
		printf("error was: %.*s\n", (int)vec_len(s), s);
	vec_free(s);
	return has;
}

static vmheap_plugin_entry_t *
entries_of(const vmheap_plugin_entry_t *e, u32 n)
{
	vmheap_plugin_entry_t *v = NULL;

	vec_add(v, e, n);
	return v;
}

static clib_error_t *
load(const char *path, const vmheap_plugin_entry_t *e, u32 n)
{
	vmheap_plugin_config_t config = { .entries = entries_of(e, n) };
	clib_error_t *error;
	char *p = (char *)path;

	vec_add1(config.paths, p);
	error = vmheap_plugins_load(&config);
	vec_free(config.paths);
	vec_free(config.entries);
	return error;
}

static int
has_command(const char *path)
{
	for (vmheap_cli_command_t *c = vmheap_cli_commands(); c; c = c->next)
		if (!strcmp(c->path, path))
			return 1;
	return 0;
}

static const vmheap_plugin_t *
expect_state(const char *name, vmheap_plugin_state_t state, const char *reason)
{
	const vmheap_plugin_t *p = vmheap_plugin_by_name(name);

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	if (p->state != state || (reason && (!p->reason || !strstr(p->reason, reason)))) {
		printf("%s: state %u, %s\n", name, p->state, p->reason ? p->reason : "no reason");
		CU_FAIL("state or reason");
	}
	return p;
}

/* ---- tests, in this order: plugins cannot be unloaded ---- */

/* A directory full of plugins that are each wrong in one way: the load succeeds. */
static void
a_load_survives_bad_plugins(void)
{
	static const vmheap_plugin_entry_t entries[] = {
		{ .name = (char *)"off", .disable = 1 },
		{ .name = (char *)"on_though_off_by_default_plugin.so", .enable = 1 },
		{ .name = (char *)"not_there", .enable = 1 },
	};

	make_files();
	set_may_read_everything(0);
	CU_ASSERT_PTR_NULL(load(bad_dir, entries, ARRAY_LEN(entries)));
	set_may_read_everything(1);
	CU_ASSERT(log_has("plugin not_there is enabled but not in the plugin path"));
}

/* Each bad plugin is refused with a text of its own, logged with its path. */
static void
each_bad_plugin_has_its_reason(void)
{
	for (u32 i = 0; i < ARRAY_LEN(bad); i++) {
		char line[800];

		expect_state(bad[i].name, VMHEAP_PLUGIN_REFUSED, bad[i].reason);
		snprintf(line, sizeof(line), "%s/%s_plugin.so: refused: ", bad_dir, bad[i].name);
		CU_ASSERT(log_has(line));
	}
	expect_state("directory", VMHEAP_PLUGIN_REFUSED, "is a directory, not a file");
	expect_state("fifo", VMHEAP_PLUGIN_REFUSED, "is not a regular file");
	expect_state("dangling", VMHEAP_PLUGIN_REFUSED, "cannot be opened: No such file");
	expect_state("unreadable", VMHEAP_PLUGIN_REFUSED, "cannot be opened: Permission denied");
	expect_state("unresolved", VMHEAP_PLUGIN_REFUSED, "nobody_has_this_function");
	CU_ASSERT_PTR_NULL(vmheap_plugin_by_name("hidden"));
}

/* No code of a plugin that is refused or disabled ran, not even its constructors. */
static void
no_code_of_a_refused_plugin_ran(void)
{
	for (u32 i = 0; i < ARRAY_LEN(bad); i++)
		CU_ASSERT(!file_exists(witness_dir, bad[i].name));
	CU_ASSERT(!file_exists(witness_dir, "unreadable"));
	CU_ASSERT(!file_exists(witness_dir, "off"));
	CU_ASSERT(!file_exists(witness_dir, "off_by_default"));
	/* The witness works. */
	CU_ASSERT(file_exists(witness_dir, "good"));
	CU_ASSERT(file_exists(witness_dir, "on_though_off_by_default"));
}

/* The good ones among them are in use: their commands and stanzas answer. */
static void
good_plugins_are_in_use(void)
{
	const vmheap_plugin_t *p = expect_state("good", VMHEAP_PLUGIN_LOADED, NULL);
	unformat_input_t input;
	clib_error_t *error;

	CU_ASSERT_PTR_NULL(p->reason);
	CU_ASSERT_STRING_EQUAL(p->note.version, "1.0");
	CU_ASSERT(has_command("test good"));
	CU_ASSERT(vmheap_config_is_known("good"));
	unformat_init_cstring(&input, "number 1 number 2");
	CU_ASSERT_PTR_NULL(vmheap_config_call("good", &input));
	unformat_free(&input);

	/* A word it does not know comes back with its place and what was expected. */
	unformat_init_cstring(&input, "number 1  colour blue");
	error = vmheap_config_call("good", &input);
	CU_ASSERT(error_has(error, "'colour', expected number N"));
	CU_ASSERT_EQUAL(clib_error_get_code(error), 10);
	clib_error_free(error);
	unformat_free(&input);
}

/* Configuration and note both can disable; enable overrules the note. */
static void
plugins_can_be_disabled(void)
{
	unformat_input_t input;

	expect_state("off", VMHEAP_PLUGIN_DISABLED, "disabled by configuration");
	expect_state("off_by_default", VMHEAP_PLUGIN_DISABLED, "disabled by default");
	expect_state("on_though_off_by_default", VMHEAP_PLUGIN_LOADED, NULL);

	/* A stanza left behind for a plugin that is off is no error. */
	unformat_init_cstring(&input, "number 1");
	CU_ASSERT_PTR_NULL(vmheap_config_call("off", &input));
	CU_ASSERT(log_has("stanza 'off': passed over"));
	unformat_free(&input);
}

/* A stanza of nobody is an error with a code of its own, so that the daemon can say where. */
static void
an_unknown_stanza_is_an_error(void)
{
	unformat_input_t input;
	clib_error_t *error;

	unformat_init_cstring(&input, "number 1");
	error = vmheap_config_call("nobody", &input);
	CU_ASSERT(error_has(error, "unknown stanza 'nobody'"));
	CU_ASSERT_EQUAL((i64)clib_error_get_code(error), -ENOENT);
	clib_error_free(error);
	unformat_free(&input);
}

/* Loaded plugins come first in the table, each after what it requires or loads after. */
static void
the_table_is_in_load_order(void)
{
	u32 place[4] = { ~0u, ~0u, ~0u, ~0u }, n_loaded = 0, is_over = 0;
	const vmheap_plugin_t *p;

	vec_foreach (p, vmheap_plugins()) {
		u32 i = (u32)(p - vmheap_plugins());

		place[0] = !strcmp(p->name, "good") ? i : place[0];
		place[1] = !strcmp(p->name, "z") ? i : place[1];
		place[2] = !strcmp(p->name, "a_needs_z") ? i : place[2];
		place[3] = !strcmp(p->name, "b_after_a") ? i : place[3];
		CU_ASSERT(!(is_over && p->state == VMHEAP_PLUGIN_LOADED));
		is_over |= p->state != VMHEAP_PLUGIN_LOADED;
		n_loaded += p->state == VMHEAP_PLUGIN_LOADED;
	}
	CU_ASSERT(place[0] < place[1] && place[1] < place[2] && place[2] < place[3]);
	CU_ASSERT_EQUAL(n_loaded, 8);
}

/* show plugins lists what is in use in load order, then the others with their reasons. */
static void
plugins_are_shown(void)
{
	char line[800];
	const char *text = run_command("show plugins", ""), *used, *unused;

	snprintf(line, sizeof(line), " Plugin path is: %s, plugins shown in load order\n\n",
		 bad_dir);
	CU_ASSERT_EQUAL(strncmp(text, line, strlen(line)), 0);
	snprintf(line, sizeof(line), " %-41s%-33s%s\n", "good_plugin.so", "1.0",
		 "nothing wrong with it");
	used = strstr(text, line);
	CU_ASSERT_PTR_NOT_NULL_FATAL(used);
	unused = strstr(text, "\nNot in use");
	CU_ASSERT_PTR_NOT_NULL_FATAL(unused);
	CU_ASSERT(used < unused);
	snprintf(line, sizeof(line), "\n%-46s%-10s%s", "abi_2_plugin.so", "refused",
		 "was built for plugin ABI 2, this is ABI 1");
	CU_ASSERT_PTR_NOT_NULL(strstr(unused, line));
	snprintf(line, sizeof(line), "\n%-46s%-10s%s", "off_plugin.so", "disabled",
		 "disabled by configuration");
	CU_ASSERT_PTR_NOT_NULL(strstr(unused, line));
	snprintf(line, sizeof(line), "\n%-46s%-16s%-18s", "b_after_a_plugin.so", "",
		 "a_needs_z,nobody");
	CU_ASSERT_PTR_NOT_NULL(strstr(run_command("show plugins", "verbose"), line));
	CU_ASSERT_STRING_EQUAL(run_command("show plugins", "verbosely"),
			       "error: unknown input 'verbosely', expected verbose");
}

/* Of one name the first in the path wins, also across loads, and a line says which was not. */
static void
the_first_of_a_name_wins(void)
{
	char line[1200];

	CU_ASSERT_PTR_NULL(load(other_dir, NULL, 0));
	snprintf(line, sizeof(line), "%s/good_plugin.so: passed over, %s/good_plugin.so", other_dir,
		 bad_dir);
	CU_ASSERT(log_has(line));
	CU_ASSERT_PTR_NOT_NULL(strstr(vmheap_plugin_by_name("good")->path, bad_dir));
	/* A requirement may have been loaded earlier. */
	expect_state("late", VMHEAP_PLUGIN_LOADED, NULL);
	CU_ASSERT_PTR_NOT_NULL(strstr(vmheap_plugin_path(), other_dir));
}

/* Required plugins that are missing or refused are errors, each named. */
static void
required_plugins_are_insisted_on(void)
{
	static const vmheap_plugin_entry_t entries[] = {
		{ .name = (char *)"good", .require = 1 },
		{ .name = (char *)"no_note", .require = 1 },
		{ .name = (char *)"absent", .require = 1 },
	};
	clib_error_t *error = load("/nowhere", entries, ARRAY_LEN(entries));

	CU_ASSERT(error_has(error, "plugin no_note is required but not usable: carries no"));
	CU_ASSERT(error_has(error, "plugin absent is required but missing"));
	CU_ASSERT(log_has("plugin path /nowhere: No such file"));
	clib_error_free(error);
}

/* Entries that contradict each other or themselves are refused before anything is loaded. */
static void
contradictory_entries_are_errors(void)
{
	static const vmheap_plugin_entry_t both[] = {
		{ .name = (char *)"good", .enable = 1, .disable = 1 },
	};
	static const vmheap_plugin_entry_t twice[] = {
		{ .name = (char *)"good", .enable = 1 },
		{ .name = (char *)"good_plugin.so", .enable = 1 },
	};
	static const vmheap_plugin_entry_t nameless[] = { { .name = (char *)"", .enable = 1 } };
	clib_error_t *error;

	error = load(bad_dir, both, 1);
	CU_ASSERT(error_has(error, "disable and enable exclude each other"));
	clib_error_free(error);
	error = load(bad_dir, twice, 2);
	CU_ASSERT(error_has(error, "is configured twice"));
	clib_error_free(error);
	error = load(bad_dir, nameless, 1);
	CU_ASSERT(error_has(error, "'' is not a plugin's name"));
	clib_error_free(error);
}

/* A plugin whose init says no fails alone, with what it registered and those that require it. */
static void
a_failing_init_fails_the_plugin_alone(void)
{
	clib_error_t *error;

	CU_ASSERT(has_command("test failing"));
	CU_ASSERT_PTR_NULL(vmheap_init_call(VMHEAP_MAIN_LOOP_ENTER));
	expect_state("failing", VMHEAP_PLUGIN_FAILED,
		     "main loop enter function failing_enter: device 7 is on fire");
	expect_state("needs_failing", VMHEAP_PLUGIN_FAILED, "requires failing, which failed");
	expect_state("needs_failed", VMHEAP_PLUGIN_FAILED, "requires failing, which failed");
	expect_state("good", VMHEAP_PLUGIN_LOADED, NULL);
	CU_ASSERT(log_has("plugin failing failed: main loop enter function failing_enter"));
	CU_ASSERT(!has_command("test failing"));
	CU_ASSERT(has_command("test good"));
	CU_ASSERT(!vmheap_config_is_known("failing"));
	/* Its timer aborts when it runs.  What it made before it failed is its own to give back. */
	CU_ASSERT_EQUAL(vmheap_timers_run(1), ~0ull);
	/* What did not is the daemon's affair, although nobody required the plugin. */
	error = vmheap_init_call(VMHEAP_EXIT);
	CU_ASSERT(error_has(error, "3 things did not come back"));
	clib_error_free(error);
	CU_ASSERT(log_has("failing was asked to clean up"));
}

/* Functions of a plugin that wait for each other: the plugin fails, the circle is named, and the
 * others run.  (The test before this one ran them.) */
static void
a_circle_of_functions_fails_its_plugin(void)
{
	expect_state("circular", VMHEAP_PLUGIN_FAILED, "main loop enter functions wait for each");
	expect_state("circular", VMHEAP_PLUGIN_FAILED, "circular_hen -> ");
	expect_state("circular", VMHEAP_PLUGIN_FAILED, "circular_egg -> ");
	CU_ASSERT(!has_command("test circular"));
}

/* The same failure in a plugin that the configuration requires is the daemon's error. */
static void
a_required_plugin_that_fails_is_an_error(void)
{
	static const vmheap_plugin_entry_t required = { .name = (char *)"required", .require = 1 };
	clib_error_t *error;

	CU_ASSERT_PTR_NULL(load(root, &required, 1));
	error = vmheap_init_call(VMHEAP_MAIN_LOOP_ENTER);
	CU_ASSERT(error_has(error, "plugin required is required and failed: main loop enter "
				   "function failing_enter: device 7 is on fire"));
	clib_error_free(error);
	expect_state("required", VMHEAP_PLUGIN_FAILED, NULL);
	CU_ASSERT_PTR_NULL(vmheap_init_call(VMHEAP_MAIN_LOOP_ENTER));
	error = vmheap_init_call(VMHEAP_EXIT);
	CU_ASSERT(error_has(error, "plugin required"));
	clib_error_free(error);
}

/* Any bytes at all: reading a note gives an answer and touches nothing outside the file. */
static void
damaged_files_are_answered(void)
{
	u64 seed = unit_seed(), n_rounds = unit_n_ops(20000);
	/* Not on a disk: thousands of files cut to nothing and written again wait for it. */
	int fd = memfd_create("damaged", MFD_CLOEXEC);
	u32 n_accepted = 0;
	char path[64];

	CU_ASSERT_FATAL(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (u64 round = 0; round < n_rounds; round++) {
		u32 n_changes = (u32)unit_random_below(&seed, 4);
		vmheap_plugin_note_t note;
		clib_error_t *error;
		u8 *b = copy_named("damaged");
		/* Most of what matters is in the headers and the notes: the first KiB. */
		u64 n_range = unit_random_below(&seed, 4) ? 1024 : vec_len(b);

		for (u32 k = 0; k < n_changes; k++)
			b[unit_random_below(&seed, n_range)] = (u8)unit_random(&seed);
		if (!unit_random_below(&seed, 8))
			vec_set_len(b, unit_random_below(&seed, vec_len(b)));
		CU_ASSERT_FATAL(ftruncate(fd, 0) == 0);
		CU_ASSERT_FATAL(pwrite(fd, b, vec_len(b), 0) == (ssize_t)vec_len(b));
		error = vmheap_plugin_read_note(path, "damaged", &note);
		if (error) {
			CU_ASSERT(vec_len(error->what) > 0);
		} else {
			CU_ASSERT_STRING_EQUAL(note.name, "damaged");
			n_accepted++;
		}
		clib_error_free(error);
		vec_free(b);
	}
	close(fd);
	CU_ASSERT(n_accepted > 0);
}

static const unit_test_t tests[] = {
	UNIT(a_load_survives_bad_plugins),
	UNIT(each_bad_plugin_has_its_reason),
	UNIT(no_code_of_a_refused_plugin_ran),
	UNIT(good_plugins_are_in_use),
	UNIT(plugins_can_be_disabled),
	UNIT(an_unknown_stanza_is_an_error),
	UNIT(the_table_is_in_load_order),
	UNIT(plugins_are_shown),
	UNIT(the_first_of_a_name_wins),
	UNIT(required_plugins_are_insisted_on),
	UNIT(contradictory_entries_are_errors),
	UNIT(a_failing_init_fails_the_plugin_alone),
	UNIT(a_circle_of_functions_fails_its_plugin),
	UNIT(a_required_plugin_that_fails_is_an_error),
	UNIT(damaged_files_are_answered),
};

/* Files are made and removed around the tests: CUnit has no say in it. */
static int
make_directories(void)
{
	ssize_t n = readlink("/proc/self/exe", here, sizeof(here) - 1);

	if (n < 0)
		return -1;
	here[n] = 0;
	*strrchr(here, '/') = 0;
	/* Not under /tmp: it may be mounted noexec, and then nothing can be loaded from it. */
	snprintf(root, sizeof(root), "%s/test_note.XXXXXX", here);
	if (!mkdtemp(root))
		return -1;
	snprintf(bad_dir, sizeof(bad_dir), "%s/bad", root);
	snprintf(other_dir, sizeof(other_dir), "%s/other", root);
	snprintf(witness_dir, sizeof(witness_dir), "%s/witness", root);
	setenv("VMHEAP_TEST_WITNESS", witness_dir, 1);
	return mkdir(bad_dir, 0755) || mkdir(other_dir, 0755) || mkdir(witness_dir, 0755);
}

int
main(void)
{
	char command[520];
	int status;

	if (make_directories()) {
		perror("test_note");
		return 1;
	}
	vmheap_log_set_function(collect_log);
	status = unit_run("note", tests, ARRAY_LEN(tests));
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command) ? 1 : status;
}
