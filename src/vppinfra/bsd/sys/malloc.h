/* SPDX-License-Identifier: Apache-2.0 */
/* <sys/malloc.h> for source written for FreeBSD's vmem(9): the flags it takes, with FreeBSD's
 * values.  The kernel's malloc() itself is not here. */
#ifndef included_vppinfra_bsd_malloc_h
#define included_vppinfra_bsd_malloc_h

/** malloc(9)'s flags, as far as vmem(9) takes them. */
#define M_NOWAIT 0x0001      /* fail at once */
#define M_WAITOK 0x0002      /* sleep until there is room */
#define M_NORECLAIM 0x0080   /* taken, and of no effect in vmem */
#define M_ZERO 0x0100        /* taken, and of no effect in vmem */
#define M_NOVM 0x0200        /* taken, and of no effect in vmem */
#define M_USE_RESERVE 0x0400 /* taken: the reserve of tags is for whom it is for */
#define M_NODUMP 0x0800      /* taken, and of no effect in vmem */
#define M_FIRSTFIT 0x1000    /* instant fit: vmem(9)'s name for it */
#define M_BESTFIT 0x2000
#define M_EXEC 0x4000 /* taken, and of no effect in vmem */
#define M_NEXTFIT 0x8000

/** A kind of allocations, by name. */
struct malloc_type {
	const char *ks_shortdesc, *ks_longdesc;
};
#define MALLOC_DECLARE(type) extern struct malloc_type type[1]
#define MALLOC_DEFINE(type, short_desc, long_desc)                                                 \
	struct malloc_type type[1] = { { short_desc, long_desc } }

#endif
