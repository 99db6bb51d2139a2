# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 and gRPC loads by h2load, and their backend, nghttpd."""
import pathlib
import re
import subprocess

BODY = ("0123456789" * 5)[:49] + "\n"
# A gRPC message of 50 bytes, in its frame: not compressed, its length.
CALL = b"\0\0\0\0\x32" + BODY.encode()


def prepare(directory: pathlib.Path) -> None:
    """Writes what is asked for and what is sent."""
    (directory / "docroot").mkdir(exist_ok=True)
    (directory / "docroot/index.html").write_text(BODY * 2)
    (directory / "call").write_bytes(CALL)


def backend(directory: pathlib.Path, port: int, calls: bool) -> list[str]:
    """The command line of a backend: of files, or of calls whose answer is what they sent, with gRPC's status."""
    command = ["nghttpd", "--no-tls", "--max-concurrent-streams=1024", "--address=127.0.0.1", f"--htdocs={directory / 'docroot'}"]
    if calls:
        command += ["--echo-upload", "--trailer=grpc-status: 0"]
    return [*command, str(port)]


def command(directory: pathlib.Path, target: tuple[str, int], seconds: int, calls: bool) -> list[str]:
    """The command line of a load: 4 connections of 32 streams each."""
    load = ["h2load", "-c", "4", "-m", "32", "-t", "1", "-D", str(seconds), "--warm-up-time=0"]
    if calls:
        load += ["-d", str(directory / "call"), "-H", "content-type: application/grpc", "-H", "te: trailers"]
    path = "bench.Echo/Call" if calls else ""
    return [*load, f"http://{target[0]}:{target[1]}/{path}"]


def run(line: list[str], seconds: int) -> dict:
    """Runs a load. Its CPU is not counted; what did not succeed is an error."""
    answer = subprocess.run(line, capture_output=True, text=True, timeout=seconds + 60, check=False)
    counts = re.search(r"requests: (\d+) total, .* (\d+) succeeded, (\d+) failed, (\d+) errored", answer.stdout)
    status = re.search(r"status codes: (\d+) 2xx", answer.stdout)
    if answer.returncode != 0 or not counts or not status:
        raise RuntimeError(f"{' '.join(line)}: {answer.stdout[-500:]}{answer.stderr[-500:]}")
    succeeded = int(counts.group(2))
    wrong = int(counts.group(3)) + int(counts.group(4)) + max(0, succeeded - int(status.group(1)))
    return {"operations": succeeded, "errors": wrong, "first_error": counts.group(0) if wrong else "",
            "bytes": 0, "cpu_ns": 0, "wall_ns": seconds * 1_000_000_000, "p50_ns": 0, "p99_ns": 0}
