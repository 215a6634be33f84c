/* SPDX-License-Identifier: Apache-2.0 */
/* The file is read piece by piece with pread(), each piece checked against the file's size before
 * it is read and against what it says about others after: nothing is mapped, nothing is run.
 *
 * Two kinds of check.  Those that find the note: ELF header, program headers, PT_NOTE.  And those
 * that keep the loader safe, which maps what the headers say and would die of SIGBUS on a file
 * cut short: each loaded segment, and the section table at the file's end, lie inside the file. */
#include <plugins/framework/framework_impl.h>

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vppinfra/mem.h>

#define MAX_PROGRAM_HEADERS 256 /* a shared object has about ten */
#define MAX_NOTE_BYTES KiB(64)  /* notes of a segment: a few hundred bytes */

#if defined(__x86_64__)
#	define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#	define OUR_MACHINE EM_AARCH64
#else
#	error "the machine's ELF number is not known here"
#endif

typedef struct {
	int fd;
	u64 n_bytes;
	Elf64_Ehdr header;
} elf_file_t;

/* Reads exactly n bytes; offset + n is inside the file. */
static clib_error_t *
read_at(elf_file_t *f, u64 offset, void *to, uword n, const char *what)
{
	uword n_read = 0;

	while (n_read < n) {
		ssize_t got = pread(f->fd, (u8 *)to + n_read, n - n_read, (off_t)(offset + n_read));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return clib_error_return(0, "reading %s: %s", what, strerror(errno));
		if (got == 0)
			return clib_error_return(0, "%s ends before the file's size says", what);
		n_read += (uword)got;
	}
	return NULL;
}

static int
is_inside(const elf_file_t *f, u64 offset, u64 n_bytes)
{
	return offset <= f->n_bytes && n_bytes <= f->n_bytes - offset;
}

static clib_error_t *
open_regular(const char *path, elf_file_t *f)
{
	struct stat st;

	/* O_NONBLOCK: a fifo without a writer must not hold us up. */
	f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (f->fd < 0)
		return clib_error_return(0, "cannot be opened: %s", strerror(errno));
	if (fstat(f->fd, &st) < 0)
		return clib_error_return(0, "cannot be examined: %s", strerror(errno));
	if (S_ISDIR(st.st_mode))
		return clib_error_return(0, "is a directory, not a file");
	if (!S_ISREG(st.st_mode))
		return clib_error_return(0, "is not a regular file");
	f->n_bytes = (u64)st.st_size;
	if (!f->n_bytes)
		return clib_error_return(0, "is empty");
	return NULL;
}

static clib_error_t *
check_header(elf_file_t *f)
{
	Elf64_Ehdr *h = &f->header;
	clib_error_t *error;
	u8 magic[SELFMAG];

	if (!is_inside(f, 0, SELFMAG))
		return clib_error_return(0, "is not an ELF file: only %lu bytes", f->n_bytes);
	if ((error = read_at(f, 0, magic, SELFMAG, "the ELF magic")))
		return error;
	if (memcmp(magic, ELFMAG, SELFMAG))
		return clib_error_return(0, "is not an ELF file");
	if (!is_inside(f, 0, sizeof(*h)))
		return clib_error_return(0, "is cut short in the ELF header: %lu of %lu bytes",
					 f->n_bytes, (u64)sizeof(*h));
	if ((error = read_at(f, 0, h, sizeof(*h), "the ELF header")))
		return error;
	if (h->e_ident[EI_CLASS] != ELFCLASS64)
		return clib_error_return(0, "is not 64-bit: ELF class %u", h->e_ident[EI_CLASS]);
	if (h->e_ident[EI_DATA] != ELFDATA2LSB)
		return clib_error_return(0, "is not little endian: ELF data encoding %u",
					 h->e_ident[EI_DATA]);
	if (h->e_ident[EI_VERSION] != EV_CURRENT || h->e_version != EV_CURRENT)
		return clib_error_return(0, "has ELF version %u, not %u", h->e_version, EV_CURRENT);
	if (h->e_machine != OUR_MACHINE)
		return clib_error_return(0, "is for another machine: ELF machine %u, not %u",
					 h->e_machine, OUR_MACHINE);
	if (h->e_type != ET_DYN)
		return clib_error_return(0, "is not a shared object: ELF type %u, not %u",
					 h->e_type, ET_DYN);
	return NULL;
}

