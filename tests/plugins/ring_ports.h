/* SPDX-License-Identifier: Apache-2.0 */
/* ring_ports: ports whose both ends a test holds: what it puts into a port's ring the port
 * receives, what the port sends it takes out. */
#ifndef included_tests_ring_ports_h
#define included_tests_ring_ports_h

#include <dlfcn.h>
#include <unistd.h>
#include <plugins/framework/framework.h>
#include <plugins/pool/pktpool.h>
#include <vppinfra/vec.h>
#include <rte_ethdev.h>
#include <rte_ring.h>
#include "run_command.h"
#include "unit.h"

#define N_PORTS 4
#define N_RING 1024

static struct rte_ring *to_port[N_PORTS], *from_port[N_PORTS];
static u16 port_ids[N_PORTS];
static struct rte_ether_addr port_mac[N_PORTS];
static inline void
must(clib_error_t *error)
{
	CU_ASSERT_PTR_NULL(error);
	clib_error_report(error);
}

static inline void
must_say(const char *path, const char *words)
{
	const char *answer = run_command(path, words);

	CU_ASSERT_STRING_EQUAL(answer, "");
	if (*answer)
		printf("%s %s: %s\n", path, words, answer);
}

static inline int
says(const char *path, const char *words, const char *what)
{
	const char *answer = run_command(path, words);

	if (strstr(answer, what))
		return 1;
	printf("%s %s: no '%s' in: %s\n", path, words, what, answer);
	return 0;
}

static inline clib_error_t *
configure(const char *stanza, const char *words)
{
	unformat_input_t input;
	clib_error_t *error;

	unformat_init_cstring(&input, words);
	error = vmheap_config_call(stanza, &input);
	unformat_free(&input);
	return error;
}

static inline void
load_plugins(const char *const *names, u32 n_names)
{
	char dir[400], *path = dir;
	vmheap_plugin_config_t config = { .default_disable = 1 };
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 32);

	CU_ASSERT_FATAL(n > 0);
	dir[n] = 0;
	strcpy(strrchr(dir, '/'), "/../../src/plugins");
	vec_add1(config.paths, path);
	for (u32 i = 0; i < n_names; i++) {
		vmheap_plugin_entry_t entry = { .name = (char *)names[i], .require = 1 };

		vec_add1(config.entries, entry);
	}
	must(vmheap_plugins_load(&config));
	vec_free(config.paths);
	vec_free(config.entries);
}

static inline void
make_ports(void)
{
	int (*from_rings)(const char *, struct rte_ring *const *, unsigned,
			  struct rte_ring *const *, unsigned, unsigned);
	void *driver = dlopen("librte_net_ring.so.23", RTLD_NOW | RTLD_NOLOAD);

	CU_ASSERT_PTR_NOT_NULL_FATAL(driver);
	from_rings = (__typeof__(from_rings))dlsym(driver, "rte_eth_from_rings");
	for (u32 i = 0; i < N_PORTS; i++) {
		char name[32];
		int rc;

		snprintf(name, sizeof(name), "to%u", i);
		to_port[i] = rte_ring_create(name, N_RING, SOCKET_ID_ANY, 0);
		snprintf(name, sizeof(name), "from%u", i);
		from_port[i] = rte_ring_create(name, N_RING, SOCKET_ID_ANY, 0);
		CU_ASSERT_FATAL(to_port[i] && from_port[i]);
		snprintf(name, sizeof(name), "p%u", i);
		rc = from_rings(name, &to_port[i], 1, &from_port[i], 1, 0);
		CU_ASSERT_FATAL(rc >= 0);
		port_ids[i] = (u16)rc;
		rte_eth_macaddr_get(port_ids[i], &port_mac[i]);
		/* net_ring gives all of its ports one address; ours differ. */
		port_mac[i] = (struct rte_ether_addr){ { 2, 0xfe, 0, 0, 0, (u8)i } };
		rte_eth_dev_default_mac_addr_set(port_ids[i], &port_mac[i]);
		rte_eth_macaddr_get(port_ids[i], &port_mac[i]);
	}
}

static inline void
inject(u32 port, struct rte_mbuf *m)
{
	CU_ASSERT_EQUAL(rte_ring_enqueue(to_port[port], m), 0);
}

/* What a port sends next, or NULL after two seconds. */
static inline struct rte_mbuf *
receive(u32 port)
{
	void *m;

	for (u32 i = 0; i < 20000; i++) {
		if (!rte_ring_dequeue(from_port[port], &m))
			return m;
		usleep(100);
	}
	return NULL;
}

#endif
