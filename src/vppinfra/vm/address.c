/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over smaps answers for all addresses; then each asks pagemap, the kernel's page files
 * and move_pages for itself. */
#include "vm_impl.h"
#include <vppinfra/vm_address.h>

#include <fcntl.h>
#include <numaif.h>
#include <unistd.h>

#define PAGEMAP_PRESENT (1ULL << 63)
#define PAGEMAP_SWAPPED (1ULL << 62)
#define PAGEMAP_PFN_MASK ((1ULL << 55) - 1)
#define KPF_THP 22

/* Four levels of 9 bits over a page of 4 KiB. */
#define LOG2_TABLE 9
#define LOG2_PTE 12

const char *
vm_address_state_name(vm_address_state_t state)
{
	static const char *names[] = {
		[VM_ADDRESS_UNMAPPED] = "unmapped", [VM_ADDRESS_RESERVED] = "reserved",
		[VM_ADDRESS_ABSENT] = "absent",     [VM_ADDRESS_SWAPPED] = "swapped",
		[VM_ADDRESS_RESIDENT] = "resident",
	};

	return (uword)state < ARRAY_LEN(names) ? names[state] : "unknown";
}

const char *
vm_page_flag_name(u32 i)
{
	/* Linux, Documentation/admin-guide/mm/pagemap.rst. */
	static const char *names[] = {
		"locked",        "error",         "referenced", "uptodate",    "dirty",
		"lru",           "active",        "slab",       "writeback",   "reclaim",
		"buddy",         "mmap",          "anon",       "swapcache",   "swapbacked",
		"compound_head", "compound_tail", "huge",       "unevictable", "hwpoison",
		"nopage",        "ksm",           "thp",        "offline",     "zero_page",
		"idle",          "pgtable",
	};

	return i < ARRAY_LEN(names) ? names[i] : NULL;
}

/* ---- the mapping ---- */

/* The mapping whose lines are being read. */
typedef struct {
	uword start, end;
	char rights[5], path[64];
	u64 page_kib;
} mapping_t;

static uword
parse_hex(const char **s)
{
	uword n = 0;

	for (;; (*s)++) {
		char c = **s;

		if (c >= '0' && c <= '9')
			n = 16 * n + (uword)(c - '0');
		else if (c >= 'a' && c <= 'f')
			n = 16 * n + (uword)(c - 'a' + 10);
		else
			return n;
	}
}

/* "7f00-7f80 rw-s 00000000 00:01 1027   /memfd:x (deleted)" */
static int
parse_mapping(const char *line, mapping_t *m)
{
	const char *s = line;
	uword n_path, start, end;

	start = parse_hex(&s);
	if (s == line || *s++ != '-')
		return 0;
	end = parse_hex(&s);
	if (*s++ != ' ')
		return 0;
	m->start = start;
	m->end = end;
	memset(m->rights, 0, sizeof(m->rights));
	for (u32 i = 0; i < 4 && *s && *s != ' '; i++)
		m->rights[i] = *s++;
	/* Offset, device and inode are not ours to tell. */
	for (u32 field = 0; field < 3; field++) {
		while (*s == ' ')
			s++;
		while (*s && *s != ' ')
			s++;
	}
	while (*s == ' ')
		s++;
	n_path = clib_min((uword)strlen(s), sizeof(m->path) - 1);
	memcpy(m->path, s, n_path);
	m->path[n_path] = 0;
	m->page_kib = 0;
	return 1;
}

static void
set_tables(vm_address_t *a)
{
	uword mask = pow2_mask(LOG2_TABLE);

	a->page_offset = a->va & pow2_mask(a->log2_page_size);
	a->pgd = (u16)(a->va >> (LOG2_PTE + 3 * LOG2_TABLE) & mask);
	a->pud = (u16)(a->va >> (LOG2_PTE + 2 * LOG2_TABLE) & mask);
	a->pmd = (u16)(a->va >> (LOG2_PTE + LOG2_TABLE) & mask);
	a->pte = (u16)(a->va >> LOG2_PTE & mask);
}

