# SPDX-License-Identifier: Apache-2.0
"""The peers as proxies of HTTP/2 without TLS, to a backend that speaks HTTP/2 too."""
import json
import pathlib

HAPROXY = """\
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
    bind 127.0.0.1:{port} proto h2
    acl ours path_beg /
    use_backend endpoints if ours
backend endpoints
    server backend 127.0.0.1:{backend} proto h2
"""

# nginx has no HTTP/2 towards endpoints but that of gRPC, which carries any request.
NGINX = """\
daemon off;
user root;
worker_processes 1;
pid {directory}/nginx-http2-{port}.pid;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    http2_max_concurrent_streams 256;
    upstream endpoints {{ server 127.0.0.1:{backend}; keepalive 512; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} http2 backlog=4096;
        location / {{ grpc_pass grpc://endpoints; }}
    }}
}}
"""


def envoy(http1: str) -> str:
    """Envoy's configuration for HTTP/1.1, with HTTP/2 towards the endpoint."""
    config = json.loads(http1)
    kind = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    config["static_resources"]["clusters"][0]["typed_extension_protocol_options"] = {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": kind, "explicit_http_config": {"http2_protocol_options": {}}}}
    return json.dumps(config)


def write(name: str, port: int, backend: int, directory: pathlib.Path, http1: str) -> pathlib.Path:
    """Writes the peer's configuration. `http1`: Envoy's for HTTP/1.1."""
    path = directory / f"{name}-http2-{port}.{'json' if name == 'envoy' else 'conf'}"
    if name == "envoy":
        path.write_text(envoy(http1))
    else:
        path.write_text({"haproxy": HAPROXY, "nginx": NGINX}[name].format(
            port=port, backend=backend, directory=directory))
    return path
