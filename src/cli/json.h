/* SPDX-License-Identifier: Apache-2.0 */
/* json: the JSON form of an answer, from the same sections as its text.
 *
 * Numbers stay numbers where a JSON reader can hold them: an u64 above 2^63 - 1 becomes a decimal
 * string, an address a "0x..." string, NaN and infinity null.  Bytes that are not UTF-8 become
 * question marks. */
#ifndef included_cli_json_h
#define included_cli_json_h

#include <jansson.h>
#include <cli/cli.h>

/** All sections as one object; NULL without memory.  The caller's reference. */
json_t *cli_output_json(const cli_output_t *out);

/** A string from n bytes of anything; p may be NULL for n = 0. */
json_t *cli_json_string(const u8 *p, uword n);

/** The document, indented, with a final newline, appended to s. */
u8 *cli_json_dump(u8 *s, const json_t *json);

#endif
