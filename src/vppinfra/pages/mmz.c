/* SPDX-License-Identifier: Apache-2.0 */
/* Zones: their two files, and who lives. */
#include "mmz_impl.h"

#include <dirent.h>
#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define TABLE_DIR "/dev/shm"
#define PREFIX "vmheap-"
#define TABLE_SUFFIX ".mmb"

/* The lock is held while pages are made, some GiB a second; and by a process that a debugger has
 * stopped, or that writes its core. */
#define OPEN_WAIT_MS 2000

mmz_t mmz_open_zones[MMZ_MAX_OPEN];
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- processes ---- */

/* The process is there, but /proc does not show it. */
static int
is_hidden(i32 pid)
{
	return pid > 0 && (!kill(pid, 0) || errno == EPERM);
}

/* Field `to` of a line whose field `from` s points into; NULL: it has fewer. */
static const char *
field_of(const char *s, u32 from, u32 to)
{
	for (; s && from < to; from++) {
		s = strchr(s, ' ');
		s = s ? s + 1 : NULL;
	}
	return s;
}

/* Field 22 of /proc/PID/stat; the name before it may hold anything, but ends at the last ')'.
 * Value: 0; -ESRCH it is dead; another errno: who knows. */
static int
process_start(i32 pid, u64 *start)
{
	char path[32], text[512];
	const char *state, *n_threads, *since;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return is_hidden(pid) ? -EACCES : -ESRCH;
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return n < 0 && errno != ESRCH ? -errno : -ESRCH;
	text[n] = 0;
	state = strrchr(text, ')');
	state = state && state[1] == ' ' ? state + 2 : NULL;
	n_threads = field_of(state, 3, 20);
	since = field_of(n_threads, 20, 22);
	if (!since)
		return -EIO;
	/* A zombie maps and frees nothing any more; but a process whose first thread alone has
	 * ended looks like one, too, with its other threads counted. */
	if (state[0] == 'X' || (state[0] == 'Z' && strtoul(n_threads, NULL, 10) < 2))
		return -ESRCH;
	*start = strtoull(since, NULL, 10);
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

	/* Where /proc does not tell, nobody is declared dead. */
	return rv == -ESRCH ? 0 : rv || start == process->start;
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

static void
take_over(mmz_t *z)
{
	mend(z);
	pthread_mutex_consistent(&((mmz_table_t *)z->table)->lock);
}

void
mmz_lock(mmz_t *z)
{
	if (pthread_mutex_lock(&((mmz_table_t *)z->table)->lock) == EOWNERDEAD)
		take_over(z);
}

/* 0, EOWNERDEAD as pthreads have it, or EBUSY after so long.  By looking again: thread checkers do
 * not know of locks by a clock that nobody sets. */
static int
lock_for(mmz_table_t *t, u32 ms)
{
	static const struct timespec pause = { .tv_nsec = 200000 };
	struct timespec start, now;
	int rv;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while ((rv = pthread_mutex_trylock(&t->lock)) == EBUSY) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 >=
		    (i64)ms)
			break;
		nanosleep(&pause, NULL);
	}
	return rv;
}

