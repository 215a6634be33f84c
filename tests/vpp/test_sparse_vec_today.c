/* SPDX-License-Identifier: Apache-2.0 */
/* Protocols and ports of today's code: several sparse vectors of structs, the header by vec_header()
 * with the vector alone, sparse indices of fewer bits.
 *
 *   test_sparse_vec [members N] */
#include <vppinfra/clib.h>
#include <vppinfra/mem.h>
#include <vppinfra/sparse_vec.h>
#include <vppinfra/error.h>
#include <vppinfra/format.h>

typedef struct {
	u16 port;
	u16 next_index;
	u32 n_packets;
} port_t;

typedef struct {
	u8 *name;
} protocol_t;

static clib_error_t *
test_ports(u32 n_members)
{
	sparse_vec_header_t *h;
	clib_error_t *error;
	port_t *ports = 0, *p;
	u32 i, n = 0;

	/* Every 13th port, from the top. */
	for (i = 0; i < n_members; i++) {
		u16 port = 65535 - 13 * i;

		p = sparse_vec_validate(ports, port);
		if ((error = CLIB_ERROR_ASSERT(p->port == 0 && p->n_packets == 0)))
			return error;
		p->port = port;
		p->next_index = i;
	}
	h = vec_header(ports);
	if ((error = CLIB_ERROR_ASSERT(vec_len(h->is_member_bitmap) == vec_len(h->member_counts))))
		return error;
	for (i = 0; i < 65536; i++) {
		u32 si = sparse_vec_index(ports, i);

		p = vec_elt_at_index(ports, si);
		if (PREDICT_FALSE(si == SPARSE_VEC_INVALID_INDEX))
			continue;
		p->n_packets++;
		n++;
		if ((error = CLIB_ERROR_ASSERT(p->port == i)))
			return error;
	}
	if ((error = CLIB_ERROR_ASSERT(n == n_members)))
		return error;
	/* What came is still there, once. */
	for (i = 0; i < n_members; i++)
		if (sparse_vec_validate(ports, 65535 - 13 * i)->n_packets != 1)
			return clib_error_return(0, "member %u", i);
	sparse_vec_free(ports);
	return 0;
}

static clib_error_t *
test_protocols(void)
{
	protocol_t *protocols = sparse_vec_new(sizeof(protocol_t), BITS(u8)), *p;
	clib_error_t *error;
	u32 i;

	for (i = 0; i < 256; i += 17)
		sparse_vec_validate(protocols, i)->name = format(0, "protocol %u", i);
	if ((error = CLIB_ERROR_ASSERT(vec_len(protocols) == 17)) ||
	    (error = CLIB_ERROR_ASSERT(sparse_vec_elt_at_index(protocols, 18)->name == 0)))
		return error;
	vec_foreach (p, protocols)
		vec_free(p->name);
	sparse_vec_free(protocols);
	return 0;
}

int
test_sparse_vec_main(unformat_input_t *input)
{
	clib_error_t *error;
	u32 n = 2000;

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (!unformat(input, "members %u", &n)) {
			clib_warning("unknown input `%U'", format_unformat_error, input);
			return 1;
		}
	}
	if ((error = test_ports(n)) || (error = test_protocols())) {
		error->flags &= ~CLIB_ERROR_FATAL;
		clib_error_report(error);
		return 1;
	}
	return 0;
}

#ifdef CLIB_UNIX
int
main(int argc, char *argv[])
{
	unformat_input_t i;
	int ret;

	clib_mem_init(0, 3ULL << 30);
	unformat_init_command_line(&i, argv);
	ret = test_sparse_vec_main(&i);
	unformat_free(&i);
	return ret;
}
#endif