static clib_error_t *
check_tables(elf_file_t *f)
{
	Elf64_Ehdr *h = &f->header;

	if (!h->e_phnum)
		return clib_error_return(0, "has no program headers");
	if (h->e_phentsize != sizeof(Elf64_Phdr))
		return clib_error_return(0, "has program headers of %u bytes, not %lu",
					 h->e_phentsize, (u64)sizeof(Elf64_Phdr));
	if (h->e_phnum > MAX_PROGRAM_HEADERS)
		return clib_error_return(0, "has %u program headers, more than %u", h->e_phnum,
					 MAX_PROGRAM_HEADERS);
	if (!is_inside(f, h->e_phoff, (u64)h->e_phnum * sizeof(Elf64_Phdr)))
		return clib_error_return(0, "is cut short: %u program headers at byte %lu of %lu",
					 h->e_phnum, h->e_phoff, f->n_bytes);
	/* No section table is fine: strip can take it away. */
	if (!h->e_shoff)
		return NULL;
	if (h->e_shentsize != sizeof(Elf64_Shdr))
		return clib_error_return(0, "has section headers of %u bytes, not %lu",
					 h->e_shentsize, (u64)sizeof(Elf64_Shdr));
	if (!is_inside(f, h->e_shoff, (u64)h->e_shnum * sizeof(Elf64_Shdr)))
		return clib_error_return(0, "is cut short: %u section headers at byte %lu of %lu",
					 h->e_shnum, h->e_shoff, f->n_bytes);
	return NULL;
}

static clib_error_t *
check_segment(elf_file_t *f, u32 i, const Elf64_Phdr *p)
{
	if (p->p_type != PT_LOAD && p->p_type != PT_DYNAMIC && p->p_type != PT_NOTE)
		return NULL;
	if (!is_inside(f, p->p_offset, p->p_filesz))
		return clib_error_return(
			0, "is cut short: segment %u has %lu bytes at byte %lu of %lu", i,
			p->p_filesz, p->p_offset, f->n_bytes);
	if (p->p_type == PT_LOAD && p->p_memsz < p->p_filesz)
		return clib_error_return(0, "has segment %u smaller in memory than in the file", i);
	if (p->p_type == PT_LOAD && p->p_vaddr + p->p_memsz < p->p_vaddr)
		return clib_error_return(0, "has segment %u beyond the end of memory", i);
	if (p->p_align && !is_pow2(p->p_align))
		return clib_error_return(0, "has segment %u aligned to %lu, not a power of two", i,
					 p->p_align);
	return NULL;
}

/* A descriptor has been found.  What an ABI's own header says comes first: another ABI may have
 * another size. */
static clib_error_t *
copy_descriptor(const u8 *desc, uword n_bytes, vmheap_plugin_note_t *note)
{
	u32 abi;

	if (n_bytes < STRUCT_OFFSET_OF(vmheap_plugin_note_t, fingerprint))
		return clib_error_return(0, "has a note of only %lu bytes", n_bytes);
	memcpy(&abi, desc + STRUCT_OFFSET_OF(vmheap_plugin_note_t, abi), sizeof(abi));
	if (abi != VMHEAP_PLUGIN_ABI)
		return clib_error_return(0, "was built for plugin ABI %u, this is ABI %u", abi,
					 VMHEAP_PLUGIN_ABI);
	if (n_bytes != sizeof(*note))
		return clib_error_return(0, "has a note of %lu bytes, not %lu", n_bytes,
					 (u64)sizeof(*note));
	memcpy(note, desc, sizeof(*note));
	return NULL;
}

/* Walks the notes of one segment.  is_found is set when ours was there, right or wrong. */
static clib_error_t *
search_notes(const u8 *notes, uword n_bytes, uword align, vmheap_plugin_note_t *note, int *is_found)
{
	uword at = 0;

	while (n_bytes - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr n;
		uword desc, end;

		memcpy(&n, notes + at, sizeof(n));
		desc = round_pow2(at + sizeof(n) + n.n_namesz, align);
		end = desc + n.n_descsz; /* 32-bit sizes: no wrap */
		if (end > n_bytes) {
			*is_found = 1;
			return clib_error_return(
				0, "has a note that ends %lu bytes behind its segment",
				end - n_bytes);
		}
		if (n.n_namesz == sizeof(VMHEAP_NOTE_OWNER) && n.n_type == VMHEAP_NOTE_TYPE &&
		    !memcmp(notes + at + sizeof(n), VMHEAP_NOTE_OWNER, n.n_namesz)) {
			*is_found = 1;
			return copy_descriptor(notes + desc, n.n_descsz, note);
		}
		at = clib_min(round_pow2(end, align), n_bytes);
	}
	return NULL;
}

