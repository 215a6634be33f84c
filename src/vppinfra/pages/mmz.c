/* SPDX-License-Identifier: Apache-2.0 */
/* Zones: their two files, and who lives. */
#include "mmz_impl.h"

#include <dirent.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TABLE_DIR "/dev/shm"
#define PREFIX "vmheap-"
#define TABLE_SUFFIX ".mmb"

mmz_t mmz_open_zones[MMZ_MAX_OPEN];
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- processes ---- */

/* Field 22 of /proc/PID/stat; the name before it may hold anything, but ends at the last ')'. */
static int
process_start(i32 pid, u64 *start)
{
	char path[32], text[512], *s;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -ENOENT;
	text[n] = 0;
	s = strrchr(text, ')');
	/* A zombie is dead to us: it maps and frees nothing any more. */
	if (!s || s[1] != ' ' || s[2] == 'Z' || s[2] == 'X')
		return -ENOENT;
	for (u32 field = 2; field < 22 && s; field++)
		s = strchr(s + 1, ' ');
	if (!s)
		return -ENOENT;
	*start = strtoull(s + 1, NULL, 10);
	return 0;
}

mmz_process_t
mmz_self(void)
{
	mmz_process_t self = { .pid = getpid() };

	process_start(self.pid, &self.start);
	return self;
}

int
mmz_process_is_alive(const mmz_process_t *process)
{
	u64 start;
	int rv = process_start(process->pid, &start);

	/* Where /proc is closed to us, nobody is declared dead. */
	if (rv == -EACCES || rv == -EPERM || rv == -EMFILE || rv == -ENFILE)
		return 1;
	return !rv && start == process->start;
}

/* ---- the lock ---- */

static void
mend(mmz_t *z)
{
	mmz_table_t *t = z->table;
	u32 n = mmz_order(z);
	u64 page = 0;

	t->n_used_pages = 0;
	for (u32 i = 0; i < n; i++) {
		const mmz_block_t *b = &t->blocks[z->order[i]];

		t->n_used_pages += b->n_pages;
		mmz_punch(z, page, b->page - page);
		page = b->page + b->n_pages;
	}
	mmz_punch(z, page, t->n_pages - page);
	t->n_lock_recoveries++;
}

void
mmz_lock(mmz_t *z)
{
	if (pthread_mutex_lock(&((mmz_table_t *)z->table)->lock) == EOWNERDEAD) {
		mend(z);
		pthread_mutex_consistent(&((mmz_table_t *)z->table)->lock);
	}
}

void
mmz_unlock(mmz_t *z)
{
	pthread_mutex_unlock(&((mmz_table_t *)z->table)->lock);
}

/* ---- names and files ---- */

static int
name_is_sane(const char *name)
{
	uword n = name ? strnlen(name, MMZ_NAME_BYTES + 1) : 0;

	if (n == 0 || n > MMZ_NAME_BYTES || name[0] == '.')
		return 0;
	for (uword i = 0; i < n; i++) {
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '_' || c == '-' || c == '.'))
			return 0;
	}
	return 1;
}

/* The first hugetlbfs that is mounted with this page size. */
static int
find_hugetlbfs(u64 page_bytes, char *dir, uword n_dir)
{
	FILE *f = setmntent("/proc/mounts", "re");
	char text[1024];
	struct mntent m;
	int rv = -ENOTSUP;

	while (rv && f && getmntent_r(f, &m, text, sizeof(text))) {
		struct statfs fs;

		if (!strcmp(m.mnt_type, "hugetlbfs") && !statfs(m.mnt_dir, &fs) &&
		    (u64)fs.f_bsize == page_bytes && strlen(m.mnt_dir) < n_dir) {
			strcpy(dir, m.mnt_dir);
			rv = 0;
		}
	}
	if (f)
		endmntent(f);
	return rv;
}

static void
table_path(const char *name, char path[MMZ_PATH_BYTES])
{
	snprintf(path, MMZ_PATH_BYTES, TABLE_DIR "/" PREFIX "%s" TABLE_SUFFIX, name);
}

