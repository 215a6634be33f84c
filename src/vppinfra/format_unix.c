/* SPDX-License-Identifier: Apache-2.0 */
/* Format functions of what the system has: addresses, times of day, signals, pages.  And the group
 * identifiers that unformat knows by name. */
#include <vppinfra/format.h>

#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <vppinfra/vm.h>

/* Nodes beyond this are counted as unknown. */
#define MAX_NUMA_NODES 64

/* ---- addresses ---- */

u8 *
format_address_family(u8 *s, va_list *va)
{
	int family = va_arg(*va, int);

	switch (family) {
	case AF_UNSPEC:
		return format(s, "UNSPEC");
	case AF_UNIX:
		return format(s, "UNIX");
	case AF_INET:
		return format(s, "INET");
	case AF_INET6:
		return format(s, "INET6");
	case AF_NETLINK:
		return format(s, "NETLINK");
	case AF_PACKET:
		return format(s, "PACKET");
	default:
		return format(s, "UNKNOWN");
	}
}

u8 *
format_network_address(u8 *s, va_list *va)
{
	int family = va_arg(*va, int);
	const u8 *a = va_arg(*va, const u8 *);
	char text[INET6_ADDRSTRLEN];

	switch (family) {
	case AF_UNSPEC:
		return format(s, "%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3], a[4],
			      a[5]);
	case AF_INET:
	case AF_INET6:
		return format(s, "%s", inet_ntop(family, a, text, sizeof(text)));
	default:
		return format(s, "address family %d", family);
	}
}

static u8 *
add_unix_path(u8 *s, const struct sockaddr_un *un)
{
	/* A name in the abstract space starts with a NUL, printed as `@' as is usual. */
	if (un->sun_path[0] == 0)
		return format(s, "@%.*s", (int)sizeof(un->sun_path) - 1, un->sun_path + 1);
	return format(s, "%.*s", (int)sizeof(un->sun_path), un->sun_path);
}

u8 *
format_sockaddr(u8 *s, va_list *va)
{
	const struct sockaddr *sa = va_arg(*va, const struct sockaddr *);
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;
	char text[INET6_ADDRSTRLEN];

	if (!sa)
		return format(s, "(nil)");
	switch (sa->sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		return format(s, "%s:%u", text, ntohs(in->sin_port));
	case AF_INET6:
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		return format(s, "[%s]:%u", text, ntohs(in6->sin6_port));
	case AF_UNIX:
		return add_unix_path(s, (const void *)sa);
	default:
		return format(s, "address family %u", sa->sa_family);
	}
}

/* ---- times of day ---- */

static u8 *
add_time_field(u8 *s, char letter, const struct tm *tm, const struct timeval *tv)
{
	switch (letter) {
	case 'y':
		return format(s, "%04d", 1900 + tm->tm_year);
	case 'm':
		return format(s, "%02d", 1 + tm->tm_mon);
	case 'd':
		return format(s, "%02d", tm->tm_mday);
	case 'H':
		return format(s, "%02d", tm->tm_hour);
	case 'M':
		return format(s, "%02d", tm->tm_min);
	case 'S':
		return format(s, "%02d", tm->tm_sec);
	case 'F':
		return format(s, "%03d", (int)(tv->tv_usec / 1000));
	default:
		return format(s, "%c", letter);
	}
}

u8 *
format_timeval(u8 *s, va_list *va)
{
	const char *fmt = va_arg(*va, const char *);
	const struct timeval *given = va_arg(*va, const struct timeval *);
	struct timeval tv;
	struct tm tm;

	if (!fmt)
		fmt = "y/m/d H:M:S:F";
	if (given)
		tv = *given;
	else
		gettimeofday(&tv, NULL);
	/* The nearest millisecond. */
	tv.tv_usec = (tv.tv_usec + 500) / 1000 * 1000;
	if (tv.tv_usec >= 1000000) {
		tv.tv_sec++;
		tv.tv_usec = 0;
	}
	if (!localtime_r(&tv.tv_sec, &tm))
		return format(s, "%ld.%06d", (i64)tv.tv_sec, (int)tv.tv_usec);
	for (; *fmt; fmt++)
		s = add_time_field(s, *fmt, &tm, &tv);
	return s;
}

