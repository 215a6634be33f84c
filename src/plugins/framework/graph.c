/* SPDX-License-Identifier: Apache-2.0 */
/* rte_graph follows edges by itself, so a graph is asked for by its sources alone.  We follow
 * them too, beforehand, because rte_graph_create() says little more than EINVAL. */
#include <plugins/framework/framework_impl.h>

#include <fnmatch.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <vppinfra/vec.h>

typedef struct {
	u32 worker;
	char *name;
	const char *plugin;
} source_t;

typedef struct {
	char *pattern;
	const char *plugin;
} pattern_t;

static source_t *sources;   /* vector */
static pattern_t *patterns; /* vector */

int
vmheap_worker_add_source(u32 worker, const char *node_name)
{
	source_t s = { .worker = worker, .plugin = framework_current_plugin }, *o;
	int error;

	/* rte_graph takes the name as a shell pattern. */
	if (worker >= vmheap_n_workers() || !node_name || !*node_name ||
	    strlen(node_name) >= RTE_NODE_NAMESIZE || strpbrk(node_name, "*?[\\"))
		return -EINVAL;
	vec_foreach (o, sources)
		if (o->worker == worker && !strcmp(o->name, node_name))
			return -EEXIST;
	s.name = (char *)format(NULL, "%s%c", node_name, 0);
	if (!s.name)
		return -ENOMEM;
	if ((error = vec_add1(sources, s)))
		vec_free(s.name);
	return error;
}

int
vmheap_graph_add_nodes(const char *pattern)
{
	pattern_t p = { .plugin = framework_current_plugin };
	int error;

	if (!pattern || !*pattern)
		return -EINVAL;
	p.pattern = (char *)format(NULL, "%s%c", pattern, 0);
	if (!p.pattern)
		return -ENOMEM;
	if ((error = vec_add1(patterns, p)))
		vec_free(p.pattern);
	return error;
}

void
framework_withdraw_nodes(const char *plugin)
{
	u32 n = 0;

	for (u32 i = 0; i < vec_len(sources); i++) {
		if (sources[i].plugin == plugin)
			vec_free(sources[i].name);
		else
			sources[n++] = sources[i];
	}
	if (sources)
		vec_set_len(sources, n);
	n = 0;
	for (u32 i = 0; i < vec_len(patterns); i++) {
		if (patterns[i].plugin == plugin)
			vec_free(patterns[i].pattern);
		else
			patterns[n++] = patterns[i];
	}
	if (patterns)
		vec_set_len(patterns, n);
}

/* ---- what a source reaches ---- */

/* Appends the nodes behind one node that are not in reached[] yet. */
static clib_error_t *
follow_edges(rte_node_t id, rte_node_t **reached)
{
	rte_edge_t n_edges = rte_node_edge_count(id);
	clib_error_t *error = NULL;
	char **next = NULL;

	if (!n_edges || n_edges == RTE_EDGE_ID_INVALID)
		return NULL;
	vec_validate(next, n_edges - 1u);
	if (!next || rte_node_edge_get(id, next) == RTE_NODE_ID_INVALID)
		error = clib_error_return(0, "node %s: its edges cannot be read",
					  rte_node_id_to_name(id));
	for (u32 e = 0; e < n_edges && !error; e++) {
		rte_node_t to = rte_node_from_name(next[e]), *r;

		if (to == RTE_NODE_ID_INVALID) {
			error = clib_error_return(0,
						  "node %s has an edge to %s, which no plugin has",
						  rte_node_id_to_name(id), next[e]);
			break;
		}
		vec_foreach (r, *reached)
			if (*r == to)
				break;
		if (r == vec_end(*reached) && vec_add1(*reached, to))
			error = clib_error_return(0, "following the edges of %s: no memory",
						  rte_node_id_to_name(id));
	}
	vec_free(next);
	return error;
}

/* All that a worker's sources reach is appended to reached. */
static clib_error_t *
follow_sources(u32 worker, rte_node_t **reached)
{
	clib_error_t *error = NULL;
	source_t *s;

	vec_foreach (s, sources) {
		rte_node_t id;

		if (s->worker != worker)
			continue;
		id = rte_node_from_name(s->name);
		if (id == RTE_NODE_ID_INVALID)
			return clib_error_return(0, "worker %u: there is no node %s", worker,
						 s->name);
		if (vec_add1(*reached, id))
			return clib_error_return(0, "worker %u: no memory", worker);
	}
	for (u32 i = 0; i < vec_len(*reached) && !error; i++)
		error = follow_edges((*reached)[i], reached);
	return error;
}

