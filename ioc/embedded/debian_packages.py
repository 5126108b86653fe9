"""Decides how PostgreSQL with TimescaleDB comes from Debian's packages into a folder, with nothing installed.

apt works with a state of its own, verifies the archive as always, and takes the mirror (and any proxy) from
the machine's own configuration: no host is named here. The programs run with the packages' own C library
through its loader, so the machine may be of another release. The tree may be moved: its start scripts find it
from where they lie.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ioc.embedded.cache import build_once
from ioc.embedded.prerequisites import (
    DownloadFailed,
    EmbeddedError,
    MirrorUnknown,
    check_debian_tools,
    check_free_space,
    check_keyring,
)

RELEASE = "trixie"
MAJOR = 17
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_NEEDED_BYTES = 400 * 1024 * 1024
_TIMEOUT_S = 900
_WRAPPED = ("postgres", "initdb", "pg_ctl", "pg_isready", "psql", "pg_dump", "pg_restore")
_PACKAGES = """
postgresql-17 postgresql-17-timescaledb postgresql-client-17 libpq5 libc6 libgcc-s1 libstdc++6 libaudit1
libcap-ng0 libcap2 libcom-err2 libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libkeyutils1 libicu76
libldap2 libsasl2-2 liblz4-1 liblzma5 libpam0g libssl3t64 libsystemd0 libtinfo6 libxml2 libxxhash0 libzstd1
zlib1g libreadline8t64 libselinux1 libpcre2-8-0 libuuid1
"""
_UNWANTED = ("./usr/share/doc*", "./usr/share/man*", "./usr/share/locale*", "*/bitcode*", "*/llvmjit*")
_WRAPPER = """\
#!/bin/sh
bin=${{0%/*}}
lib=$bin/../../../{triplet}
exec "$lib/{loader}" --library-path "$lib" --argv0 "$0" "$bin/../elf/{program}" "$@"
"""


@dataclass(frozen=True)
class Architecture:
    """A Debian architecture: its name, its library folder and its dynamic loader."""

    name: str
    triplet: str
    loader: str


ARCHITECTURES = {
    "amd64": Architecture("amd64", "x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "arm64": Architecture("arm64", "aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def tree_folder(cache_dir: Path) -> Path:
    """Where the unpacked packages lie once they are complete."""
    return cache_dir / f"timescaledb-{RELEASE}-{_architecture(os.uname().machine).name}"


def postgresql_tree(cache_dir: Path, on_progress: Callable[[str], None]) -> Path:
    """The folder of PostgreSQL's programs (…/bin) from the cache, or fetched into it; apt is asked for only
    then.

    Raises PrerequisiteMissing, MirrorUnknown, DiskSpaceLow or DownloadFailed.
    """
    architecture = _architecture(os.uname().machine)
    tree = tree_folder(cache_dir)

    def build(folder: Path) -> None:
        check_debian_tools()
        check_keyring(KEYRING)
        mirror = debian_mirror()
        check_free_space(folder, _NEEDED_BYTES, "PostgreSQL's download")
        on_progress("downloading PostgreSQL with TimescaleDB (46 MB, once)")
        apt = folder / "apt"
        packages = _download(apt, mirror, architecture)
        on_progress("unpacking PostgreSQL with TimescaleDB")
        for package in packages:
            _unpack(package, folder)
        (folder / "packages.txt").write_text("".join(f"{package.name}\n" for package in packages))
        shutil.rmtree(apt)
        _wrap_programs(folder, architecture)

    return build_once(tree, build) / f"usr/lib/postgresql/{MAJOR}/bin"


def debian_mirror(environ: Mapping[str, str] | None = None, etc_apt: Path = Path("/etc/apt")) -> str:
    """IOC_DEBIAN_MIRROR, else the Debian archive that this machine's apt uses, else MirrorUnknown."""
    environ = os.environ if environ is None else environ
    if given := environ.get("IOC_DEBIAN_MIRROR"):
        return given
    command = [
        "apt-get",
        "indextargets",
        "--format",
        "$(ORIGIN)|$(LABEL)|$(REPO_URI)",
        "Identifier: Packages",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    for line in ran.stdout.splitlines():
        if line.startswith("Debian|Debian|"):
            return line.split("|", 2)[2]
    # a fresh image: no index was ever fetched, so apt cannot tell the origins; judge by the sources alone
    files = [etc_apt / "sources.list", *sorted(etc_apt.glob("sources.list.d/*"))]
    for file in files:
        if file.suffix in (".list", ".sources") and file.is_file():
            for uri in source_uris(file.read_text(errors="replace"), deb822=file.suffix == ".sources"):
                if uri.rstrip("/").endswith("/debian"):
                    return uri
    raise MirrorUnknown


def source_uris(text: str, *, deb822: bool) -> list[str]:
    """Addresses of the enabled binary archives in an apt source file, one-line or deb822, in order."""
    return _deb822_uris(text) if deb822 else _one_line_uris(text)


def _one_line_uris(text: str) -> list[str]:
    found = []
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+\S", line)
        if match:
            found.append(match[1])
    return found


def _deb822_uris(text: str) -> list[str]:
    found: list[str] = []
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = f"{fields.get(name, '')} {line.strip()}"
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        enabled = fields.get("enabled", "yes").lower() not in ("no", "false", "0", "off")
        if enabled and "deb" in fields.get("types", "").split():
            found += fields.get("uris", "").split()
    return found


def _architecture(machine: str) -> Architecture:
    try:
        return ARCHITECTURES[_MACHINES[machine]]
    except KeyError:
        raise EmbeddedError(
            f"Debian's TimescaleDB is unpacked for {' and '.join(_MACHINES)} only; this is {machine}. "
            "Install PostgreSQL 15 or later with the timescaledb extension, or give a database by URL."
        ) from None


def _download(apt: Path, mirror: str, architecture: Architecture) -> list[Path]:
    for folder in ("lists/partial", "cache/archives/partial", "parts", "debs"):
        (apt / folder).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "sources.list").write_text(f"deb [signed-by={KEYRING} arch={architecture.name}] {mirror} {RELEASE} main\n")
    settings = {
        "APT::Architecture": architecture.name,
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": apt / "parts",
        "Dir::Etc::preferencesparts": apt / "parts",
        "Dir::Etc::preferences": apt / "no-preferences",
        "Dir::State": apt,
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt / "cache",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
        "APT::Update::Post-Invoke::": "true",
        "Debug::NoLocking": "1",
    }
    options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    _run(["apt-get", "-qq", *options, "update"], apt)
    _run(["apt-get", "-qq", *options, "download", *_PACKAGES.split()], apt / "debs")
    return sorted((apt / "debs").glob("*.deb"))


def _run(command: Sequence[str], cwd: Path) -> None:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        ran = subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise DownloadFailed("Debian's PostgreSQL", f"(apt-get did not end within {_TIMEOUT_S} s)") from None
    if ran.returncode != 0:
        output = "\n".join((ran.stdout + ran.stderr).splitlines()[-12:])
        raise DownloadFailed(f"Debian's PostgreSQL ({command[0]} ended with {ran.returncode})", output)


def _unpack(package: Path, into: Path) -> None:
    excluded = [f"--exclude={pattern}" for pattern in _UNWANTED]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as archive:
        unpacked = subprocess.run(
            ["tar", "--extract", "--no-same-owner", f"--directory={into}", *excluded],
            stdin=archive.stdout,
            capture_output=True,
            text=True,
            check=False,
        )
        if archive.stdout is not None:
            archive.stdout.close()
    if unpacked.returncode != 0 or archive.returncode != 0:
        raise DownloadFailed(f"{package.name} (it could not be unpacked)", unpacked.stderr[-2000:])


def _wrap_programs(tree: Path, architecture: Architecture) -> None:
    """Put the programs aside and, where they were, scripts that run them with the packages' own loader."""
    programs = tree / f"usr/lib/postgresql/{MAJOR}/bin"
    aside = programs.parent / "elf"
    aside.mkdir()
    for name in _WRAPPED:
        (programs / name).rename(aside / name)
        wrapper = programs / name
        wrapper.write_text(_WRAPPER.format(triplet=architecture.triplet, loader=architecture.loader, program=name))
        wrapper.chmod(0o755)
