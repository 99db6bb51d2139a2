/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* One address type for IPv4, IPv6 and v4-mapped: 16 bytes, IPv4 as ::ffff:a.b.c.d. */
#pragma once
#include <linux/types.h>

/* Network byte order throughout, as the bytes stand in a packet. */
struct malla_addr {
	__u32 word[4];
};

_Static_assert(sizeof(struct malla_addr) == 16, "malla_addr is 16 bytes");
