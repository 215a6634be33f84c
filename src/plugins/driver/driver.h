/* SPDX-License-Identifier: Apache-2.0 */
/* driver: the drop-in, librte_mempool_vmheap.so.  Shared by this folder's files.
 *
 *   driver.c     the vdev through which EAL calls us; joins, reports, leaves
 *   options.c    key=value,...   of --vdev=vmheap0,... and of VMHEAP_DRIVER
 *   report.c     what became of each pool's buffers
 *   telemetry.c  /vmheap/...
 *   company.c    finds and starts the command line server, a library of its own */
#ifndef included_driver_h
#define included_driver_h

#include <vppinfra/clib.h>
#include <plugins/pool/pktpool.h>
#include <plugins/pool/share.h>

/** The environment variable with the same words as the vdev's arguments. */
#define DRIVER_ENVIRONMENT "VMHEAP_DRIVER"
#define DRIVER_VDEV_ALIAS "vmheap"

typedef struct {
	u8 in_arena;
	u8 is_accounted;
	u8 has_telemetry;
	u8 reports;
	char cli[108]; /* as long as a socket's path may be; "" for none */
} driver_options_t;

/**
 * Read `key=value,...` into options; what is not named stays as it is.
 * @param text  NULL or "" is no option
 * @param[out] what  the reason, for people
 * @return 0 or -EINVAL: unknown key, missing or bad value, with options in part changed
 */
int driver_options_parse(const char *text, driver_options_t *options, char *what, uword n_what);

/** The lines that report=on asks for: one pool, before it is freed; and all that still live. */
void driver_report_pool(struct rte_mempool *mp);
void driver_report_all(void);

/** Register /vmheap/...; @return 0 or a negative errno. */
int driver_telemetry_register(void);

/** Serve commands at a socket.  @return 0, or a negative errno with the reason in what. */
int driver_company_start(const char *path, char *what, uword n_what);
void driver_company_stop(void);

#endif
