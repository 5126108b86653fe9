"""What is verified: a recording, the site it belongs to, and the folder that holds what it must give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streams.replay.readers import foreign_site, open_recording
from streams.replay.recording import Recording
from streams.schema.errors import ConfigurationInvalid
from streams.schema.site import Site, load_site

SITE_NAME, GOLDEN_NAME = "site.toml", "golden"


@dataclass(frozen=True)
class Case:
    """site_file: None where the recording itself tells its site."""

    file: Path
    site_file: Path | None
    golden: Path

    def recording(self) -> Recording:
        return open_recording(self.file)

    def site(self) -> Site:
        if self.site_file is not None:
            return load_site(self.site_file)
        site = foreign_site(self.file)
        if site is None:
            raise ConfigurationInvalid(str(self.file), "its site is not known; name the site file: --site FILE")
        return site


def find_case(path: Path, site_file: Path | None, default_site_file: Path) -> Case:
    """The case at a path: a folder (recording.*, site.toml, golden/) or a recording (FILE, FILE.golden/).

    site_file: given by a person; default_site_file: for a recording of ours without its own site. Raises
    ConfigurationInvalid.
    """
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.name.startswith("recording."))
        if len(found) != 1:
            raise ConfigurationInvalid(
                str(path), "a case is a folder with one file recording.*, such as recording.mcap"
            )
        beside = path / SITE_NAME
        return Case(found[0], site_file or (beside if beside.is_file() else default_site_file), path / GOLDEN_NAME)
    golden = path.with_name(f"{path.name}.{GOLDEN_NAME}")
    if site_file is None and foreign_site(path) is not None:
        return Case(path, None, golden)
    return Case(path, site_file or default_site_file, golden)
