/* SPDX-License-Identifier: Apache-2.0 */
/* eal_args: which CPU each lcore runs on, and the argument vector for rte_eal_init().
 *
 * lcore 0 is the main one, lcore w + 1 is worker w; several may share a CPU, so
 * `--lcores 0@0,1@1,2@0` is two workers on a machine of two CPUs.  Pure functions of the
 * configuration and of what the machine offers. */
#ifndef included_cli_eal_args_h
#define included_cli_eal_args_h

#include <sched.h>
#include <cli/daemon_config.h>

typedef struct {
	u32 main_cpu, n_workers;
	u16 worker_cpu[VMHEAP_MAX_WORKERS];
} cpu_plan_t;

/**
 * Place main and workers on CPUs.
 *
 * skip-cores leaves out the lowest CPUs.  Without main-core main gets the first that is left.
 * Workers get the others in ascending order, then main's own, then again from the first, until
 * all have one; without a number there is one worker.
 *
 * @param available  CPUs this process may use
 * @return NULL, or FILE:LINE:COLUMN: what is not there
 */
clib_error_t *cpu_plan_make(const config_t *c, const daemon_config_t *d, const cpu_set_t *available,
			    cpu_plan_t *plan);

typedef struct {
	char **argv; /* ends in NULL; malloc's */
	int argc;
} eal_args_t;

/**
 * @param has_hugepages  EAL may live on huge pages: --in-memory; else --no-huge
 * @param user, n_user   what stands behind `--` on the command line, put last; words there that
 *                       contradict a stanza are an error
 */
clib_error_t *eal_args_make(const config_t *c, const daemon_config_t *d, const cpu_plan_t *plan,
			    int has_hugepages, char *const *user, u32 n_user, eal_args_t *args);
void eal_args_free(eal_args_t *args);

#endif
