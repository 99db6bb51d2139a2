/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts to get around the mesh's policy, one by one. */
#pragma once

/*
 * Becomes `who` ("nobody": an unprivileged user; "container": root with a container's usual capabilities), then tries
 * `attempt` against the TCP and UDP server at port `port` of every spelling of this node. Prints "OUTCOME ERRNO STEP":
 * `through` when a byte came back or, where none can, something left; else `refused`. `service` is the virtual address and
 * port 81 of the same server, `proxy` the port of the node proxy.
 */
int dodge(const char *who, const char *attempt, const char *service, int port, int proxy);
