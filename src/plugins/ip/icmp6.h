/* SPDX-License-Identifier: Apache-2.0 */
/* icmp6: what RFC 4443 and RFC 4861 put on the wire, as far as we send or read it. */
#ifndef included_ip_icmp6_h
#define included_ip_icmp6_h

#include <vppinfra/clib.h>
#include <rte_ether.h>

enum {
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAMETER_PROBLEM = 4,
	ICMP6_FIRST_QUERY = 128, /* types below are errors */
	ICMP6_ECHO_REQUEST = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_SOLICITATION = 135,
	ICMP6_ADVERTISEMENT = 136,
};

enum { ICMP6_OPTION_SOURCE = 1, ICMP6_OPTION_TARGET = 2 };

#define ICMP6_PORT_UNREACHABLE 4
#define ICMP6_UNKNOWN_HEADER 1

/* The byte behind the checksum, of an advertisement. */
#define ICMP6_IS_ROUTER 0x80
#define ICMP6_IS_SOLICITED 0x40
#define ICMP6_OVERRIDES 0x20

/* Behind an Ethernet header of 14 bytes nothing in a packet is aligned to more than 2. */
typedef struct {
	u8 type, code;
	u16 checksum;
	u32 data; /* MTU, pointer, or identifier and sequence number */
} __attribute__((packed, aligned(2))) icmp6_header_t;

/** A solicitation or an advertisement with one link-layer address. */
typedef struct {
	u8 type, code;
	u16 checksum;
	u8 flags;
	u8 reserved[3];
	u8 target[16];
	u8 option_type;
	u8 option_units; /* of 8 bytes */
	struct rte_ether_addr mac;
} icmp6_nd_t;
STATIC_ASSERT(sizeof(icmp6_nd_t) == 32, "as on the wire");

always_inline int
icmp6_is_link_local(const u8 *address)
{
	return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

#endif