int
mmz_lock_for(mmz_t *z, u32 ms)
{
	int rv = lock_for(z->table, ms);

	if (rv == EOWNERDEAD) {
		take_over(z);
		rv = 0;
	}
	return rv ? -EBUSY : 0;
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

/* Undo what was done of z->table, table_fd and fd (-1: not open). */
static void
drop_files(mmz_t *z)
{
	mmz_table_t *t = z->table;

	z->table = NULL;
	if (t)
		munmap(t, sizeof(*t));
	close(z->table_fd);
	if (z->fd >= 0)
		close(z->fd);
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

/* A file without a name, which a killed process does not leave behind; or, where the system has
 * none, one with a name of this process. */
static int
open_temporary(const char *final, char *name, uword n_name)
{
	int fd = open(TABLE_DIR, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	name[0] = 0;
	if (fd >= 0)
		return fd;
	snprintf(name, n_name, "%s.%d", final, getpid());
	unlink(name);
	return open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

/* Give a temporary file its name, unless another has it.  Value: 0 or -errno. */
static int
publish(int fd, const char *temporary, const char *final)
{
	char path[32];

	if (temporary[0])
		return link(temporary, final) ? -errno : 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, final, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

/* The pages of a table that has its name.  Locked.  Those left by a zone whose table is gone are
 * nobody's; who still maps them keeps them. */
static int
make_pages(mmz_t *z)
{
	mmz_table_t *t = z->table;

	unlink(t->path);
	z->fd = open(t->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (z->fd < 0)
		return -errno;
	if (ftruncate(z->fd, (off_t)(t->n_pages * t->page_bytes))) {
		int rv = -errno;

		unlink(t->path);
		return rv;
	}
	t->state = MMZ_LIVE;
	return 0;
}

/* No name leads to the table any more.  Locked: only who holds its lock changes what its name is.
 */
static void
unlink_table(mmz_t *z)
{
	mmz_table_t *t = z->table;
	char path[MMZ_PATH_BYTES];
	struct stat named, ours;

	t->state = MMZ_REMOVED;
	table_path(t->name, path);
	if (!lstat(path, &named) && !fstat(z->table_fd, &ours) && named.st_ino == ours.st_ino &&
	    named.st_dev == ours.st_dev)
		unlink(path);
}

/* Table, its name, and pages, in this order: the lock that is held meanwhile tells others to
 * wait, or that its holder is dead. */
static int
make_files(mmz_t *z, const mmz_params_t *p, const char *path, u64 page_bytes)
{
	char final[MMZ_PATH_BYTES], temporary[MMZ_PATH_BYTES + 16];
	mmz_table_t *t;
	int rv = 0;

	table_path(p->name, final);
	z->table_fd = open_temporary(final, temporary, sizeof(temporary));
	if (z->table_fd < 0)
		return -errno;
	z->fd = -1;
	if (!posix_fallocate(z->table_fd, 0, sizeof(*t)))
		z->table = map_table(z->table_fd);
	t = z->table;
	rv = t ? init_table(t, p, path, page_bytes) : -ENOMEM;
	if (!rv) {
		mmz_lock(z);
		rv = publish(z->table_fd, temporary, final);
		if (!rv) {
			rv = make_pages(z);
			if (rv)
				unlink_table(z);
		}
		mmz_unlock(z);
	}
	if (temporary[0])
		unlink(temporary);
	if (rv)
		drop_files(z);
	return rv;
}

/* The table of a zone that exists.  Only our own: who can write it can have us punch holes into any
 * file that it names. */
static int
open_table(mmz_t *z, const char *name)
{
	char path[MMZ_PATH_BYTES];
	mmz_table_t *t = NULL;
	struct stat st;
	int rv = 0;

	table_path(name, path);
	z->fd = -1;
	z->table_fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (z->table_fd < 0)
		return -errno;
	if (fstat(z->table_fd, &st))
		rv = -errno;
	else if (st.st_uid != geteuid())
		rv = -EACCES;
	else if (!S_ISREG(st.st_mode) || (u64)st.st_size < sizeof(*t))
		rv = -EINVAL;
	else if (!(t = map_table(z->table_fd)))
		rv = -ENOMEM;
	z->table = t;
	if (!rv && (t->magic != MMZ_MAGIC || t->table_bytes != sizeof(*t) ||
		    strnlen(t->path, sizeof(t->path)) == sizeof(t->path)))
		rv = -EINVAL;
	if (rv)
		drop_files(z);
	return rv;
}

static int
open_pages(mmz_t *z)
{
	const mmz_table_t *t = z->table;
	struct stat st;

	z->fd = open(t->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (z->fd < 0)
		return -errno;
	if (fstat(z->fd, &st))
		return -errno;
	return st.st_uid != geteuid() ? -EACCES : S_ISREG(st.st_mode) ? 0 : -EINVAL;
}

static int
open_files(mmz_t *z, const char *name)
{
	int rv = open_table(z, name), locked;
	mmz_table_t *t = z->table;

	if (rv)
		return rv;
	locked = lock_for(t, OPEN_WAIT_MS);
	if (locked && locked != EOWNERDEAD) {
		drop_files(z);
		return -EBUSY;
	}
	if (t->state == MMZ_LIVE)
		rv = open_pages(z);
	else
		rv = t->state == MMZ_INCOMPLETE ? make_pages(z) : -ENOENT;
	if (locked == EOWNERDEAD)
		take_over(z);
	mmz_unlock(z);
	if (rv)
		drop_files(z);
	return rv;
}

/* A living process has a block, or maps one.  Locked. */
static int
is_in_use(mmz_table_t *t)
{
	for (u32 i = 0; i < MMZ_MAX_BLOCKS; i++) {
		const mmz_block_t *b = &t->blocks[i];

		if (b->id && (mmz_process_is_alive(&b->owner) || mmz_count_maps(t, b->id)))
			return 1;
	}
	return 0;
}

/* A name whose zone nobody can open: its owner was killed while it removed it, or somebody removed
 * the pages by hand.  Value: whether the name is free now. */
static int
remove_stale(mmz_t *z, const char *name)
{
	mmz_table_t *t;
	int is_free = 0;

	if (open_table(z, name))
		return 0;
	t = z->table;
	mmz_lock(z);
	if (t->state == MMZ_REMOVED ||
	    (t->state == MMZ_LIVE && access(t->path, F_OK) && errno == ENOENT && !is_in_use(t))) {
		unlink_table(z);
		is_free = 1;
	}
	mmz_unlock(z);
	drop_files(z);
	return is_free;
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
	if (rv == -EEXIST && remove_stale(z, p->name))
		rv = make_files(z, p, path, page_bytes);
	pthread_mutex_unlock(&open_lock);
	if (!rv)
		*zone = z;
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
	if (!z || !z->table)
		return;
	mmz_unmap_all(z);
	pthread_mutex_lock(&open_lock);
	drop_files(z);
	pthread_mutex_unlock(&open_lock);
}

int
mmz_destroy(mmz_t *z)
{
	mmz_table_t *t = z->table;
	int rv = 0;

	mmz_reclaim(z, NULL);
	mmz_lock(z);
	for (u32 i = 0; i < MMZ_MAX_BLOCKS && !rv; i++)
		if (t->blocks[i].id)
			rv = -EBUSY;
	/* What was removed before leads by its name to a newer zone. */
	if (!rv && t->state != MMZ_REMOVED) {
		unlink(t->path);
		unlink_table(z);
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
