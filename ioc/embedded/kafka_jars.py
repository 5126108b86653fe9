"""Decides which Kafka is run and how its files come here: jars by Maven, from a pinned pom, once into the
cache.

Also keeps the archive of loaded classes (class-data sharing) with which the broker starts in half the time:
the first broker that ends in order writes it, later ones map it. It belongs to one Java, and a JVM that it
does not fit ignores it.
"""

import hashlib
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ioc.embedded.cache import build_once
from ioc.embedded.prerequisites import DownloadFailed, Java, check_free_space, find_maven

_PLUGIN_GOAL = "dependency:copy-dependencies"
_NEEDED_BYTES = 300 * 1024 * 1024
_TIMEOUT_S = 900


@dataclass(frozen=True)
class KafkaJars:
    """A folder of jars that is complete."""

    folder: Path

    @property
    def classpath(self) -> str:
        """The jars in a fixed order: the class archive is tied to it."""
        return os.pathsep.join(str(jar) for jar in sorted(self.folder.glob("*.jar")))

    def class_archive(self, java: Java) -> Path:
        """Where the class archive for this Java lies, or would."""
        mark = hashlib.sha256(f"{java.home}\n{java.version}".encode()).hexdigest()[:12]
        return self.folder.parent / f"{self.folder.name}-classes-{mark}.jsa"


def pom_text() -> str:
    """The pinned versions, as Maven reads them."""
    return resources.files("ioc.embedded").joinpath("kafka-pom.xml").read_text()


def jars_folder(cache_dir: Path) -> Path:
    """Where the jars lie once they are complete."""
    return cache_dir / f"kafka-{hashlib.sha256(pom_text().encode()).hexdigest()[:12]}"


def kafka_jars(cache_dir: Path, java: Java, on_progress: Callable[[str], None]) -> KafkaJars:
    """The jars from the cache, or fetched into it; Maven is asked for only then.

    Raises PrerequisiteMissing, DiskSpaceLow or DownloadFailed.
    """
    pom = pom_text()
    target = jars_folder(cache_dir)

    def build(folder: Path) -> None:
        maven = find_maven()
        check_free_space(folder, _NEEDED_BYTES, "Kafka's download")
        on_progress("downloading Kafka (45 MB, once)")
        pom_file = folder / "pom.xml"
        pom_file.write_text(pom)
        command = [
            str(maven),
            "--batch-mode",
            "--no-transfer-progress",
            "--strict-checksums",
            "--file",
            str(pom_file),
        ]
        command += [
            "-Dstyle.color=never",
            _PLUGIN_GOAL,
            f"-DoutputDirectory={folder}",
            "-DincludeScope=runtime",
        ]
        try:
            ran = subprocess.run(
                command,
                cwd=folder,
                env={**os.environ, "JAVA_HOME": str(java.home)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DownloadFailed("Kafka's jars", f"(Maven did not end within {_TIMEOUT_S} s)") from None
        if ran.returncode != 0 or not any(folder.glob("kafka_*.jar")):
            raise DownloadFailed("Kafka's jars", "\n".join((ran.stdout + ran.stderr).splitlines()[-12:]))

    return KafkaJars(build_once(target, build))
