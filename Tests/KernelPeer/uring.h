/* SPDX-License-Identifier: Apache-2.0 */
/* connect() by io_uring, without a library. */
#pragma once
#include <stdbool.h>
#include <sys/socket.h>

/* Connects by a ring; `polled`: by the kernel's own thread. Answers an errno, 0 when it is connected. */
int uring_connect(int socket, const struct sockaddr *address, socklen_t length, bool polled);
