# SPDX-License-Identifier: Apache-2.0
"""The peers, as TCP relays: one worker each, no logs, both directions ended each by itself, defaults otherwise."""
import json
import pathlib

from . import processes, programs

HAPROXY = """\
global
    nbthread 1
    maxconn 4096
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen relay
    bind 127.0.0.1:{port}
    server backend 127.0.0.1:{backend}
"""

NGINX = """\
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
user root;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections 8192; }}
stream {{
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        proxy_pass 127.0.0.1:{backend};
        proxy_timeout 1h;
        proxy_half_close on;
        proxy_buffer_size 64k;
    }}
}}
"""


def envoy_config(port: int, backend: int) -> str:
    """A tcp_proxy to one static cluster."""
    def at(number: int) -> dict:
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}
    relay = {
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "relay", "cluster": "backend",
        },
    }
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": at(backend)}}]}]
    return json.dumps({"static_resources": {
        "listeners": [{"name": "relay", "address": at(port), "filter_chains": [{"filters": [relay]}]}],
        "clusters": [{
            "name": "backend", "type": "STATIC", "connect_timeout": "5s",
            "load_assignment": {"cluster_name": "backend", "endpoints": endpoints},
        }],
    }})


def start(name: str, port: int, backend: int, directory: pathlib.Path) -> processes.Process:
    """Starts the peer of this name between 127.0.0.1:port and 127.0.0.1:backend."""
    config = directory / f"{name}.conf"
    if name == "haproxy":
        config.write_text(HAPROXY.format(port=port, backend=backend))
        command = ["haproxy", "-db", "-f", config]
    elif name == "nginx":
        config.write_text(NGINX.format(port=port, backend=backend, directory=directory))
        command = ["nginx", "-c", config, "-e", "stderr"]
    else:
        config = directory / "envoy.json"
        config.write_text(envoy_config(port, backend))
        command = [programs.envoy_binary(), "-c", config, "--concurrency", "1", "--log-level", "error",
                   "--disable-hot-restart"]
    peer = processes.Process(name, processes.MEASURED, command, directory)
    peer.wait_for_port(port)
    return peer
