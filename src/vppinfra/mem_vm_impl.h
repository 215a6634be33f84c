/* SPDX-License-Identifier: Apache-2.0 */
/* mem_vm_impl: what the files mem_vm*.c share. */
#ifndef included_mem_vm_impl_h
#define included_mem_vm_impl_h

#include <stdarg.h>
#include <vppinfra/mem.h>

/** Why something failed: a negative errno, and words for people. */
typedef struct {
	int code;
	char text[232];
} mem_vm_error_t;

/** Fill *e.  @return code */
int clib_mem_vm_explain(mem_vm_error_t *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** Make *e what clib_mem_get_last_error() shows; where is the name of a public function. */
void clib_mem_vm_set_last_error(const char *where, const mem_vm_error_t *e);

/** The calling thread's clib_mem_set_numa_affinity(): VM_NODE_ANY when there is none. */
typedef struct {
	int node;
	int is_forced;
} mem_vm_affinity_t;
mem_vm_affinity_t clib_mem_vm_get_affinity(void);

/** Give a fresh mapping the policy of an affinity: 0, or -EPERM when that must hold and cannot. */
int clib_mem_vm_bind(void *start, uword n_bytes, mem_vm_affinity_t affinity);

/** "4K", "2M", "1G". */
const char *clib_mem_vm_page_size_name(u32 log2_page_size, char name[16]);

/** A vm range of exactly the page size asked for, committed as a whole.
 *  @param[out] range  untouched on error  @return 0 or a negative errno, explained */
int clib_mem_vm_map_populated(const vm_range_params_t *params, vm_range_t **range,
			      mem_vm_error_t *e);

/** The opposite. */
void clib_mem_vm_release_populated(vm_range_t *range);

/** Words for what vm_reserve() or vm_commit() said of a range in pages of 2^log2 bytes.  @return rv
 */
int clib_mem_vm_explain_range(const vm_range_params_t *params, u8 log2, int rv, mem_vm_error_t *e);

/** Whether size fits fd from offset on, page by page: 0 or a negative errno, explained. */
int clib_mem_vm_check_fd(int fd, uword offset, uword size, mem_vm_error_t *e);

/** Whether [start, start + n_bytes) meets a mapping on record. */
int clib_mem_vm_is_recorded(uword start, uword n_bytes);

/** Allocate a hugetlb file's pages behind a mapping of it: 0 or -ENOMEM. */
int clib_mem_vm_allocate_file(int fd, uword offset, void *p, uword n_bytes);

#endif
