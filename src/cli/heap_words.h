/* SPDX-License-Identifier: Apache-2.0 */
/* heap_words: how people name heaps on the command line.
 *
 *   main-heap         the main heap
 *   numa-heaps        the heap of each node
 *   numa-heap N       the heap of node N
 *   base 0xADDRESS    the heap whose memory starts there, as show memory prints it
 *   NAME              every heap of that name; a hyphen stands for a blank in it
 *
 * Threads: the main lcore, while no heap is destroyed. */
#ifndef included_cli_heap_words_h
#define included_cli_heap_words_h

#include <vppinfra/format.h>
#include <vppinfra/mem.h>

#define CLI_HEAP_WORDS "main-heap numa-heaps numa-heap base"

/** Words that name heaps: arg clib_mem_heap_t *** to a vector, which those named are appended to
 *  unless they are in it.  No match where nothing is named so. */
unformat_function_t unformat_cli_heaps;

/** The words that would name a heap now, with commas: no args. */
format_function_t format_cli_heap_words;

/** All live heaps of the process: a vector, the caller's. */
clib_mem_heap_t **cli_all_heaps(void);

#endif
