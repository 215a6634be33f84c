/* SPDX-License-Identifier: Apache-2.0 */
/* mmz: named zones of memory that several processes share, block by block.
 *
 *   process A                                   process B
 *   mmz_create({ "video", 256 MiB, 2M })        mmz_open("video")
 *   mmz_alloc(z, "frame", 8 MiB, 0, &id)        mmz_find(z, "frame", &id)
 *       nothing is mapped: A's RSS is as it was     mmz_map(z, id) -> p
 *                                               mmz_unmap(z, id)
 *   mmz_free(z, id)
 *
 * A zone is two files: NAME.mmz holds the pages (on tmpfs, or on hugetlbfs for huge ones), and
 * NAME.mmb in /dev/shm the table of blocks, so that any process can open a zone by its name and
 * none has to stay alive for it.  Blocks are whole pages; their memory exists from mmz_alloc() on
 * (fallocate), so that no mapping of them can end in SIGBUS, and is given back by mmz_free().
 *
 * Every block has an owner, a process named by pid and start time.  When that dies without freeing,
 * the block is an orphan: it stays while a living process maps it, and mmz_reclaim() frees it
 * after.  The table's lock is a robust mutex: a process killed in a call leaves it to the next.
 *
 * A zone can grow up to its max_bytes.  mmz_view() maps all of it at one place, up to where it
 * reached then; what another process adds is a fault there ("not attached") until mmz_refresh().
 *
 * Threads and processes: any, one at a time in a zone (the lock).  Control work: every call maps or
 * calls the system.  After fork() a child opens the zone anew.
 *
 * The counterpart in a kernel: the media memory zones (MMZ, MMB) of embedded video systems. */
#ifndef included_vppinfra_mmz_h
#define included_vppinfra_mmz_h

#include <vppinfra/vm.h>

/** Bytes of a name of zone or block, without the NUL: letters, digits, '_', '-', '.'. */
#define MMZ_NAME_BYTES 31
/** Blocks of a zone, and zones a process has open, at one time. */
#define MMZ_MAX_BLOCKS 1024
#define MMZ_MAX_OPEN 64
/** Mappings of blocks that all processes have together in a zone. */
#define MMZ_MAX_MAPS 1024

typedef struct mmz mmz_t;
/** Names a block in its zone; never used twice, never 0. */
typedef u64 mmz_id_t;

typedef struct {
	/** Copied; 1 to MMZ_NAME_BYTES. */
	const char *name;
	/** Rounded up to pages. */
	uword bytes;
	/** What the zone may grow to; 0: bytes. */
	uword max_bytes;
	/** UNKNOWN is the system's page.  A huge page needs a hugetlbfs mounted, see dir. */
	clib_mem_page_sz_t page_size;
	/** Node the pages are taken from, or VM_NODE_ANY. */
	int numa_node;
	/** Where NAME.mmz goes; NULL: /dev/shm, or the first hugetlbfs mount of that page size. */
	const char *dir;
} mmz_params_t;

/**
 * Make a zone.
 * @param[out] zone  open in this process; untouched on error
 * @return 0; -EINVAL name, size or page size; -EEXIST there is one of that name; -ENOTSUP no
 *         hugetlbfs of that page size is mounted; -ENODEV no such node; -ENOMEM no record;
 *         -errno of the files.
 */
CLIB_EXPORT int mmz_create(const mmz_params_t *params, mmz_t **zone);

/** Open a zone by name.  @return 0; -ENOENT; -EINVAL its files are of another layout; -EACCES they
 *  are another user's, which root does not touch either; -EBUSY a process has been in a call on it
 * for two seconds (stopped by a debugger?); -ENOMEM. */
CLIB_EXPORT int mmz_open(const char *name, mmz_t **zone);

/** Unmap what this process mapped of it; its blocks stay and stay its own.  NULL ignored. */
CLIB_EXPORT void mmz_close(mmz_t *zone);

/** Close and remove the zone.  Others that have it open can allocate nothing in it any more, and
 *  close it.  @return 0, also when another process has removed it before; -EBUSY a block is
 * allocated whose owner lives, or is mapped by a living process; the zone is then as it was. */
CLIB_EXPORT int mmz_destroy(mmz_t *zone);

/** Names of the zones of this machine, one call each until fn returns nonzero. */
CLIB_EXPORT void mmz_foreach_name(int (*fn)(const char *name, void *arg), void *arg);

