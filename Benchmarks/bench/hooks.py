# SPDX-License-Identifier: Apache-2.0
"""What Malla costs where the kernel does all of it: connections that no proxy sees."""
import dataclasses
import pathlib

from . import mesh, plain
from .subjects import Load, Section, Subject

GOAL = 1.03
# Of each of two connections; many slices of a few megabytes say more than a few of many.
BULK_BYTES = 32 << 20

CONNECTS = [
    Load("connect", "connect and reset", "connection", "connect", [], lambda seconds: [str(seconds), "reset"]),
    Load("exchange", "connect, request and reset", "connection", "connect", [], lambda seconds: [str(seconds), "request"]),
    Load("closing", "connect, request and close", "connection", "connect", [], lambda seconds: [str(seconds), "close"]),
]
# The server closes first: where clients do, finding a port among those that wait costs more than what is measured.
ONLY_DIRECT = [
    Load("ended", "connect, request, close, 16 at once", "connection", "load", ["ended"],
         lambda seconds: ["16", str(seconds)]),
]
DIRECT = [
    Load("requests", "requests, 64 connections", "request", "load", ["requests"], lambda seconds: ["64", str(seconds)]),
    Load("single", "requests, 1 connection", "request", "load", ["requests"], lambda seconds: ["1", str(seconds)]),
    *ONLY_DIRECT,
    Load("bulk", "bulk, 2 connections of 32 MiB", "MB", "load", ["bulk"], lambda _: ["2", "60", str(BULK_BYTES)],
         whole=2 * BULK_BYTES),
]


def start(titles: dict[str, str], node: mesh.Node, directory: pathlib.Path, running: list) -> list[Section]:
    """Starts the ways without hooks beside a node, and makes the sections that have a title."""
    places = {}
    for name, apart in (("off", True), ("again", True), ("beside", False)):
        places[name] = plain.Plain(name, directory, mesh.cgroup_mount(), apart)
        running.append(places[name])
        places[name].start()

    def without(name: str, place: plain.Plain, is_near: bool = True) -> Subject:
        wrap = place.client_command if is_near else place.stranger_command
        return Subject(name, plain.BACKEND, list, place.backend, wrap)

    off, again = without("hooks off", places["off"]), without("the same again", places["again"])
    beside = places["beside"]
    service = Subject("service", mesh.DIRECT, node.pids, node.backend, node.client_command)
    sections = []
    if "connect" in titles:
        sections.append(Section(titles["connect"], "all", CONNECTS, [
            off, again, without("not of the mesh", beside),
            Subject("outside the mesh", plain.BACKEND, node.pids, beside.backend, node.client_command,
                    against=without("off, strangers", places["off"], is_near=False)),
            Subject("endpoint", ("127.0.0.1", mesh.BACKEND), node.pids, node.backend, node.client_command),
            service], GOAL))
    if "direct" in titles:
        sections.append(Section(titles["direct"], "all", DIRECT, [
            dataclasses.replace(off, name="loopback"), again, dataclasses.replace(service, name="malla")], GOAL))
    return sections
