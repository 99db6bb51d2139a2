/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets: listening, descriptors as cargo, and who is at the other end. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Most descriptors that one message carries. */
#define LINUX_DESCRIPTORS_MAX 16

/*
 * A non-blocking Unix stream listener at `path`, file mode `mode` from its first moment. An old
 * socket file is replaced. A path that starts with '@' is abstract.
 */
int linux_unix_listen(const char *path, mode_t mode, int backlog);

/* A Unix stream connection to `path`; blocking until connected, then non-blocking if so asked. */
int linux_unix_connect(const char *path, int nonblocking);

/*
 * Sends bytes with `count` descriptors as their cargo (SCM_RIGHTS). At least one byte is needed
 * to carry descriptors. They remain open here. Answers the bytes sent: fewer than asked is
 * possible, and then all descriptors went with the first of them.
 */
ssize_t linux_send_descriptors(int fd, const void *bytes, size_t length, const int *descriptors, int count);

/*
 * Receives bytes and any descriptors with them, close-on-exec. `*count` is the room on entry and
 * the number received on return. More than there was room for: all are closed, -EMSGSIZE.
 */
ssize_t linux_receive_descriptors(int fd, void *bytes, size_t capacity, int *descriptors, int *count);

struct linux_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

/* SO_PEERCRED: the process that connected (or made the pair), as it was then. */
int linux_peer(int fd, struct linux_peer *out);

/*
 * One datagram to a Unix datagram socket, '@' for abstract: the form of systemd's NOTIFY_SOCKET.
 */
int linux_notify(const char *path, const char *message, size_t length);
