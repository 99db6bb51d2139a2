/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include "linux_local.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int fill(struct sockaddr_un *out, const char *path, socklen_t *length)
{
	size_t size = strlen(path);
	memset(out, 0, sizeof *out);
	if (size == 0)
		return -EINVAL;
	/* One byte stays for the terminating NUL of a path in the file system. */
	if (size >= sizeof out->sun_path)
		return -ENAMETOOLONG;
	out->sun_family = AF_UNIX;
	memcpy(out->sun_path, path, size);
	*length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	if (path[0] == '@')
		out->sun_path[0] = 0;
	else
		*length += 1;
	return 0;
}

static int fail(int fd)
{
	int error = errno;
	close(fd);
	return -error;
}

int linux_unix_listen(const char *path, mode_t mode, int backlog)
{
	struct sockaddr_un at;
	socklen_t length;
	int error = fill(&at, path, &length);
	if (error)
		return error;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (path[0] != '@') {
		struct stat old;
		if (lstat(path, &old) == 0 && S_ISSOCK(old.st_mode) && unlink(path))
			return fail(fd);
		/* bind makes the file with the socket inode's mode: no moment at a wider one. */
		if (fchmod(fd, mode))
			return fail(fd);
	}
	if (bind(fd, (struct sockaddr *)&at, length))
		return fail(fd);
	if (path[0] != '@' && chmod(path, mode))
		return fail(fd);
	if (listen(fd, backlog))
		return fail(fd);
	return fd;
}

int linux_unix_connect(const char *path, int nonblocking)
{
	struct sockaddr_un to;
	socklen_t length;
	int error = fill(&to, path, &length);
	if (error)
		return error;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&to, length))
		return fail(fd);
	if (nonblocking && fcntl(fd, F_SETFL, O_NONBLOCK))
		return fail(fd);
	return fd;
}

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int) * LINUX_DESCRIPTORS_MAX)];
};

ssize_t linux_send_descriptors(int fd, const void *bytes, size_t length, const int *descriptors, int count)
{
	union control control;
	struct iovec part = {.iov_base = (void *)bytes, .iov_len = length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	if (count < 0 || count > LINUX_DESCRIPTORS_MAX || (count > 0 && length == 0))
		return -EINVAL;
	if (count > 0) {
		memset(&control, 0, sizeof control);
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
		memcpy(CMSG_DATA(header), descriptors, sizeof(int) * (size_t)count);
	}
	ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
	return sent < 0 ? -errno : sent;
}

ssize_t linux_receive_descriptors(int fd, void *bytes, size_t capacity, int *descriptors, int *count)
{
	union control control;
	struct iovec part = {.iov_base = bytes, .iov_len = capacity};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
	int room = *count, taken = 0, dropped = 0;
	*count = 0;
	ssize_t received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	if (received < 0)
		return -errno;
	for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		size_t size = header->cmsg_len - CMSG_LEN(0);
		for (size_t at = 0; at + sizeof(int) <= size; at += sizeof(int)) {
			int got;
			memcpy(&got, CMSG_DATA(header) + at, sizeof got);
			if (taken < room) {
				descriptors[taken++] = got;
			} else {
				close(got);
				dropped = 1;
			}
		}
	}
	if (dropped || (message.msg_flags & MSG_CTRUNC)) {
		while (taken > 0)
			close(descriptors[--taken]);
		return -EMSGSIZE;
	}
	*count = taken;
	return received;
}

int linux_peer(int fd, struct linux_peer *out)
{
	struct ucred peer;
	socklen_t length = sizeof peer;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length))
		return -errno;
	out->pid = peer.pid;
	out->uid = peer.uid;
	out->gid = peer.gid;
	return 0;
}

int linux_notify(const char *path, const char *message, size_t length)
{
	struct sockaddr_un to;
	socklen_t size;
	int error = fill(&to, path, &size);
	if (error)
		return error;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ssize_t sent = sendto(fd, message, length, MSG_NOSIGNAL, (struct sockaddr *)&to, size);
	error = sent < 0 ? -errno : 0;
	close(fd);
	return error;
}
