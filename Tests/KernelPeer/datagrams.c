/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "attempt.h"
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static int many_datagrams(void)
{
	struct target target = plainly();
	struct iovec bytes = {.iov_base = "?", .iov_len = 1};
	struct mmsghdr messages[2] = {0};
	int made = socket(AF_INET, SOCK_DGRAM, 0);

	for (int i = 0; i < 2; i++) {
		messages[i].msg_hdr.msg_name = &target.address;
		messages[i].msg_hdr.msg_namelen = target.length;
		messages[i].msg_hdr.msg_iov = &bytes;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	return sendmmsg(made, messages, 2, 0) > 0 ? through("sendmmsg") : refused("sendmmsg");
}

/* With its source address given in the message. */
static int with_packet_information(void)
{
	struct target target = plainly();
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control = {.header = {
		.cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo)), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO}};
	struct in_pktinfo information = {.ipi_spec_dst = {htonl(0x7f000009)}};
	struct iovec bytes = {.iov_base = "?", .iov_len = 1};
	struct msghdr message = {.msg_name = &target.address, .msg_namelen = target.length, .msg_iov = &bytes,
				 .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.header), &information, sizeof(information));
	return sendmsg(socket(AF_INET, SOCK_DGRAM, 0), &message, 0) == 1 ? through("sendmsg") : refused("sendmsg");
}

/* Datagrams to everybody on a link: this node is one of them. */
static int to_many(const char *family, const char *address)
{
	struct target target = at(family, address, server_port);
	int made = socket(target.family, SOCK_DGRAM, 0), on = 1;
	struct in_addr loopback = {htonl(INADDR_LOOPBACK)};

	setsockopt(made, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
	if (target.family == AF_INET6)
		setsockopt(made, IPPROTO_IPV6, IPV6_MULTICAST_IF, &on, sizeof(on)); /* lo is interface 1 */
	else
		setsockopt(made, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof(loopback));
	return sendto(made, "?", 1, 0, (struct sockaddr *)&target.address, target.length) == 1 ? through("sendto")
											       : refused("sendto");
}

/* Gathers a datagram first. */
static int corked(void)
{
	struct target target = plainly();
	int made = socket(AF_INET, SOCK_DGRAM, 0);

	if (sendto(made, "?", 1, MSG_MORE, (struct sockaddr *)&target.address, target.length) != 1)
		return refused("sendto");
	return send(made, "?", 1, 0) == 1 ? through("send") : refused("send");
}

int attempt_by_datagram(const char *attempt)
{
#define IS(name) !strcmp(attempt, name)
	if (IS("sendmmsg"))
		return many_datagrams();
	if (IS("packet-information"))
		return with_packet_information();
	if (IS("corked"))
		return corked();
	if (IS("broadcast"))
		return to_many("4", "255.255.255.255");
	if (IS("loopback-broadcast"))
		return to_many("4", "127.255.255.255");
	if (IS("multicast"))
		return to_many("4", "224.0.0.1");
	if (IS("multicast6"))
		return to_many("6", "ff02::1");
	return -1;
}
