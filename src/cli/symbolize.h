/* SPDX-License-Identifier: Apache-2.0 */
/* symbolize: addresses by the debug information of program, libraries and plugins.
 *
 * With libbacktrace (found at configure time) static functions have names and each address its
 * source line; without it, or where an object is stripped, dladdr() says what it can. */
#ifndef included_cli_symbolize_h
#define included_cli_symbolize_h

/** Let clib_symbolize() use it from now on.  Debug information is read when an address is first
 *  asked about, so after all plugins were loaded; that takes a moment.  Threads: the main lcore. */
void cli_symbolizer_install(void);

#endif
