/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux calls that Glibc's module map does not show to Swift: one small wrapper each. _GNU_SOURCE must not be
 * defined in these headers: types would differ from those of the Glibc module.
 */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/*
 * Convention: a call answers a result of 0 or more, or the negative errno. Nothing here touches
 * global state besides errno, and everything may be called from any thread.
 */
#include "linux_clock.h"
#include "linux_kernel.h"
#include "linux_listeners.h"
#include "linux_local.h"
#include "linux_memory.h"
#include "linux_network.h"
#include "linux_poll.h"
#include "linux_process.h"
#include "linux_socket.h"