/* A record whose table is still to be set. */
static mmz_t *
claim_record(void)
{
	for (u32 i = 0; i < MMZ_MAX_OPEN; i++) {
		mmz_t *z = &mmz_open_zones[i];

		if (!z->table) {
			memset(z->local, 0, sizeof(z->local));
			z->view = z->view_bytes = 0;
			return z;
		}
	}
	return NULL;
}

static mmz_table_t *
map_table(int fd)
{
	void *t = mmap(NULL, sizeof(mmz_table_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return t == MAP_FAILED ? NULL : t;
}

static int
init_table(mmz_table_t *t, const mmz_params_t *p, const char *path, u64 page_bytes)
{
	pthread_mutexattr_t attr;
	int rv;

	memset(t, 0, sizeof(*t));
	t->table_bytes = sizeof(*t);
	snprintf(t->name, sizeof(t->name), "%s", p->name);
	snprintf(t->path, sizeof(t->path), "%s", path);
	t->page_bytes = page_bytes;
	t->n_pages = round_pow2(p->bytes, page_bytes) / page_bytes;
	t->n_pages_max = round_pow2(clib_max(p->bytes, p->max_bytes), page_bytes) / page_bytes;
	t->numa_node = p->numa_node;
	t->next_id = 1;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	rv = pthread_mutex_init(&t->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	t->magic = MMZ_MAGIC;
	return -rv;
}

/* Table and pages under names of this process, then, in one step, under the zone's. */
static int
make_files(mmz_t *z, const mmz_params_t *p, const char *path, u64 page_bytes)
{
	char final[MMZ_PATH_BYTES], temporary[MMZ_PATH_BYTES + 16];
	mmz_table_t *t = NULL;
	int rv = 0;

	table_path(p->name, final);
	snprintf(temporary, sizeof(temporary), "%s.%d", final, getpid());
	z->table_fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (z->table_fd < 0)
		return -errno;
	z->fd = -1;
	if (posix_fallocate(z->table_fd, 0, sizeof(*t)) || !(t = map_table(z->table_fd)))
		rv = -ENOMEM;
	if (!rv)
		rv = init_table(t, p, path, page_bytes);
	if (!rv && link(temporary, final))
		rv = -errno;
	unlink(temporary);
	if (!rv) {
		/* The name is ours: pages left by a zone whose table is gone are nobody's. */
		z->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (z->fd < 0 || ftruncate(z->fd, (off_t)(t->n_pages * page_bytes)))
			rv = -errno;
		if (rv)
			unlink(final);
		if (rv && z->fd >= 0)
			unlink(path);
	}
	if (rv) {
		if (t)
			munmap(t, sizeof(*t));
		if (z->fd >= 0)
			close(z->fd);
		close(z->table_fd);
		return rv;
	}
	z->table = t;
	return 0;
}

int
mmz_create(const mmz_params_t *p, mmz_t **zone)
{
	u8 log2_page = p ? vm_log2_page_size(p->page_size) : 0;
	u64 page_bytes = log2_page ? 1ull << log2_page : (u64)sysconf(_SC_PAGESIZE);
	char dir[MMZ_PATH_BYTES / 2] = TABLE_DIR, path[MMZ_PATH_BYTES];
	mmz_t *z;
	int rv = 0;

	if (!p || !name_is_sane(p->name) || !p->bytes ||
	    (p->max_bytes && p->max_bytes < p->bytes) ||
	    clib_max(p->bytes, p->max_bytes) > 1ull << 46 || p->numa_node < VM_NODE_ANY)
		return -EINVAL;
	if (p->numa_node >= 0 && !vm_numa_node_has_memory(p->numa_node))
		return -ENODEV;
	if (p->dir && strlen(p->dir) >= sizeof(dir))
		return -EINVAL;
	if (p->dir)
		strcpy(dir, p->dir);
	else if (page_bytes > (u64)sysconf(_SC_PAGESIZE))
		rv = find_hugetlbfs(page_bytes, dir, sizeof(dir));
	if (rv)
		return rv;
	snprintf(path, sizeof(path), "%s/" PREFIX "%s.mmz", dir, p->name);

	pthread_mutex_lock(&open_lock);
	z = claim_record();
	rv = z ? make_files(z, p, path, page_bytes) : -ENOMEM;
	pthread_mutex_unlock(&open_lock);
	if (!rv)
		*zone = z;
	return rv;
}

/* The files of a zone that exists. */
static int
open_files(mmz_t *z, const char *name)
{
	char path[MMZ_PATH_BYTES];
	struct stat st;
	mmz_table_t *t = NULL;
	int rv = 0;

	table_path(name, path);
	z->table_fd = open(path, O_RDWR | O_CLOEXEC);
	if (z->table_fd < 0)
		return -errno;
	z->fd = -1;
	if (fstat(z->table_fd, &st) || (u64)st.st_size < sizeof(*t))
		rv = -EINVAL;
	else if (!(t = map_table(z->table_fd)))
		rv = -ENOMEM;
	else if (t->magic != MMZ_MAGIC || t->table_bytes != sizeof(*t) ||
		 strnlen(t->path, sizeof(t->path)) == sizeof(t->path))
		rv = -EINVAL;
	else if ((z->fd = open(t->path, O_RDWR | O_CLOEXEC)) < 0)
		rv = -errno;
	if (!rv) {
		z->table = t;
		return 0;
	}
	if (t)
		munmap(t, sizeof(*t));
	close(z->table_fd);
	return rv;
}

int
mmz_open(const char *name, mmz_t **zone)
{
	mmz_t *z;
	int rv;

	if (!name_is_sane(name))
		return -ENOENT;
	pthread_mutex_lock(&open_lock);
	z = claim_record();
	rv = z ? open_files(z, name) : -ENOMEM;
	pthread_mutex_unlock(&open_lock);
	if (!rv)
		*zone = z;
	return rv;
}

void
mmz_close(mmz_t *z)
{
	mmz_table_t *t;

	if (!z || !z->table)
		return;
	mmz_unmap_all(z);
	pthread_mutex_lock(&open_lock);
	t = z->table;
	z->table = NULL;
	munmap(t, sizeof(*t));
	close(z->table_fd);
	close(z->fd);
	pthread_mutex_unlock(&open_lock);
}

int
mmz_destroy(mmz_t *z)
{
	char path[MMZ_PATH_BYTES];
	mmz_table_t *t = z->table;
	int rv = 0;

	mmz_reclaim(z, NULL);
	mmz_lock(z);
	for (u32 i = 0; i < MMZ_MAX_BLOCKS && !rv; i++)
		if (t->blocks[i].id)
			rv = -EBUSY;
	if (!rv) {
		table_path(t->name, path);
		unlink(path);
		unlink(t->path);
	}
	mmz_unlock(z);
	if (!rv)
		mmz_close(z);
	return rv;
}

void
mmz_foreach_name(int (*fn)(const char *name, void *arg), void *arg)
{
	DIR *dir = opendir(TABLE_DIR);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		uword n = strlen(e->d_name), n_prefix = strlen(PREFIX),
		      n_suffix = strlen(TABLE_SUFFIX);
		char name[MMZ_NAME_BYTES + 1];

		if (n <= n_prefix + n_suffix || n - n_prefix - n_suffix > MMZ_NAME_BYTES ||
		    strncmp(e->d_name, PREFIX, n_prefix) ||
		    strcmp(e->d_name + n - n_suffix, TABLE_SUFFIX))
			continue;
		n -= n_prefix + n_suffix;
		memcpy(name, e->d_name + n_prefix, n);
		name[n] = 0;
		if (fn(name, arg))
			break;
	}
	if (dir)
		closedir(dir);
}
