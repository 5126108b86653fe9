"""A worker that falls into Faust's known failures.

python -m tests.integration.stalling_worker paused|stuck|unending: so many seconds after its start its partitions are
paused, or its event loop is stuck; or it crashes and its stopping waits for ever.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

import faust

from streams.app import build_app
from streams.schema.settings import read_settings
from streams.schema.site import load_site

AFTER_S = 8.0


def main() -> None:
    settings = read_settings(os.environ)
    app = build_app(settings, load_site(settings.site_file))

    @app.timer(interval=AFTER_S)
    async def stall() -> None:
        if sys.argv[1] == "paused":
            app.consumer.pause_partitions(app.consumer.assignment())
        elif sys.argv[1] == "unending":
            app.stop = asyncio.Event().wait
            await app.crash(RuntimeError("as a bug would"))
        else:
            time.sleep(3600)  # noqa: ASYNC251  that is the fault

    faust.Worker(app, loglevel="INFO", redirect_stdouts=False, quiet=True).execute_from_commandline()


if __name__ == "__main__":
    main()
