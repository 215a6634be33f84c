/* SPDX-License-Identifier: Apache-2.0 */
#include <cli/protocol.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
put_u16(uint8_t *p, uint16_t x)
{
	p[0] = (uint8_t)x;
	p[1] = (uint8_t)(x >> 8);
}

static void
put_u32(uint8_t *p, uint32_t x)
{
	put_u16(p, (uint16_t)x);
	put_u16(p + 2, (uint16_t)(x >> 16));
}

static uint16_t
get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t
get_u32(const uint8_t *p)
{
	return get_u16(p) | (uint32_t)get_u16(p + 2) << 16;
}

void
cli_encode_request(uint8_t bytes[CLI_HEADER_BYTES], const cli_request_header_t *h)
{
	memcpy(bytes, CLI_MAGIC, 4);
	bytes[4] = h->kind;
	bytes[5] = h->format;
	put_u16(bytes + 6, h->columns);
	put_u32(bytes + 8, h->n_bytes);
}

void
cli_encode_response(uint8_t bytes[CLI_HEADER_BYTES], const cli_response_header_t *h)
{
	memcpy(bytes, CLI_MAGIC, 4);
	bytes[4] = h->status;
	bytes[5] = h->flags;
	put_u16(bytes + 6, 0);
	put_u32(bytes + 8, h->n_bytes);
}

int
cli_decode_request(const uint8_t bytes[CLI_HEADER_BYTES], cli_request_header_t *h)
{
	if (memcmp(bytes, CLI_MAGIC, 4))
		return -EINVAL;
	h->kind = bytes[4];
	h->format = bytes[5];
	h->columns = get_u16(bytes + 6);
	h->n_bytes = get_u32(bytes + 8);
	if (h->kind != CLI_KIND_RUN && h->kind != CLI_KIND_COMPLETE)
		return -EINVAL;
	return h->format > CLI_FORMAT_JSON ? -EINVAL : 0;
}

int
cli_decode_response(const uint8_t bytes[CLI_HEADER_BYTES], cli_response_header_t *h)
{
	if (memcmp(bytes, CLI_MAGIC, 4))
		return -EINVAL;
	h->status = bytes[4];
	h->flags = bytes[5];
	h->n_bytes = get_u32(bytes + 8);
	return h->status > CLI_STATUS_BAD_REQUEST ? -EINVAL : 0;
}

const char *
cli_default_socket_path(void)
{
	static char path[108];
	const char *dir = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		snprintf(path, sizeof(path), "/run/vmheap/cli.sock");
	else if (dir && *dir && strlen(dir) < 80)
		snprintf(path, sizeof(path), "%s/vmheap/cli.sock", dir);
	else
		snprintf(path, sizeof(path), "/tmp/vmheap-%u/cli.sock", (unsigned)geteuid());
	return path;
}
