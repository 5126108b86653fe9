"""Run fault schedules: `python -m tests.faults --seeds 200 --seed-start 1`; `--seed 17` replays one.

`--storm 180` is the rebalance storm. Exits 1 where a seed failed; what is needed to look into it is kept.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import tempfile
from pathlib import Path

from tests.faults.report import line, page, with_storm
from tests.faults.schedule import schedule
from tests.faults.seed_run import Outcome, run_seed
from tests.faults.servers import servers
from tests.faults.storm import run_storm


def main() -> int:
    given = _arguments()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # that a stopped broker is away is no news
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell has its background jobs ignore Ctrl-C
        signal.signal(number, signal.default_int_handler)
    keep_in = given.keep or Path(tempfile.mkdtemp(prefix="ioc-faults-kept-", dir="/var/tmp"))
    if given.storm is not None:
        return _storm(given.storm, keep_in, given.out)
    seeds = [given.seed] if given.seed is not None else range(given.seed_start, given.seed_start + given.seeds)
    outcomes: list[Outcome] = []
    try:
        with servers() as started:
            for number, seed in enumerate(seeds, 1):
                outcomes.append(run_seed(schedule(seed), started, keep_in))
                print(f"{number}/{len(seeds)} {line(outcomes[-1])}", flush=True)
                if given.out is not None:
                    command = f"make faults SEEDS={number} SEED_START={seeds[0]}"
                    given.out.write_text(page(outcomes, command, _text(given.out)))
    except KeyboardInterrupt:
        print("stopped; everything that was started has ended", flush=True)
    failed = [outcome.schedule.seed for outcome in outcomes if not outcome.passed]
    told = f": {' '.join(map(str, failed))}; kept in {keep_in}" if failed else ""
    print(f"{len(outcomes)} seeds, {len(failed)} failed{told}", flush=True)
    return 1 if failed or len(outcomes) < len(seeds) else 0


def _storm(seconds: float, keep_in: Path, out: Path | None) -> int:
    with servers() as started:
        outcome = run_storm(started, seconds, keep_in)
    print(outcome, flush=True)
    if out is not None:
        out.write_text(with_storm(_text(out), outcome, f"python -m tests.faults --storm {seconds:g}"))
    return 0 if outcome.passed else 1


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--seed-start", type=int, default=1, help="the first")
    parser.add_argument("--seed", type=int, help="replay this one alone")
    parser.add_argument("--out", type=Path, help="write the table here, as Markdown")
    parser.add_argument("--storm", type=float, metavar="SECONDS", help="instead: workers come and go every 5 s")
    parser.add_argument("--keep", type=Path, help="folder for what is kept of failures")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
