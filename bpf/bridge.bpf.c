/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Packets that a bridge passes up to the node after malla_veth gave them to a socket at one of its ports: gives them to
 * it again. With net.bridge.bridge-nf-call-iptables=1 the bridge forgets the socket on the way; the mark stays.
 * Hook: tcx ingress on the bridge (struct __sk_buff). Decides nothing.
 */
#include "hook.h"

#include "config.h"
#include "deliver.h"

SEC("tc")
int malla_bridge(struct __sk_buff *skb)
{
	const struct malla_config *config = config_now();
	struct packet packet;

	if (!config)
		return TC_ACT_SHOT; /* an array's element is always there; the verifier wants to hear it */
	if ((skb->mark & MALLA_MARK_MASK) != MALLA_MARK)
		return TC_ACT_UNSPEC;
	if (packet_read(skb, &packet) != PACKET_IP)
		return TC_ACT_UNSPEC;
	if (packet.protocol == IPPROTO_UDP)
		return deliver_to_resolver(skb, &packet, config);
	if (packet.protocol != IPPROTO_TCP)
		return TC_ACT_UNSPEC;
	if (connection_state(skb, &packet))
		return deliver_to_connection(skb, &packet);
	if (!packet_is_opening(&packet))
		return TC_ACT_SHOT;
	if (packet.destination_port == DECIDE_DNS_PORT && config->dns_port)
		return deliver_to_resolver(skb, &packet, config);
	return deliver_to_listener(skb, &packet);
}