static void
answer_mapping(const mapping_t *m, vm_address_t *addresses, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		vm_address_t *a = &addresses[i];

		if (a->va < m->start || a->va >= m->end)
			continue;
		a->state = m->rights[0] == '-' && m->rights[1] == '-' && m->rights[2] == '-'
				   ? VM_ADDRESS_RESERVED
				   : VM_ADDRESS_ABSENT;
		a->map_start = m->start;
		a->map_end = m->end;
		a->log2_page_size = (u8)min_log2(clib_max(m->page_kib << 10, (u64)KiB(4)));
		memcpy(a->rights, m->rights, sizeof(a->rights));
		memcpy(a->path, m->path, sizeof(a->path));
	}
}

typedef struct {
	mapping_t mapping;
	vm_address_t *addresses;
	u32 n;
} search_t;

/* A mapping is answered for when its page size has been read. */
static void
smaps_line(void *arg, const char *line)
{
	search_t *s = arg;
	mapping_t *m = &s->mapping;

	if (parse_mapping(line, m) || m->page_kib)
		return;
	if (!strncmp(line, "KernelPageSize:", 15) &&
	    !vm_find_value(line, "KernelPageSize", &m->page_kib)) {
		m->page_kib >>= 10;
		answer_mapping(m, s->addresses, s->n);
	}
}

static int
find_mappings(vm_address_t *addresses, u32 n)
{
	search_t search = { .addresses = addresses, .n = n };

	return vm_foreach_smaps_line(smaps_line, &search);
}

/* ---- the frame ---- */

static int
read_u64(int fd, u64 index, u64 *value)
{
	return fd >= 0 &&
	       pread(fd, value, sizeof(*value), (off_t)(index * sizeof(*value))) == sizeof(*value);
}

/* What the kernel keeps about frames is root's to read. */
typedef struct {
	int pagemap, flags, count;
} page_files_t;

static void
answer_frame(const page_files_t *files, vm_address_t *a)
{
	uword page_bytes = vm_system_page_bytes();
	u64 entry;

	if (!read_u64(files->pagemap, a->va / page_bytes, &entry))
		return;
	if (entry & PAGEMAP_SWAPPED)
		a->state = VM_ADDRESS_SWAPPED;
	if (!(entry & PAGEMAP_PRESENT))
		return;
	a->state = VM_ADDRESS_RESIDENT;
	/* Frame 0 is never a process's: the number is blanked. */
	if (!(entry & PAGEMAP_PFN_MASK))
		return;
	a->pfn = entry & PAGEMAP_PFN_MASK;
	a->pa = a->pfn * page_bytes + a->va % page_bytes;
	if (read_u64(files->flags, a->pfn, &a->page_flags))
		a->is_thp = a->page_flags >> KPF_THP & 1;
	else
		a->page_flags = VM_ADDRESS_UNKNOWN;
	if (!read_u64(files->count, a->pfn, &a->map_count))
		a->map_count = VM_ADDRESS_UNKNOWN;
}

static void
answer_node(vm_address_t *a)
{
	void *page = uword_to_pointer(round_down_pow2(a->va, vm_system_page_bytes()), void *);
	int status = -1;

	if (a->state == VM_ADDRESS_RESIDENT && !move_pages(0, 1, &page, NULL, &status, 0) &&
	    status >= 0)
		a->node = status;
}

int
vm_inspect(vm_address_t *addresses, u32 n)
{
	page_files_t files;
	int rv;

	for (u32 i = 0; i < n; i++)
		addresses[i] = (vm_address_t){ .va = addresses[i].va,
					       .pfn = VM_ADDRESS_UNKNOWN,
					       .pa = VM_ADDRESS_UNKNOWN,
					       .page_flags = VM_ADDRESS_UNKNOWN,
					       .map_count = VM_ADDRESS_UNKNOWN,
					       .node = -1 };
	rv = find_mappings(addresses, n);
	if (rv)
		return rv;
	/* A file of its own each time: it shows the address space that opened it. */
	files.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	files.flags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	files.count = open("/proc/kpagecount", O_RDONLY | O_CLOEXEC);
	for (u32 i = 0; i < n; i++) {
		set_tables(&addresses[i]);
		if (addresses[i].state == VM_ADDRESS_UNMAPPED)
			continue;
		answer_frame(&files, &addresses[i]);
		answer_node(&addresses[i]);
	}
	if (files.pagemap >= 0)
		close(files.pagemap);
	if (files.flags >= 0)
		close(files.flags);
	if (files.count >= 0)
		close(files.count);
	return 0;
}
