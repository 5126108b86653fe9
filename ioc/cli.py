"""The command line. Decides exit codes and how a fault is told; what a command does stands in ioc.commands."""

from __future__ import annotations

import sys

import click

from ioc.commands import chaos, database, demo, doctor, processes, record, recording, replay, runs, site, verify
from ioc.embedded.prerequisites import EmbeddedError
from streams.schema.errors import ConfigurationInvalid, RetryLater

EXIT_CONFIGURATION = 2
EXIT_TRY_AGAIN = 75


class _Group(click.Group):
    """Tells expected faults in one line, without a traceback."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except (ConfigurationInvalid, EmbeddedError) as fault:
            click.echo(f"ioc: {fault}", err=True)
            sys.exit(EXIT_CONFIGURATION)
        except RetryLater as fault:
            click.echo(f"ioc: {fault}; try again", err=True)
            sys.exit(EXIT_TRY_AGAIN)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="haiphong-ioc", prog_name="ioc")
def main() -> None:
    """Streaming platform of an intelligent operations centre.

    Camera and road-sensor events pass through Kafka, Faust turns them into occupancy, traffic and alarms,
    TimescaleDB stores them. Every process reads its wiring from IOC_* variables (`ioc settings` lists them) and
    what exists from the site file (`ioc site check`).

    \b
    Try it:          ioc demo
    Run it:          ioc migrate; ioc topics; then ioc worker, ioc ticker, ioc ingest
    Look after it:   ioc doctor
    Keep history:    ioc record FILE.mcap --from -15m; ioc recording info FILE.mcap
    Play history:    ioc replay FILE --run --speed max; ioc runs
    Prove it:        ioc verify FILE
    """


for command in (
    demo.demo,
    replay.replay,
    verify.verify,
    runs.runs,
    record.record,
    recording.recording,
    processes.worker,
    processes.ticker,
    processes.ingest,
    processes.maintain,
    processes.health,
    database.migrate,
    database.topics,
    database.export,
    doctor.doctor,
    doctor.settings,
    doctor.secrets,
    site.site,
    chaos.chaos,
):
    main.add_command(command)


if __name__ == "__main__":
    main()
