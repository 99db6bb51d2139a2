/* SPDX-License-Identifier: Apache-2.0 */
/* How the kernel judges its own clock. */
#pragma once
#include <errno.h>
#include <sys/timex.h>

/* 1 when the wall clock is kept in time by somebody (NTP, PTP), 0 when nobody does. Needs no privilege. */
static inline int linux_clock_synchronised(void)
{
	struct timex state = {0};
	int answer = adjtimex(&state);

	return answer < 0 ? -errno : answer != TIME_ERROR;
}
