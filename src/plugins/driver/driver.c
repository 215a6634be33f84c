/* SPDX-License-Identifier: Apache-2.0 */
/* The driver as EAL sees it: a vdev.
 *
 * rte_eal_init() loads -d libraries before it has memory, and scans its buses before it has memory,
 * too; it probes them when memory is attached, lcores run, and before the program has control.  A
 * vdev's probe is therefore the first place where a secondary can read what its primary published,
 * and the last where nobody has used a mempool yet.  A program does not have to name the device:
 * the scan adds one if there is none. */
#include "driver.h"
#include "vdev.h"
#include <plugins/pool/forensics.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <rte_common.h>
#include <rte_eal.h>

#define DRIVER_NAME "mempool_vmheap"

static struct {
	u8 is_up;
	u8 is_done;
	driver_options_t options;
} driver_main;

#define complain(...)                                                                              \
	do {                                                                                       \
		fprintf(stderr, "vmheap: " __VA_ARGS__);                                           \
		fputc('\n', stderr);                                                               \
	} while (0)

/* ---- leave ---- */

static void
pool_event(enum rte_mempool_event event, struct rte_mempool *mp, void *arg)
{
	pktpool_t *pool = pktpool_of_mempool(mp);

	if (!pool)
		return;
	if (event == RTE_MEMPOOL_EVENT_READY) {
		/* Refused where object headers have no room for records: such objects are counted,
		 * not named. */
		if (driver_main.options.is_accounted)
			pktpool_trace_on(pool, 1, 0);
		return;
	}
	if (driver_main.options.reports)
		driver_report_pool(mp);
	pktpool_foreign_closing(pool);
}

static void
leave(void)
{
	if (!driver_main.is_up || driver_main.is_done)
		return;
	driver_main.is_done = 1;
	driver_company_stop();
	if (rte_eal_process_type() != RTE_PROC_SECONDARY && driver_main.options.reports)
		driver_report_all();
	rte_mempool_event_callback_unregister(pool_event, NULL);
	pktpool_share_exit();
}

/* A program may end without rte_eal_cleanup(); if it did call it, leave() has run. */
static void __attribute__((destructor)) driver_unloaded(void)
{
	leave();
}

/* ---- join ---- */

static int
join_secondary(void)
{
	char missing[RTE_MEMPOOL_OPS_NAMESIZE];
	int error = pktpool_share_init(missing);

	if (error == -ENOENT)
		complain("the primary process does not use this driver: its mempools are left "
			 "alone");
	else if (error == -ENOSPC)
		complain("%u secondary processes share pools already", PKTPOOL_MAX_SECONDARIES);
	else if (error == -ESRCH)
		complain("the primary has mempool ops \"%s\", which are not loaded here: mempools "
			 "with them look empty; load its driver with -d",
			 missing);
	return error == -ENOSPC ? error : 0;
}

static int
join_primary(const char *arguments)
{
	driver_options_t *o = &driver_main.options;
	pktpool_foreign_options_t pool_options = { 0 };
	char missing[RTE_MEMPOOL_OPS_NAMESIZE], what[512] = "";
	const char *source = DRIVER_ENVIRONMENT;
	int error = driver_options_parse(getenv(DRIVER_ENVIRONMENT), o, what, sizeof(what));

	if (!error) {
		source = "--vdev=" DRIVER_VDEV_ALIAS "0";
		error = driver_options_parse(arguments, o, what, sizeof(what));
	}
	if (error)
		complain("%s: %s", source, what);
	if (!error && (error = pktpool_share_init(missing)))
		complain("no memory to share with other processes: %s", strerror(-error));
	if (!error && o->cli[0] && (error = driver_company_start(o->cli, what, sizeof(what))))
		complain("cli=%s: %s", o->cli, what);
	if (!error && o->has_telemetry && (error = driver_telemetry_register()))
		complain("telemetry: %s", strerror(-error));
	/* EAL goes on after a vdev that failed; our pools do not. */
	pool_options.refuse = error;
	pool_options.in_arena = o->in_arena;
	pool_options.is_accounted = o->is_accounted;
	pktpool_foreign_set_options(&pool_options);
	return error;
}

static int
probe(struct rte_vdev_device *dev)
{
	const struct rte_devargs *devargs = rte_dev_devargs(vdev_device(dev));
	const char *arguments = devargs ? devargs->args : NULL;
	int error;

	if (driver_main.is_up) {
		/* The primary's device beside our own, in a secondary. */
		if (!arguments || !arguments[0] || rte_eal_process_type() == RTE_PROC_SECONDARY)
			return 0;
		complain("more than one " DRIVER_VDEV_ALIAS " device");
		return -EEXIST;
	}
	driver_main.is_up = 1;
	rte_mempool_event_callback_register(pool_event, NULL);
	if (rte_eal_process_type() == RTE_PROC_SECONDARY)
		error = join_secondary();
	else
		error = join_primary(arguments);
	return error;
}

static int
remove_device(struct rte_vdev_device *dev)
{
	leave();
	return 0;
}

static struct rte_vdev_driver driver = {
	.driver = { .name = DRIVER_NAME, .alias = DRIVER_VDEV_ALIAS },
	.probe = probe,
	.remove = remove_device,
};

static int
is_ours(const struct rte_devargs *devargs)
{
	return !strncmp(devargs->name, DRIVER_NAME, strlen(DRIVER_NAME)) ||
	       !strncmp(devargs->name, DRIVER_VDEV_ALIAS, strlen(DRIVER_VDEV_ALIAS));
}

static void
scan(void *arg)
{
	struct rte_devargs *devargs;

	RTE_EAL_DEVARGS_FOREACH("vdev", devargs)
	{
		if (is_ours(devargs))
			return;
	}
	if (rte_devargs_add(RTE_DEVTYPE_VIRTUAL, DRIVER_NAME))
		complain("cannot add a device of our own: no options, no secondaries");
}

RTE_INIT(driver_register)
{
	/* A second copy, loaded by another name, has said so and stays out of the way. */
	if (pktpool_ops_status() == -EEXIST)
		return;
	rte_vdev_register(&driver);
	if (rte_vdev_add_custom_scan(scan, NULL))
		complain("cannot add a device of our own: no options, no secondaries");
}
