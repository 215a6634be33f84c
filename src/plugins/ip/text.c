/* SPDX-License-Identifier: Apache-2.0 */
#include "ip.h"

#include <arpa/inet.h>

u8 *
format_ip_address(u8 *s, va_list *va)
{
	int is_ip6 = va_arg(*va, int);
	const ip_address_t *a = va_arg(*va, const ip_address_t *);
	char text[INET6_ADDRSTRLEN] = "?";

	inet_ntop(is_ip6 ? AF_INET6 : AF_INET, a->b, text, sizeof(text));
	return format(s, "%s", text);
}

u8 *
format_ip_prefix(u8 *s, va_list *va)
{
	const ip_prefix_t *p = va_arg(*va, const ip_prefix_t *);

	return format(s, "%U/%u", format_ip_address, (int)p->is_ip6, &p->address, p->len);
}

u8 *
format_mac_address(u8 *s, va_list *va)
{
	const struct rte_ether_addr *m = va_arg(*va, const struct rte_ether_addr *);

	return format(s, "%02x:%02x:%02x:%02x:%02x:%02x", m->addr_bytes[0], m->addr_bytes[1],
		      m->addr_bytes[2], m->addr_bytes[3], m->addr_bytes[4], m->addr_bytes[5]);
}

/* A word of a set of characters as text; 0, with the input before it, when parse refuses it. */
static uword
unformat_word(unformat_input_t *input, const char *set, int (*parse)(const char *text, void *to),
	      void *to)
{
	u8 *text = NULL;
	uword at;
	int ok;

	unformat_skip_white_space(input);
	at = input->index;
	if (!unformat(input, "%U", unformat_token, set, &text))
		return 0;
	vec_add1(text, 0);
	ok = text && parse((char *)text, to);
	vec_free(text);
	if (!ok)
		input->index = at;
	return (uword)ok;
}

static int
parse_address(const char *text, void *to)
{
	ip_prefix_t *p = to;

	memset(&p->address, 0, sizeof(p->address));
	p->is_ip6 = strchr(text, ':') != NULL;
	return inet_pton(p->is_ip6 ? AF_INET6 : AF_INET, text, p->address.b) == 1;
}

uword
unformat_ip(unformat_input_t *input, va_list *va)
{
	int *is_ip6 = va_arg(*va, int *);
	ip_address_t *a = va_arg(*va, ip_address_t *);
	ip_prefix_t p;

	if (!unformat_word(input, "0-9a-fA-F:.", parse_address, &p))
		return 0;
	*is_ip6 = p.is_ip6;
	*a = p.address;
	return 1;
}

uword
unformat_ip_pfx(unformat_input_t *input, va_list *va)
{
	ip_prefix_t *p = va_arg(*va, ip_prefix_t *);
	uword at;
	u32 len;

	unformat_skip_white_space(input);
	at = input->index;
	if (unformat_word(input, "0-9a-fA-F:.", parse_address, p) && unformat(input, "/%u", &len) &&
	    len <= (p->is_ip6 ? 128 : 32)) {
		p->len = (u8)len;
		return 1;
	}
	input->index = at;
	return 0;
}

static int
parse_mac(const char *text, void *to)
{
	return rte_ether_unformat_addr(text, to) == 0;
}

uword
unformat_mac(unformat_input_t *input, va_list *va)
{
	return unformat_word(input, "0-9a-fA-F:.", parse_mac, va_arg(*va, void *));
}

static u8
mask_byte(u32 len, u32 i)
{
	u32 n_bits = len > 8 * i ? len - 8 * i : 0;

	return n_bits >= 8 ? 0xff : (u8)(0xff00 >> n_bits);
}

int
ip_prefix_contains(const ip_prefix_t *p, const ip_address_t *a)
{
	for (u32 i = 0; i < sizeof(a->b); i++)
		if ((p->address.b[i] ^ a->b[i]) & mask_byte(p->len, i))
			return 0;
	return 1;
}

void
ip_prefix_normalize(ip_prefix_t *p)
{
	for (u32 i = 0; i < sizeof(p->address.b); i++)
		p->address.b[i] &= mask_byte(p->len, i);
}
