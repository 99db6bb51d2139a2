/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that come into a cgroup by another way than being made there. */
#pragma once
#include "sockets.h"

/*
 * A process outside makes a TCP socket; a process that enters `cgroup` gets it by `way`, connects it and holds it:
 *   passed     over a Unix socket (SCM_RIGHTS)
 *   fetched    out of the other process (pidfd_getfd)
 *   inherited  through fork()
 *   connected  inherited, and connected before
 *   moved      connected by the process itself, which then enters the cgroup
 *   thread     by a ring whose kernel thread connects it (io_uring), inherited
 * Prints "ERRNO" of the connect; then for each line of input "ERRNO" of a byte there and back.
 */
int smuggle(struct target target, const char *way, const char *cgroup);
