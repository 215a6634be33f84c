/* SPDX-License-Identifier: Apache-2.0 */
/* Small files of /proc and /sys, read without a stream and without the heap. */
#include "vm_impl.h"

#include <fcntl.h>
#include <unistd.h>

word
vm_read_file(const char *path, char *text, uword n_text)
{
	uword n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (n < n_text - 1) {
		ssize_t n_read = read(fd, text + n, n_text - 1 - n);

		if (n_read < 0 && errno == EINTR)
			continue;
		if (n_read <= 0)
			break;
		n += n_read;
	}
	close(fd);
	text[n] = 0;
	return n;
}

static const char *
parse_decimal(const char *s, u64 *number)
{
	u64 n = 0;

	if (*s < '0' || *s > '9')
		return NULL;
	while (*s >= '0' && *s <= '9')
		n = 10 * n + (u64)(*s++ - '0');
	*number = n;
	return s;
}

static const char *
parse_hex(const char *s, u64 *number)
{
	u64 n = 0;

	for (;; s++) {
		if (*s >= '0' && *s <= '9')
			n = 16 * n + (u64)(*s - '0');
		else if (*s >= 'a' && *s <= 'f')
			n = 16 * n + (u64)(*s - 'a' + 10);
		else
			break;
	}
	*number = n;
	return s;
}

int
vm_read_number(const char *path, u64 *number)
{
	char text[32];
	word n = vm_read_file(path, text, sizeof(text));

	if (n < 0)
		return (int)n;
	return parse_decimal(text, number) ? 0 : -ENOENT;
}

int
vm_find_value(const char *text, const char *key, u64 *value)
{
	const char *s = strstr(text, key);

	if (!s)
		return -ENOENT;
	s += strlen(key);
	while (*s == ':' || *s == ' ' || *s == '\t')
		s++;
	s = parse_decimal(s, value);
	if (!s)
		return -ENOENT;
	if (!strncmp(s, " kB", 3))
		*value <<= 10;
	return 0;
}

typedef struct {
	uword start, end;
	const char *key;
	int is_inside;
	u64 bytes;
} smaps_t;

/* A mapping starts with a line "start-end rwxp ..."; its fields follow as "Key:  n kB". */
static void
smaps_line(void *arg, const char *line)
{
	smaps_t *m = arg;
	u64 start, end, value;
	const char *s = parse_hex(line, &start);

	if (s != line && *s == '-') {
		parse_hex(s + 1, &end);
		m->is_inside = start < m->end && end > m->start;
		return;
	}
	if (m->is_inside && !strncmp(line, m->key, strlen(m->key)) &&
	    !vm_find_value(line, m->key, &value))
		m->bytes += value;
}

int
vm_foreach_smaps_line(void (*fn)(void *arg, const char *line), void *arg)
{
	char text[2048], line[256];
	uword n_line = 0;
	ssize_t n;
	int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -ENOENT;
	while ((n = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			/* The rest of an over-long line, a path, is cut. */
			if (text[i] != '\n') {
				if (n_line < sizeof(line) - 1)
					line[n_line++] = text[i];
				continue;
			}
			line[n_line] = 0;
			n_line = 0;
			fn(arg, line);
		}
	}
	close(fd);
	return 0;
}

int
vm_smaps_bytes(uword start, uword end, const char *key, u64 *bytes)
{
	smaps_t m = { .start = start, .end = end, .key = key };
	int rv = vm_foreach_smaps_line(smaps_line, &m);

	if (!rv)
		*bytes = m.bytes;
	return rv;
}

int
vm_list_has(const char *list, int n)
{
	u64 first, last;
	int greatest = -1;

	while ((list = parse_decimal(list, &first))) {
		last = first;
		if (*list == '-' && !(list = parse_decimal(list + 1, &last)))
			break;
		if (n >= 0 && (u64)n >= first && (u64)n <= last)
			return 1;
		greatest = (int)last;
		if (*list++ != ',')
			break;
	}
	return n < 0 ? greatest : 0;
}
