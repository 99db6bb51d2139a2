# SPDX-License-Identifier: Apache-2.0
"""Peers in pairs: a proxy near the client and one near the backend, mutual TLS 1.3 between them, over a veth."""
import json
import os
import pathlib
import subprocess

from . import processes, programs

NEAR, FAR = "10.231.0.1", "10.231.0.2"
TUNNEL_PORTS = {"haproxy": 7201, "nginx": 7202, "envoy": 7203}

HAPROXY = """\
global
    nbthread 1
    maxconn 4096
    ssl-default-bind-options ssl-min-ver TLSv1.3
    ssl-default-server-options ssl-min-ver TLSv1.3
defaults
    mode {mode}
    http-reuse always
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen relay
    bind {listen}{secure_bind}
    server next {next}{secure_server}
"""

NGINX_HTTP = """\
daemon off;
user root;
worker_processes 1;
pid {directory}/{label}.pid;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    upstream next {{ server {next}; keepalive 512; keepalive_requests 1000000000; }}
    server {{
        listen {listen}{secure_bind} backlog=4096;
{secure}
        location / {{
            proxy_pass {scheme}://next;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""

NGINX = """\
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
user root;
worker_processes 1;
pid {directory}/{label}.pid;
error_log stderr error;
events {{ worker_connections 8192; }}
stream {{
    server {{
        listen {listen}{secure_bind} backlog=4096;
        proxy_pass {next};
        proxy_timeout 1h;
        proxy_half_close on;
        proxy_buffer_size 64k;
{secure}
    }}
}}
"""


class Namespace:
    """Another node: a network namespace at the other end of a veth."""

    def __init__(self) -> None:
        self.name = f"malla-bench-{os.getpid()}"

    def start(self) -> None:
        """Makes it, with addresses at both ends."""
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        inside = ["ip", "-n", self.name]
        # 60 s of connections between two addresses that stay the same are more than there are ports. On loopback the kernel
        # takes a port of a closed connection again after a second, elsewhere only when it is told so.
        reuse = ["sysctl", "--quiet", "--write", "net.ipv4.tcp_tw_reuse=1"]
        for command in (
                reuse, self.enter(reuse), ["ip", "link", "add", "bench0", "type", "veth", "peer", "name", "bench1", "netns", self.name],
                ["ip", "address", "add", f"{NEAR}/24", "dev", "bench0"], ["ip", "link", "set", "bench0", "up"],
                [*inside, "address", "add", f"{FAR}/24", "dev", "bench1"], [*inside, "link", "set", "bench1", "up"],
                [*inside, "link", "set", "lo", "up"]):
            subprocess.run(command, check=True)

    def enter(self, command: list) -> list:
        """The command line that runs a command there. Mounts stay as they are."""
        return ["nsenter", f"--net=/run/netns/{self.name}", *command]

    def stop(self) -> None:
        """Takes it away, and the veth with it."""
        subprocess.run(["ip", "netns", "delete", self.name], check=False)


class Certificates:
    """A root and a certificate for each end, as SPIFFE wants them: P-256, one URI."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory / "certificates"
        self.root = self.directory / "root.pem"

    def make(self, *others: tuple[str, str]) -> None:
        """Makes all of them with OpenSSL's command line, and others of these names and URIs."""
        self.directory.mkdir()
        self.openssl("req", "-x509", "-subj", "/O=bench", "-days", "2", "-out", self.root, *self.new_key("root"),
                     "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        for name, uri in [(name, spiffe(name)) for name in ("near", "far")] + list(others):
            request, leaf = self.directory / f"{name}.csr", self.directory / f"{name}.crt"
            extensions = self.directory / f"{name}.ext"
            extensions.write_text(
                f"subjectAltName=critical,URI:{uri}\nextendedKeyUsage=serverAuth,clientAuth\n"
                "basicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\n")
            self.openssl("req", "-subj", "/", "-out", request, *self.new_key(name))
            self.openssl("x509", "-req", "-in", request, "-CA", self.root, "-CAkey", self.directory / "root.key",
                         "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", leaf)
            (self.directory / f"{name}.pem").write_text(
                leaf.read_text() + (self.directory / f"{name}.key").read_text())

    def new_key(self, name: str) -> list:
        """Options that make a key along with what it is for."""
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                self.directory / f"{name}.key"]

    @staticmethod
    def openssl(*arguments) -> None:
        """Runs `openssl`; its words are shown only with an error."""
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")


def spiffe(name: str) -> str:
    """The identity of an end."""
    return f"spiffe://bench.local/ns/default/sa/{name}"


class Pair:
    """Two processes of one peer; their CPU counts together."""

    def __init__(self, name: str, port: int, backend: int, directory: pathlib.Path, far: Namespace,
                 certificates: Certificates, mode: str = "tcp"):
        self.ends: list[processes.Process] = []
        tunnel = TUNNEL_PORTS[name] + (10 if mode == "http" else 0)
        for end, listen, following in (
                ("far", f"{FAR}:{tunnel}", f"{FAR}:{backend}"), ("near", f"127.0.0.1:{port}", f"{FAR}:{tunnel}")):
            label = f"{name}-{end}-{port}"
            command = {"haproxy": haproxy, "nginx": nginx, "envoy": envoy}[name](
                label, end, listen, following, directory, certificates.directory, mode)
            process = processes.Process(
                label, processes.MEASURED, far.enter(command) if end == "far" else command, directory)
            self.ends.append(process)
            wait_for_listener(process, listen, far if end == "far" else None)

    def pids(self) -> list[int]:
        """Both."""
        return [pid for end in self.ends for pid in end.pids()]

    def stop(self) -> None:
        """Ends both."""
        for end in reversed(self.ends):
            end.stop()