static clib_error_t *
read_notes(elf_file_t *f, u32 i, const Elf64_Phdr *p, vmheap_plugin_note_t *note, int *is_found)
{
	clib_error_t *error;
	u8 *notes;

	if (p->p_filesz > MAX_NOTE_BYTES)
		return clib_error_return(0, "has %lu bytes of notes in segment %u, more than %lu",
					 p->p_filesz, i, MAX_NOTE_BYTES);
	notes = clib_mem_alloc_or_null(p->p_filesz + 1);
	if (!notes)
		return clib_error_return(0, "no memory to read its notes");
	error = read_at(f, p->p_offset, notes, p->p_filesz, "a note segment");
	/* 8 is gABI's alignment for 64-bit notes, 4 everybody's habit. */
	if (!error)
		error = search_notes(notes, p->p_filesz, p->p_align == 8 ? 8 : 4, note, is_found);
	clib_mem_free(notes);
	return error;
}

static clib_error_t *
find_note(elf_file_t *f, vmheap_plugin_note_t *note)
{
	u32 n_load = 0, n_dynamic = 0;
	clib_error_t *error;
	int is_found = 0;

	for (u32 i = 0; i < f->header.e_phnum; i++) {
		Elf64_Phdr p;

		if ((error = read_at(f, f->header.e_phoff + (u64)i * sizeof(p), &p, sizeof(p),
				     "a program header")) ||
		    (error = check_segment(f, i, &p)))
			return error;
		n_load += p.p_type == PT_LOAD;
		n_dynamic += p.p_type == PT_DYNAMIC;
		if (p.p_type == PT_NOTE && !is_found &&
		    (error = read_notes(f, i, &p, note, &is_found)))
			return error;
	}
	if (!is_found)
		return clib_error_return(0, "carries no vmheap note: not a vmheap plugin");
	if (!n_load || !n_dynamic)
		return clib_error_return(0,
					 "has nothing to load: %u loadable and %u dynamic segments",
					 n_load, n_dynamic);
	return NULL;
}

static int
is_terminated(const char *s, uword n_bytes)
{
	return memchr(s, 0, n_bytes) != NULL;
}

static clib_error_t *
check_note(const vmheap_plugin_note_t *n, const char *name)
{
	if (n->desc_bytes != sizeof(*n))
		return clib_error_return(0, "has a note that calls itself %u bytes, not %lu",
					 n->desc_bytes, (u64)sizeof(*n));
	if (n->fingerprint != VMHEAP_STRUCT_FINGERPRINT)
		return clib_error_return(
			0, "was built with other structs: fingerprint 0x%lx, here 0x%lx",
			n->fingerprint, VMHEAP_STRUCT_FINGERPRINT);
	if (!is_terminated(n->dpdk_abi, sizeof(n->dpdk_abi)))
		return clib_error_return(0, "has a DPDK ABI without its final NUL");
	if (strcmp(n->dpdk_abi, VMHEAP_DPDK_ABI))
		return clib_error_return(0, "was built for DPDK ABI %s, this is %s", n->dpdk_abi,
					 VMHEAP_DPDK_ABI);
	if (!is_terminated(n->name, sizeof(n->name)))
		return clib_error_return(0, "has a name without its final NUL");
	if (!is_terminated(n->version, sizeof(n->version)))
		return clib_error_return(0, "has a version without its final NUL");
	if (!is_terminated(n->description, sizeof(n->description)))
		return clib_error_return(0, "has a description without its final NUL");
	if (!is_terminated(n->requires, sizeof(n->requires)))
		return clib_error_return(0, "has a list of requirements without its final NUL");
	if (!is_terminated(n->load_after, sizeof(n->load_after)))
		return clib_error_return(0, "has a load_after list without its final NUL");
	if (name && strcmp(n->name, name))
		return clib_error_return(0, "calls itself '%s': the file should be %s_plugin.so",
					 n->name, n->name);
	return NULL;
}

/* A refused note is still shown: its strings must end. */
static void
terminate_strings(vmheap_plugin_note_t *n)
{
	n->dpdk_abi[sizeof(n->dpdk_abi) - 1] = 0;
	n->name[sizeof(n->name) - 1] = 0;
	n->version[sizeof(n->version) - 1] = 0;
	n->description[sizeof(n->description) - 1] = 0;
	n->requires[sizeof(n->requires) - 1] = 0;
	n->load_after[sizeof(n->load_after) - 1] = 0;
}

clib_error_t *
vmheap_plugin_read_note(const char *path, const char *name, vmheap_plugin_note_t *note)
{
	elf_file_t f = { .fd = -1 };
	clib_error_t *error;

	memset(note, 0, sizeof(*note));
	if (!(error = open_regular(path, &f)) && !(error = check_header(&f)) &&
	    !(error = check_tables(&f)) && !(error = find_note(&f, note)))
		error = check_note(note, name);
	terminate_strings(note);
	if (f.fd >= 0)
		close(f.fd);
	return error;
}
