/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include "linux_network.h"
#include <errno.h>
#include <net/if.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif
#ifndef IPV6_TRANSPARENT
#define IPV6_TRANSPARENT 75
#endif

/* Room for one request: a header, a fixed part, a few attributes. */
struct request {
	struct nlmsghdr header;
	char body[256];
};

static int netlink_open(uint32_t groups, int flags)
{
	struct sockaddr_nl self = {.nl_family = AF_NETLINK, .nl_groups = groups};
	/* The kernel answers at once; the bound is for what should not happen. */
	struct timeval patience = {.tv_sec = 5};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (bind(fd, (struct sockaddr *)&self, sizeof self)) {
		int error = errno;
		close(fd);
		return -error;
	}
	return fd;
}

static void *begin(struct request *request, uint16_t type, uint16_t flags, size_t size)
{
	memset(request, 0, sizeof *request);
	request->header.nlmsg_len = NLMSG_LENGTH(size);
	request->header.nlmsg_type = type;
	request->header.nlmsg_flags = NLM_F_REQUEST | flags;
	request->header.nlmsg_seq = 1;
	return NLMSG_DATA(&request->header);
}

static void put_number(struct request *request, uint16_t type, uint32_t value)
{
	struct rtattr *attribute = (struct rtattr *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));

	attribute->rta_type = type;
	attribute->rta_len = RTA_LENGTH(sizeof value);
	memcpy(RTA_DATA(attribute), &value, sizeof value);
	request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
}

static uint32_t number(const struct rtattr *attribute)
{
	uint32_t value = 0;

	if (RTA_PAYLOAD(attribute) >= sizeof value)
		memcpy(&value, RTA_DATA(attribute), sizeof value);
	return value;
}

/* Called for each message of an answer. */
typedef void (*taker)(const struct nlmsghdr *message, void *context);

/* Sends a request and takes its whole answer. 0, or the negative errno that the kernel or the socket gave. */
static int ask(struct request *request, taker take, void *context)
{
	static const size_t room = 32768;
	_Alignas(struct nlmsghdr) char buffer[room];
	int fd = netlink_open(0, 0), result = 0, more = 1;

	if (fd < 0)
		return fd;
	if (send(fd, request, request->header.nlmsg_len, 0) < 0) {
		result = -errno;
		more = 0;
	}
	while (more) {
		ssize_t length = recv(fd, buffer, sizeof buffer, 0);
		struct nlmsghdr *message = (struct nlmsghdr *)buffer;

		if (length < 0) {
			if (errno == EINTR)
				continue;
			result = -errno;
			break;
		}
		for (; NLMSG_OK(message, (size_t)length); message = NLMSG_NEXT(message, length)) {
			if (message->nlmsg_type == NLMSG_DONE) {
				more = 0;
			} else if (message->nlmsg_type == NLMSG_ERROR) {
				const struct nlmsgerr *error = NLMSG_DATA(message);

				result = error->error;
				more = 0;
			} else if (take) {
				take(message, context);
				/* A dump ends with NLMSG_DONE, anything else with its one message. */
				more = message->nlmsg_flags & NLM_F_MULTI;
			}
		}
	}
	close(fd);
	return result;
}

struct interfaces {
	struct linux_interface *out;
	int capacity;
	int count;
};

static void read_kind(const struct rtattr *nested, struct linux_interface *interface)
{
	int length = (int)RTA_PAYLOAD(nested);

	for (const struct rtattr *part = RTA_DATA(nested); RTA_OK(part, length); part = RTA_NEXT(part, length)) {
		const char *kind = RTA_DATA(part);
		size_t size = RTA_PAYLOAD(part);

		if (part->rta_type != IFLA_INFO_KIND)
			continue;
		interface->is_veth = size >= 4 && !strncmp(kind, "veth", size);
		interface->is_bridge = size >= 6 && !strncmp(kind, "bridge", size);
	}
}

static void take_interface(const struct nlmsghdr *message, void *context)
{
	struct interfaces *all = context;
	const struct ifinfomsg *info = NLMSG_DATA(message);
	int length = (int)IFLA_PAYLOAD(message);
	struct linux_interface interface = {.index = (uint32_t)info->ifi_index, .peer_namespace = -1};

	if (message->nlmsg_type != RTM_NEWLINK || message->nlmsg_len < NLMSG_LENGTH(sizeof *info))
		return;
	for (const struct rtattr *part = IFLA_RTA(info); RTA_OK(part, length); part = RTA_NEXT(part, length)) {
		size_t size = RTA_PAYLOAD(part);

		switch (part->rta_type & NLA_TYPE_MASK) {
		case IFLA_IFNAME:
			memcpy(interface.name, RTA_DATA(part), size < IF_NAMESIZE ? size : IF_NAMESIZE - 1);
			break;
		case IFLA_ADDRESS:
			if (size == sizeof interface.mac)
				memcpy(interface.mac, RTA_DATA(part), size);
			break;
		case IFLA_MASTER:
			interface.master = number(part);
			break;
		case IFLA_LINK_NETNSID:
			interface.peer_namespace = (int32_t)number(part);
			break;
		case IFLA_LINKINFO:
			read_kind(part, &interface);
			break;
		}
	}
	if (all->count < all->capacity)
		all->out[all->count] = interface;
	all->count++;
}

