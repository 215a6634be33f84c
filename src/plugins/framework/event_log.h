/* SPDX-License-Identifier: Apache-2.0 */
/* event_log: the process's event log (elog.h), on from the moment there is memory.
 *
 * It tells what the daemon went through: stages of its start and stop, plugins and their functions,
 * commands, and what memory did.  `show event-logger' prints it, `event-logger save' keeps it.
 *
 * Threads: the control thread starts, stops, and writes all events of the framework itself.  Nodes
 * and plugins may log types of their own to vmheap_elog_main() from any thread. */
#ifndef included_framework_event_log_h
#define included_framework_event_log_h

#include <vppinfra/elog.h>

/** 128 KiB of events. */
#define VMHEAP_ELOG_N_EVENTS 4096

/** The log; off before vmheap_elog_start() and after vmheap_elog_stop(). */
CLIB_EXPORT elog_main_t *vmheap_elog_main(void);

/** @return 0; -ENOMEM: there is no log, which harms nothing */
CLIB_EXPORT int vmheap_elog_start(u32 n_events);
CLIB_EXPORT void vmheap_elog_stop(void);

/** Offset of a string in the log's table, put there at its first use: for T4 items of names that
 *  come again.  Control thread. */
CLIB_EXPORT u32 vmheap_elog_name(const char *name);

/** Events for what changed since the last call: bytes that arenas have committed and heaps taken,
 *  and allocations that were refused.  Control thread, now and then. */
CLIB_EXPORT void vmheap_elog_sample_memory(void);

#endif
