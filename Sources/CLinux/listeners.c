/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include "linux_listeners.h"
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of enum tcp_state in the kernel. The second, for sockets that are bound and do nothing yet, is of Linux 6.8; an older
 * kernel finds none of them. */
enum { LISTENING = 10, BOUND_INACTIVE = 13 };
/* Linux 5.8. */
enum { CGROUP_ID = 21 };

struct question {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

static uint64_t cgroup_of(const struct nlmsghdr *message)
{
	const struct inet_diag_msg *socket = NLMSG_DATA(message);
	int length = (int)(message->nlmsg_len - NLMSG_LENGTH(sizeof *socket));
	uint64_t id = 0;

	for (const struct rtattr *part = (const void *)(socket + 1); RTA_OK(part, length); part = RTA_NEXT(part, length))
		if (part->rta_type == CGROUP_ID && RTA_PAYLOAD(part) >= sizeof id)
			memcpy(&id, RTA_DATA(part), sizeof id);
	return id;
}

/* Called for each socket; `context` is the caller's. */
typedef void (*taker)(const struct inet_diag_msg *socket, uint64_t cgroup, void *context);

/* Goes over a family's TCP sockets that listen, or may do so next. 0 or a negative errno. */
static int each_listener(uint8_t family, taker take, void *context)
{
	struct question question = {
		.header = {.nlmsg_len = sizeof question, .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.body = {.sdiag_family = family, .sdiag_protocol = IPPROTO_TCP,
			 .idiag_states = 1u << LISTENING | 1u << BOUND_INACTIVE},
	};
	struct timeval patience = {.tv_sec = 5};
	_Alignas(struct nlmsghdr) char buffer[32768];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), result = 0, more = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (send(fd, &question, sizeof question, 0) < 0) {
		result = -errno;
		more = 0;
	}
	while (more) {
		ssize_t length = recv(fd, buffer, sizeof buffer, 0);
		struct nlmsghdr *message = (struct nlmsghdr *)buffer;

		if (length < 0 && errno == EINTR)
			continue;
		if (length <= 0) {
			result = length < 0 ? -errno : -EIO;
			break;
		}
		for (; NLMSG_OK(message, (size_t)length); message = NLMSG_NEXT(message, length)) {
			if (message->nlmsg_type == NLMSG_DONE) {
				more = 0;
			} else if (message->nlmsg_type == NLMSG_ERROR) {
				result = ((const struct nlmsgerr *)NLMSG_DATA(message))->error;
				more = 0;
			} else if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg))) {
				take(NLMSG_DATA(message), cgroup_of(message), context);
			}
		}
	}
	close(fd);
	return result;
}

struct search {
	uint64_t inode, own; /* of the socket that stands for this process, and its cgroup's number */
	const uint8_t *address;
	uint16_t port;
	uint8_t family, foreign;
};

static void find_own(const struct inet_diag_msg *socket, uint64_t cgroup, void *context)
{
	struct search *search = context;

	if (socket->idiag_inode == search->inode)
		search->own = cgroup;
}

static void find_foreign(const struct inet_diag_msg *socket, uint64_t cgroup, void *context)
{
	struct search *search = context;
	const void *wanted = search->family == AF_INET ? search->address + 12 : search->address;

	if (ntohs(socket->id.idiag_sport) == search->port && cgroup != search->own &&
	    !memcmp(socket->id.idiag_src, wanted, search->family == AF_INET ? 4 : 16))
		search->foreign = 1;
}

int linux_is_port_shared(int own, const uint8_t address[16], uint16_t port)
{
	static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct search search = {.address = address, .port = port};
	struct sockaddr_storage at;
	socklen_t size = sizeof at;
	struct stat status;
	int result;

	if (fstat(own, &status) || getsockname(own, (struct sockaddr *)&at, &size))
		return -errno;
	search.inode = status.st_ino;
	search.family = memcmp(address, v4_mapped, sizeof v4_mapped) ? AF_INET6 : AF_INET;
	result = each_listener((uint8_t)at.ss_family, find_own, &search);
	if (!result && !search.own)
		result = -ENOENT;
	if (!result)
		result = each_listener(search.family, find_foreign, &search);
	return result ? result : search.foreign;
}
