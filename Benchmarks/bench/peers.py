# SPDX-License-Identifier: Apache-2.0
"""The peers: one worker each, no logs, defaults otherwise. As TCP relays, each direction ends by itself; as HTTP
proxies, connections to the backend are kept and the path decides, as it does with Malla's service."""
import json
import pathlib

from . import peers2, processes, programs

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


HAPROXY_HTTP = """\
global
    nbthread 1
    maxconn 4096
defaults
    mode http
    http-reuse always
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend requests
    bind 127.0.0.1:{port}
    acl ours path_beg /
    use_backend endpoints if ours
backend endpoints
    server backend 127.0.0.1:{backend}
"""

NGINX_HTTP = """\
daemon off;
user root;
worker_processes 1;
pid {directory}/nginx-http.pid;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    upstream endpoints {{ server 127.0.0.1:{backend}; keepalive 512; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://endpoints;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


def envoy_http_config(port: int, backend: int) -> str:
    """An HTTP connection manager with one route to one static cluster."""
    config = json.loads(envoy_config(port, backend))
    extensions = "type.googleapis.com/envoy.extensions.filters"
    manager = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{extensions}.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "requests", "codec_type": "AUTO",
            "route_config": {"virtual_hosts": [{
                "name": "all", "domains": ["*"],
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "backend"}}],
            }]},
            "http_filters": [{
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{extensions}.http.router.v3.Router"},
            }],
        },
    }
    config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"] = [manager]
    return json.dumps(config)


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


def start(name: str, port: int, backend: int, directory: pathlib.Path, protocol: str = "tcp") -> processes.Process:
    """Starts the peer of this name between 127.0.0.1:port and 127.0.0.1:backend, for `tcp`, `http` or `http2`."""
    http = protocol != "tcp"
    label = f"{name}-{protocol}-{port}"
    config = directory / f"{label}.conf"
    commands = {
        "haproxy": lambda path: ["haproxy", "-db", "-f", path],
        "nginx": lambda path: ["nginx", "-c", path, "-e", "stderr"],
        "envoy": lambda path: [programs.envoy_binary(), "-c", path, "--concurrency", "1", "--log-level", "error",
                               "--disable-hot-restart"],
    }
    if protocol == "http2":
        config = peers2.write(name, port, backend, directory, envoy_http_config(port, backend))
    elif name == "haproxy":
        config.write_text((HAPROXY_HTTP if http else HAPROXY).format(port=port, backend=backend))
    elif name == "nginx":
        config.write_text((NGINX_HTTP if http else NGINX).format(port=port, backend=backend, directory=directory))
    else:
        config = directory / f"{label}.json"
        config.write_text((envoy_http_config if http else envoy_config)(port, backend))
    peer = processes.Process(label, processes.MEASURED, commands[name](config), directory)
    peer.wait_for_port(port)
    return peer
