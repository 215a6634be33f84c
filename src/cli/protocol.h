/* SPDX-License-Identifier: Apache-2.0 */
/* protocol: what daemon and client say to each other over a unix stream socket.
 *
 * The client sends requests, the daemon answers each in the order they came; a client may send
 * the next one before it has the answer to the last.  Both directions carry frames:
 *
 *   request    "vmh1" | kind u8 | format u8 | columns u16 | n_bytes u32 | n_bytes of a line
 *   response   "vmh1" | status u8 | flags u8 | zero u16   | n_bytes u32 | n_bytes of an answer
 *
 * Integers are little endian.  A line is one command without its newline, at most
 * CLI_LINE_BYTES_MAX bytes; a longer one is read, dropped and answered with an error, and the
 * connection stays usable.  A frame that does not start with the magic is answered with
 * CLI_STATUS_BAD_REQUEST and the connection is closed, for nothing after it can be trusted.
 *
 * kind RUN executes the line; kind COMPLETE asks which words may follow: the answer holds one
 * candidate for the line's last (maybe empty) word per line of text.  columns is the width of the
 * reader's terminal, 0 when there is none: lists of words are wrapped to it.
 *
 * This file and protocol.c need libc alone, so that the client links nothing else of ours. */
#ifndef included_cli_protocol_h
#define included_cli_protocol_h

#include <stdint.h>
#include <stddef.h>

#define CLI_MAGIC "vmh1"
#define CLI_HEADER_BYTES 12
/* 64 KiB: no person types more, and 1000 clients that try cost no more than 64 MiB. */
#define CLI_LINE_BYTES_MAX 65536u
/* 16 MiB: a heap map of a million objects; beyond that an answer is refused. */
#define CLI_ANSWER_BYTES_MAX (16u << 20)

enum { CLI_KIND_RUN = 1, CLI_KIND_COMPLETE = 2 };
enum { CLI_FORMAT_TEXT = 0, CLI_FORMAT_JSON = 1 };
enum { CLI_STATUS_OK = 0, CLI_STATUS_ERROR = 1, CLI_STATUS_BAD_REQUEST = 2 };
/* response flags */
enum { CLI_FLAG_QUIT = 1 }; /* the daemon closes the connection after this answer */

typedef struct {
	uint8_t kind, format;
	uint16_t columns;
	uint32_t n_bytes;
} cli_request_header_t;

typedef struct {
	uint8_t status, flags;
	uint32_t n_bytes;
} cli_response_header_t;

void cli_encode_request(uint8_t bytes[CLI_HEADER_BYTES], const cli_request_header_t *h);
void cli_encode_response(uint8_t bytes[CLI_HEADER_BYTES], const cli_response_header_t *h);

/** @return 0; -EINVAL wrong magic, kind or format. */
int cli_decode_request(const uint8_t bytes[CLI_HEADER_BYTES], cli_request_header_t *h);
/** @return 0; -EINVAL wrong magic or status. */
int cli_decode_response(const uint8_t bytes[CLI_HEADER_BYTES], cli_response_header_t *h);

/** Where the daemon listens unless told otherwise: /run/vmheap/cli.sock for root, below
 *  $XDG_RUNTIME_DIR or /tmp/vmheap-UID for others.  The same static string at each call. */
const char *cli_default_socket_path(void);

#endif