int linux_interfaces(struct linux_interface *out, int capacity)
{
	struct interfaces all = {.out = out, .capacity = capacity};
	struct request request;
	struct ifinfomsg *info = begin(&request, RTM_GETLINK, NLM_F_DUMP, sizeof(struct ifinfomsg));
	int result;

	info->ifi_family = AF_UNSPEC;
	result = ask(&request, take_interface, &all);
	return result < 0 ? result : all.count;
}

static void take_namespace(const struct nlmsghdr *message, void *context)
{
	const struct rtgenmsg *general = NLMSG_DATA(message);
	int length = (int)NLMSG_PAYLOAD(message, sizeof *general);
	const struct rtattr *part = (const struct rtattr *)((const char *)general + NLMSG_ALIGN(sizeof *general));

	if (message->nlmsg_type != RTM_NEWNSID)
		return;
	for (; RTA_OK(part, length); part = RTA_NEXT(part, length))
		if (part->rta_type == NETNSA_NSID)
			*(int32_t *)context = (int32_t)number(part);
}

int linux_namespace_number(int namespace)
{
	struct request request;
	struct rtgenmsg *general = begin(&request, RTM_GETNSID, 0, sizeof(struct rtgenmsg));
	int32_t found = -1;
	int result;

	general->rtgen_family = AF_UNSPEC;
	put_number(&request, NETNSA_FD, (uint32_t)namespace);
	result = ask(&request, take_namespace, &found);
	if (result < 0)
		return result;
	return found < 0 ? -ENOENT : found;
}

int linux_namespace_cookie(uint64_t *out)
{
	socklen_t length = sizeof *out;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), result;

	if (fd < 0)
		return -errno;
	result = getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, out, &length) ? -errno : 0;
	close(fd);
	return result;
}

int linux_interface_watch(void)
{
	return netlink_open(RTMGRP_LINK, SOCK_NONBLOCK);
}

static int change_rule(const struct linux_local_route *route, uint16_t type, uint16_t flags)
{
	struct request request;
	struct fib_rule_hdr *rule = begin(&request, type, NLM_F_ACK | flags, sizeof(struct fib_rule_hdr));

	rule->family = (uint8_t)route->family;
	rule->action = FR_ACT_TO_TBL;
	put_number(&request, FRA_PRIORITY, route->priority);
	put_number(&request, FRA_FWMARK, route->mark);
	put_number(&request, FRA_FWMASK, route->mask);
	put_number(&request, FRA_TABLE, route->table);
	return ask(&request, 0, 0);
}

static int change_route(const struct linux_local_route *route, uint16_t type, uint16_t flags)
{
	struct request request;
	struct rtmsg *message = begin(&request, type, NLM_F_ACK | flags, sizeof(struct rtmsg));

	message->rtm_family = (uint8_t)route->family;
	message->rtm_protocol = RTPROT_STATIC;
	message->rtm_type = RTN_LOCAL;
	message->rtm_scope = RT_SCOPE_HOST;
	message->rtm_table = RT_TABLE_UNSPEC;
	put_number(&request, RTA_TABLE, route->table);
	put_number(&request, RTA_OIF, if_nametoindex("lo"));
	return ask(&request, 0, 0);
}

int linux_local_route_add(const struct linux_local_route *route)
{
	/* The route first: a rule into an empty table would let packets go on to the next one. */
	int result = change_route(route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);

	if (result < 0)
		return result;
	result = change_rule(route, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
	return result == -EEXIST ? 0 : result;
}

int linux_local_route_remove(const struct linux_local_route *route)
{
	int rule = change_rule(route, RTM_DELRULE, 0);
	int way = change_route(route, RTM_DELROUTE, 0);

	if (rule < 0 && rule != -ENOENT && rule != -EAFNOSUPPORT)
		return rule;
	return way < 0 && way != -ESRCH && way != -ENOENT && way != -EAFNOSUPPORT ? way : 0;
}

int linux_set_transparent(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof address;
	int on = 1, level, option;

	if (getsockname(fd, (struct sockaddr *)&address, &length))
		return -errno;
	level = address.ss_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
	option = address.ss_family == AF_INET6 ? IPV6_TRANSPARENT : IP_TRANSPARENT;
	return setsockopt(fd, level, option, &on, sizeof on) ? -errno : 0;
}

struct visit {
	int namespace;
	int result;
	void (*body)(void *context);
	void *context;
};

static void *visit(void *argument)
{
	struct visit *visit = argument;

	/* The thread keeps the namespace until its end: nobody else may ever run on it. */
	if (setns(visit->namespace, CLONE_NEWNET) < 0)
		visit->result = -errno;
	else
		visit->body(visit->context);
	return NULL;
}

int linux_in_namespace(int namespace, void (*body)(void *context), void *context)
{
	struct visit it = {.namespace = namespace, .body = body, .context = context};
	pthread_t thread;
	int failure = pthread_create(&thread, NULL, visit, &it);

	if (failure)
		return -failure;
	pthread_join(thread, NULL);
	return it.result;
}
