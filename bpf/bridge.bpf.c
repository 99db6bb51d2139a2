/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Packets that a bridge passes up to the node after malla_veth gave them to a socket at one of its ports: gives them to
 * it again. With net.bridge.bridge-nf-call-iptables=1 the bridge forgets the socket on the way; the mark stays.
 * Hook: tcx ingress (clsact where there is none) on the bridge (struct __sk_buff). Decides nothing.
 */
#include "hook.h"

#include "deliver.h"

SEC("tc")
int malla_bridge(struct __sk_buff *skb)
{
	struct packet packet;

	if ((skb->mark & MALLA_MARK_MASK) != MALLA_MARK)
		return TC_ACT_UNSPEC;
	if (packet_read(skb, &packet) != PACKET_IP || packet.protocol != IPPROTO_TCP)
		return TC_ACT_UNSPEC;
	if (connection_state(skb, &packet))
		return deliver_to_connection(skb, &packet);
	return packet_is_opening(&packet) ? deliver_to_listener(skb, &packet) : TC_ACT_SHOT;
}