def wait_for_listener(process: processes.Process, listen: str, far: Namespace | None) -> None:
    """Returns once something listens at the address, here or there."""
    command = ["ss", "--no-header", "--listening", "--tcp", "--numeric", "src", listen]
    processes.wait_until(
        process, f"listens at {listen}",
        lambda: subprocess.run(far.enter(command) if far else command, capture_output=True, check=True).stdout != b"")


def haproxy(label: str, end: str, listen: str, following: str, directory: pathlib.Path, keys: pathlib.Path,
            mode: str) -> list:
    """HAProxy as a TCP relay or an HTTP proxy, TLS on the side of the other end."""
    secure = f" ssl crt {keys}/{end}.pem ca-file {keys}/root.pem verify required"
    if end == "far" and mode == "http":
        secure += " alpn h2,http/1.1"
    path = directory / f"{label}.conf"
    path.write_text(HAPROXY.format(
        mode=mode, listen=listen, next=following, secure_bind=secure if end == "far" else "",
        secure_server=secure if end == "near" else ""))
    return ["haproxy", "-db", "-f", path]


def nginx(label: str, end: str, listen: str, following: str, directory: pathlib.Path, keys: pathlib.Path,
          mode: str) -> list:
    """nginx's stream relay or HTTP proxy, TLS on the side of the other end."""
    if end == "near":
        lines = ["proxy_ssl on"] if mode == "tcp" else []
        lines += [f"proxy_ssl_certificate {keys}/near.pem", f"proxy_ssl_certificate_key {keys}/near.key",
                 f"proxy_ssl_trusted_certificate {keys}/root.pem", "proxy_ssl_protocols TLSv1.3"]
    else:
        lines = [f"ssl_certificate {keys}/far.pem", f"ssl_certificate_key {keys}/far.key", "ssl_verify_client on",
                 f"ssl_client_certificate {keys}/root.pem", "ssl_protocols TLSv1.3"]
    path = directory / f"{label}.conf"
    path.write_text((NGINX if mode == "tcp" else NGINX_HTTP).format(
        listen=listen, next=following, directory=directory, label=label, scheme="https" if end == "near" else "http", secure_bind=("" if end == "near" else " ssl http2" if mode == "http" else " ssl"),
        secure="\n".join(f"        {line};" for line in lines)))
    return ["nginx", "-c", path, "-e", "stderr"]


def envoy(label: str, end: str, listen: str, following: str, directory: pathlib.Path, keys: pathlib.Path,
          _mode: str) -> list:
    """Envoy speaking HBONE: CONNECT over HTTP/2 over mutual TLS. What is inside makes no difference to it."""
    types = "type.googleapis.com/envoy.extensions"
    other = "near" if end == "far" else "far"
    tls = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "alpn_protocols": ["h2"],
        "tls_certificates": [{"certificate_chain": {"filename": f"{keys}/{end}.pem"},
                              "private_key": {"filename": f"{keys}/{end}.key"}}],
        "validation_context": {
            "trusted_ca": {"filename": f"{keys}/root.pem"},
            "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": spiffe(other)}}]},
    }
    windows = {"initial_stream_window_size": 4 << 20, "initial_connection_window_size": 16 << 20}
    cluster = {"name": "next", "type": "STATIC", "connect_timeout": "5s", "load_assignment": {
        "cluster_name": "next", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": envoy_at(following)}}]}]}}
    listener: dict = {"name": "relay", "address": envoy_at(listen)}
    if end == "near":
        filters = [{"name": "envoy.filters.network.tcp_proxy", "typed_config": {
            "@type": f"{types}.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "relay", "cluster": "next",
            "tunneling_config": {"hostname": following}}}]
        cluster["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": f"{types}.transport_sockets.tls.v3.UpstreamTlsContext", "common_tls_context": tls}}
        cluster["typed_extension_protocol_options"] = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": f"{types}.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": windows}}}
        listener["filter_chains"] = [{"filters": filters}]
    else:
        route = {"match": {"connect_matcher": {}}, "route": {
            "cluster": "next", "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]}}
        filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": {
            "@type": f"{types}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "tunnels", "codec_type": "HTTP2",
            "http2_protocol_options": {"allow_connect": True, **windows},
            "upgrade_configs": [{"upgrade_type": "CONNECT"}],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
                "@type": f"{types}.filters.http.router.v3.Router"}}]}}]
        listener["filter_chains"] = [{"filters": filters, "transport_socket": {
            "name": "envoy.transport_sockets.tls", "typed_config": {
                "@type": f"{types}.transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": tls,
                "require_client_certificate": True}}}]
    path = directory / f"{label}.json"
    path.write_text(json.dumps({"static_resources": {"listeners": [listener], "clusters": [cluster]}}))
    return [programs.envoy_binary(), "-c", path, "--concurrency", "1", "--log-level", "error", "--disable-hot-restart"]


def envoy_at(address: str) -> dict:
    """An address as Envoy writes it."""
    host, port = address.split(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}