/* A node that was announced and is in no graph is a plugin's forgotten edge. */
static void
report_unreached(const rte_node_t *reached)
{
	pattern_t *p;

	vec_foreach (p, patterns) {
		for (rte_node_t id = 0; id < rte_node_max_count(); id++) {
			const char *name = rte_node_id_to_name(id);
			u32 i = 0;

			if (!name || fnmatch(p->pattern, name, 0))
				continue;
			while (i < vec_len(reached) && reached[i] != id)
				i++;
			if (i == vec_len(reached))
				vmheap_log("node %s is left out: no source leads to it", name);
		}
	}
}

/* ---- graphs ---- */

/* Source nodes of the graph, for the worker to see whether a walk brought anything. */
static int
find_sources(framework_worker_t *w, const char **names)
{
	vec_reset_length(w->sources);
	for (u32 i = 0; i < vec_len(names); i++) {
		struct rte_node *n = rte_graph_node_get_by_name(w->name, names[i]);

		if (!n || vec_add1(w->sources, n))
			return n ? -ENOMEM : -ENOENT;
	}
	return 0;
}

static clib_error_t *
create_one(u32 worker, rte_node_t **reached)
{
	framework_worker_t *w = framework_worker(worker);
	struct rte_graph_param param = { .socket_id = w->socket };
	rte_node_t *own = NULL, *id;
	clib_error_t *error;
	const char **names = NULL;
	source_t *s;
	int rv = 0;

	if ((error = follow_sources(worker, &own)) || !own)
		goto done;
	vec_foreach (s, sources)
		if (s->worker == worker)
			rv |= vec_add1(names, s->name);
	vec_foreach (id, own)
		rv |= vec_add1(*reached, *id);
	if (rv) {
		error = clib_error_return(0, "worker %u: no memory", worker);
		goto done;
	}
	param.nb_node_patterns = (u16)vec_len(names);
	param.node_patterns = names;
	w->graph_id = rte_graph_create(w->name, &param);
	if (w->graph_id == RTE_GRAPH_ID_INVALID) {
		error = clib_error_return(0, "graph of worker %u with source %s: %s", worker,
					  names[0], rte_strerror(rte_errno));
		goto done;
	}
	w->graph = rte_graph_lookup(w->name);
	if (!w->graph || (rv = find_sources(w, names)))
		error = clib_error_return(0, "graph of worker %u: %s", worker,
					  w->graph ? strerror(-rv) : "made but not found");
done:
	vec_free(own);
	vec_free(names);
	return error;
}

clib_error_t *
vmheap_graphs_create(void)
{
	rte_node_t *reached = NULL;
	clib_error_t *error = NULL;
	u32 n_workers = vmheap_n_workers();

	if (vmheap_workers_are_running())
		return clib_error_return_code(0, -EBUSY, 0, "making graphs: workers are running");
	vmheap_graphs_destroy();
	for (u32 i = 0; i < n_workers && !error; i++) {
		framework_worker_t *w = framework_worker(i);

		w->lcore = vmheap_worker_lcore(i);
		w->socket = (int)rte_lcore_to_socket_id(w->lcore);
		error = create_one(i, &reached);
	}
	if (error)
		vmheap_graphs_destroy();
	else
		report_unreached(reached);
	vec_free(reached);
	framework_runtime_start();
	return error;
}

void
vmheap_graphs_destroy(void)
{
	if (vmheap_workers_are_running())
		return;
	for (u32 i = 0; i < VMHEAP_MAX_WORKERS; i++) {
		framework_worker_t *w = framework_worker(i);

		if (w->graph_id != RTE_GRAPH_ID_INVALID)
			rte_graph_destroy(w->graph_id);
		w->graph_id = RTE_GRAPH_ID_INVALID;
		w->graph = NULL;
		vec_free(w->sources);
	}
	framework_runtime_start();
}

void
framework_graph_requests_free(void)
{
	source_t *s;
	pattern_t *p;

	vec_foreach (s, sources)
		vec_free(s->name);
	vec_foreach (p, patterns)
		vec_free(p->pattern);
	vec_free(sources);
	vec_free(patterns);
}