u8 *
format_time_float(u8 *s, va_list *va)
{
	const char *fmt = va_arg(*va, const char *);
	f64 seconds = va_arg(*va, f64);
	struct timeval tv;

	if (seconds <= 0)
		return format(s, "%U", format_timeval, fmt, NULL);
	tv.tv_sec = (time_t)seconds;
	tv.tv_usec = (suseconds_t)(1e6 * (seconds - (f64)tv.tv_sec));
	return format(s, "%U", format_timeval, fmt, &tv);
}

/* ---- signals ---- */

u8 *
format_signal(u8 *s, va_list *va)
{
	int number = va_arg(*va, int);
	const char *name = sigabbrev_np(number);

	return name ? format(s, "SIG%s", name) : format(s, "unknown %d", number);
}

u8 *
format_ucontext_pc(u8 *s, va_list *va)
{
	const ucontext_t *context = va_arg(*va, const ucontext_t *);

#if defined(__x86_64__)
	return format(s, "%p", (void *)context->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
	return format(s, "%p", (void *)context->uc_mcontext.pc);
#else
	return format(s, context ? "unsupported" : "");
#endif
}

/* ---- pages ---- */

static u8 *
add_page_count(u8 *s, u32 indent, const char *what, u64 n_pages, uword page_bytes)
{
	return format(s, "\n%U%s: %lu pages, %luk", format_white_space, indent, what, n_pages,
		      n_pages * page_bytes >> 10);
}

u8 *
format_page_map(u8 *s, va_list *va)
{
	uword start = va_arg(*va, uword), n_bytes = va_arg(*va, uword);
	uword page_bytes = (uword)sysconf(_SC_PAGESIZE);
	uword n_pages = round_pow2(n_bytes, page_bytes) / page_bytes, n_known;
	u32 indent = format_get_indent(s);
	u64 by_node[MAX_NUMA_NODES], n_absent = 0;
	char name[32];

	s = format(s, "virtual memory start 0x%lx, size %luk, %lu pages, page size %luk", start,
		   n_bytes >> 10, n_pages, page_bytes >> 10);
	memset(by_node, 0, sizeof(by_node));
	if (n_bytes == 0)
		return s;
	if (vm_pages_by_node((void *)start, n_bytes, page_bytes, by_node, MAX_NUMA_NODES,
			     &n_absent))
		return add_page_count(s, indent + 2, "unknown", n_pages, page_bytes);
	n_known = n_absent;
	for (u32 node = 0; node < MAX_NUMA_NODES; node++) {
		n_known += by_node[node];
		snprintf(name, sizeof(name), "numa %u", node);
		if (by_node[node])
			s = add_page_count(s, indent + 2, name, by_node[node], page_bytes);
	}
	if (n_absent)
		s = add_page_count(s, indent + 2, "not mapped", n_absent, page_bytes);
	return n_known < n_pages
		       ? add_page_count(s, indent + 2, "unknown", n_pages - n_known, page_bytes)
		       : s;
}

/* ---- input ---- */

/* Yields whether there is such a group.  A group of many members needs a large buffer. */
static int
find_group(const char *name, gid_t *gid)
{
	struct group group, *found = NULL;
	u8 *text = NULL;
	uword n = 1024;
	int error = ERANGE;

	for (; error == ERANGE && n <= MiB(4) && !vec_validate(text, n - 1); n *= 4)
		error = getgrnam_r(name, &group, (char *)text, vec_len64(text), &found);
	if (!error && found)
		*gid = found->gr_gid;
	vec_free(text);
	return !error && found;
}

uword
unformat_unix_gid(unformat_input_t *input, va_list *va)
{
	gid_t *result = va_arg(*va, gid_t *);
	u8 *name;
	int is_found;

	if (unformat(input, "%u", result))
		return 1;
	if (!unformat(input, "%s", &name))
		return 0;
	is_found = find_group((char *)name, result);
	vec_free(name);
	return is_found != 0;
}
