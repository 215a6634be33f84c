/* SPDX-License-Identifier: Apache-2.0 */
/* mmz_impl: the table that processes share, and what each keeps for itself.
 *
 * A process may be killed at any instruction.  So a slot of the table is in use when its id is not
 * 0, and the id is written last and cleared first; nothing else in the table says what is
 * allocated.  Whoever takes the lock over from the dead counts again and gives back pages that no
 * block holds (mmz_lock). */
#ifndef included_vppinfra_mmz_impl_h
#define included_vppinfra_mmz_impl_h

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <vppinfra/mmz.h>

#define MMZ_MAGIC 0x32307a6d6d686d76ull /* "vmhmmz02" */
#define MMZ_PATH_BYTES 128
#define MMZ_PA_UNKNOWN (~(u64)0)

/* A table gets its name before there are pages, so that two of a name cannot be; a process killed
 * in between leaves one that is incomplete, and who opens it next makes the pages.  What was
 * removed stays with those who have it open; they get no more blocks of it. */
typedef enum {
	MMZ_INCOMPLETE,
	MMZ_LIVE,
	MMZ_REMOVED,
} mmz_state_t;

/* A pid may be used again: with the start time, in clock ticks since boot, it is one process. */
typedef struct {
	u64 start;
	i32 pid;
	u32 reserved;
} mmz_process_t;

typedef struct {
	_Atomic u64 id;
	u64 page, n_pages;
	u64 pa;
	mmz_process_t owner;
	u32 is_contiguous;
	char name[MMZ_NAME_BYTES + 1];
} mmz_block_t;

/* A process maps a block. */
typedef struct {
	_Atomic u64 id;
	mmz_process_t process;
} mmz_mapping_t;

typedef struct {
	/* Set before the file has its name, constant after. */
	u64 magic;
	u64 table_bytes;
	char name[MMZ_NAME_BYTES + 1];
	char path[MMZ_PATH_BYTES];
	u64 page_bytes, n_pages_max;
	i32 numa_node;
	pthread_mutex_t lock;

	/* Under lock, but n_pages, which a fault handler reads. */
	u32 state; /* mmz_state_t */
	_Atomic u64 n_pages;
	u64 next_id;
	u64 n_used_pages;
	u64 n_allocs, n_frees, n_fails, n_reclaimed, n_lock_recoveries;
	mmz_block_t blocks[MMZ_MAX_BLOCKS];
	mmz_mapping_t mappings[MMZ_MAX_MAPS];
} mmz_table_t;

/* A block mapped in this process; by its slot in the table. */
typedef struct {
	u64 id;
	void *address;
	uword n_bytes;
	u32 n_refs, flags;
} mmz_local_t;

struct mmz {
	/* Written under mmz_main's lock; the rest is constant while it is open. */
	_Atomic(mmz_table_t *) table;
	int table_fd, fd;

	/* Under the table's lock.  The view is read by a fault handler. */
	_Atomic uword view, view_bytes;
	mmz_local_t local[MMZ_MAX_BLOCKS];
	/* Scratch: slots in use by rising page. */
	u16 order[MMZ_MAX_BLOCKS];
};

/** Zones open in this process; those with a table are in use. */
extern mmz_t mmz_open_zones[MMZ_MAX_OPEN] __attribute__((visibility("hidden")));

/** Take the lock, mending what a dead holder left. */
void mmz_lock(mmz_t *z);
void mmz_unlock(mmz_t *z);
/** The same for so many milliseconds.  @return 0 or -EBUSY */
int mmz_lock_for(mmz_t *z, u32 ms);

/** This process. */
mmz_process_t mmz_self(void);
int mmz_process_is_alive(const mmz_process_t *process);

/** Slot of a block, or -ENOENT.  Locked. */
int mmz_slot_of(const mmz_table_t *t, mmz_id_t id);
/** Slots in use by rising page into z->order.  Locked.  @return how many */
u32 mmz_order(mmz_t *z);
/** Living processes that map a block; the records of dead ones are cleared.  Locked. */
u32 mmz_count_maps(mmz_table_t *t, mmz_id_t id);
/** Give pages back to the file system.  Locked. */
void mmz_punch(mmz_t *z, u64 page, u64 n_pages);
/** Unmap everything of this process. */
void mmz_unmap_all(mmz_t *z);

#endif