/**
 * A block of whole pages, first fit; nothing is mapped.
 * @param name   for people, and for mmz_find(); copied; need not be unique
 * @param align  bytes in the zone, a power of two; 0: a page
 * @return 0; -EINVAL; -ENOMEM no room in the zone, in the table, or no page to back it: the zone
 *         is as it was; -ENOENT the zone was removed
 */
CLIB_EXPORT int mmz_alloc(mmz_t *zone, const char *name, uword bytes, uword align, mmz_id_t *id);

/** Give a block back.  Any process may.  @return 0; -ENOENT no such block; -EBUSY it is mapped
 *  somewhere (counted in n_maps). */
CLIB_EXPORT int mmz_free(mmz_t *zone, mmz_id_t id);

/** The oldest block of that name.  @return 0 or -ENOENT. */
CLIB_EXPORT int mmz_find(mmz_t *zone, const char *name, mmz_id_t *id);

/** mmz_map() flags */
#define MMZ_MAP_READ_ONLY (1 << 0)
#define MMZ_MAP_UNCACHED (1 << 1) /* no kernel interface gives it for such pages: -ENOTSUP */

/**
 * Map a block here; a second call counts and answers the same address.
 * @return 0; -ENOENT; -ENOTSUP; -EACCES mapped already with other rights; -ENOMEM no address
 *         space, or the zone's table of mappings is full
 */
CLIB_EXPORT int mmz_map(mmz_t *zone, mmz_id_t id, u32 flags, void **address);
/** The last of as many calls unmaps.  @return 0; -ENOENT it is not mapped here. */
CLIB_EXPORT int mmz_unmap(mmz_t *zone, mmz_id_t id);

/** More room at the end; blocks stay.  @return 0; -EINVAL less than now or more than max_bytes;
 *  -ENOENT the zone was removed. */
CLIB_EXPORT int mmz_grow(mmz_t *zone, uword bytes);

/** The whole zone at one address of this process, as far as it reached then, so that an offset in
 *  the zone is a pointer.  Only allocated blocks may be touched.  @return NULL: no address space.
 */
CLIB_EXPORT void *mmz_view(mmz_t *zone);
/** Map what was added since.  @return 0; -ENOENT there is no view; -ENOMEM. */
CLIB_EXPORT int mmz_refresh(mmz_t *zone);

typedef struct {
	u64 n_blocks, n_bytes;
} mmz_reclaimed_t;

/** Free the blocks of dead owners that no living process maps, and forget mappings of the dead.
 *  @param[out] reclaimed  may be NULL; untouched on error.  @return 0; -EBUSY another process has
 * been in a call on the zone for 200 ms. */
CLIB_EXPORT int mmz_reclaim(mmz_t *zone, mmz_reclaimed_t *reclaimed);

typedef struct {
	mmz_id_t id;
	char name[MMZ_NAME_BYTES + 1];
	uword offset, bytes;
	/** Physical address of the first byte, ~0 when not told; whether the rest follows it
	 *  without a gap.  Pages of 4 KiB may be moved by the kernel later. */
	u64 pa;
	u8 is_contiguous;
	int owner_pid;
	u8 is_orphan;  /* the owner is dead */
	u32 n_maps;    /* processes that map it */
	void *address; /* in this process; NULL: not mapped here */
} mmz_block_info_t;

typedef struct {
	char name[MMZ_NAME_BYTES + 1], path[128];
	uword bytes, max_bytes, page_bytes, used_bytes;
	int numa_node;
	u32 n_blocks, n_orphans;
	u64 n_allocs, n_frees, n_fails, n_reclaimed, n_lock_recoveries;
	void *view; /* in this process; NULL: none */
	uword view_bytes;
} mmz_info_t;

/** Snapshots.  Blocks by rising offset, until fn returns nonzero; the lock is not held by it. */
CLIB_EXPORT void mmz_get_info(mmz_t *zone, mmz_info_t *info);
CLIB_EXPORT void mmz_foreach_block(mmz_t *zone, int (*fn)(const mmz_block_info_t *block, void *arg),
				   void *arg);

/** Compare bitmap, blocks and counters.  @return 0, or -EUCLEAN with a description in what. */
CLIB_EXPORT int mmz_check(mmz_t *zone, char *what, uword n_what);

#endif
