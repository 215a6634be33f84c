/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/unix.h>

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vppinfra/format.h>

/* Read at a time when a file's size is not known. */
#define READ_BYTES 4096

clib_error_t *
clib_file_n_bytes(char *file, uword *result)
{
	struct stat s;

	if (stat(file, &s))
		return clib_error_return_unix(0, "stat `%s'", file);
	*result = S_ISREG(s.st_mode) ? (uword)s.st_size : 0;
	return 0;
}

/* Up to n bytes, short only at the end of the file.  Value: bytes, or -1 with errno. */
static ssize_t
read_fully(int fd, u8 *to, uword n)
{
	uword n_done = 0;

	while (n_done < n) {
		ssize_t n_now = read(fd, to + n_done, n - n_done);

		if (n_now == 0)
			break;
		if (n_now > 0)
			n_done += (uword)n_now;
		else if (errno != EINTR)
			return -1;
	}
	return (ssize_t)n_done;
}

clib_error_t *
clib_file_read_contents(char *file, u8 *result, uword n_bytes)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	clib_error_t *error = 0;
	ssize_t n;

	if (fd < 0)
		return clib_error_return_unix(0, "open `%s'", file);
	n = read_fully(fd, result, n_bytes);
	if (n < 0)
		error = clib_error_return_unix(0, "read `%s'", file);
	else if ((uword)n < n_bytes)
		error = clib_error_return(0, "`%s' has %wu bytes, not %wu", file, (uword)n,
					  n_bytes);
	close(fd);
	return error;
}

clib_error_t *
clib_file_contents(char *file, u8 **result)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	clib_error_t *error = 0;
	u8 *v = 0, *to;
	ssize_t n;

	if (fd < 0)
		return clib_error_return_unix(0, "open `%s'", file);
	do {
		uword n_room = clib_max((uword)READ_BYTES, vec_max_len(v) - vec_len64(v));

		if (vec_add2(v, to, n_room)) {
			error = clib_error_return_code(0, ENOMEM, 0, "read `%s': no memory", file);
			break;
		}
		n = read_fully(fd, to, n_room);
		if (n < 0)
			error = clib_error_return_unix(0, "read `%s'", file);
		vec_dec_len(v, n_room - (uword)clib_max(n, (ssize_t)0));
		if (n < (ssize_t)n_room)
			break;
	} while (!error);
	close(fd);
	if (error || !vec_len64(v))
		vec_free(v);
	if (!error)
		*result = v;
	return error;
}

/* A file with a list as "0-3,8". */
static clib_bitmap_t *
bitmap_of_list(char *file)
{
	clib_bitmap_t *bitmap = 0;
	unformat_input_t input;
	clib_error_t *error;
	u8 *text = 0;

	error = clib_file_contents(file, &text);
	if (error) {
		clib_error_free(error);
		return 0;
	}
	unformat_init_vector(&input, text);
	if (!unformat(&input, "%U", unformat_bitmap_list, &bitmap))
		clib_bitmap_free(bitmap);
	unformat_free(&input);
	return bitmap;
}

clib_bitmap_t *
os_get_online_cpu_core_bitmap(void)
{
	return bitmap_of_list((char *)"/sys/devices/system/cpu/online");
}

clib_bitmap_t *
os_get_online_cpu_node_bitmap(void)
{
	return bitmap_of_list((char *)"/sys/devices/system/node/online");
}

clib_bitmap_t *
os_get_cpu_affinity_bitmap(int pid)
{
	clib_bitmap_t *bitmap = 0;
	cpu_set_t set;

	if (sched_getaffinity(pid, sizeof(set), &set))
		return 0;
	for (uword i = 0; i < CPU_SETSIZE; i++) {
		if (CPU_ISSET(i, &set))
			bitmap = clib_bitmap_set(bitmap, i, 1);
	}
	return bitmap;
}

u8 *
os_get_exec_path(void)
{
	uword n_room = 256;
	ssize_t n;
	u8 *v = 0;

	for (;;) {
		if (vec_validate(v, n_room - 1)) {
			vec_free(v);
			return 0;
		}
		n = readlink("/proc/self/exe", (char *)v, n_room);
		if (n < (ssize_t)n_room)
			break;
		n_room *= 2;
	}
	if (n < 0) {
		vec_free(v);
		return 0;
	}
	vec_set_len(v, (uword)n);
	return v;
}
