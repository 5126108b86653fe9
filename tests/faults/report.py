"""The outcome of a run of seeds as a Markdown page, and one line each. Holds no figure that was not measured."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from benchmarks.servers import machine
from tests.faults.seed_run import Outcome

_STORM = "## Rebalance storm"
SAID = 400
"""So many characters of a problem are told; all of it is kept."""

_INTRODUCTION = """\
# Fault schedules

Written by `{command}` on {date}, on {machine} (shared with other work). It can be written again at any time:

```
make faults SEEDS=200 SEED_START=1           # as many as there is time for; about 20 s each
python -m tests.faults --seed 17             # one alone, the same again
python -m tests.faults --storm 180           # workers come and go every 5 s
```

A seed decides everything that is chosen: partitions, workers, which part of the bundled recording is played (8 min of
6 halls and two roads in 12 s), how it is shuffled, duplicated, split, delayed, poisoned, which cameras fall silent,
how the clock jumps; and which faults strike when. The same seed gives the same input byte for byte and the same
faults at the same moments; what the machine's scheduler and the network make of them is not ours to repeat.

Real Kafka, real TimescaleDB, real `ioc worker` processes that reach both through a proxy on loopback; a worker that
ends is started again at once. Then the input topics are read whole, the core computes from them in one batch what
there must be, and all tables, the alarms topic and the dead-letter topic are compared with it: no row lost, none
twice, none else; every alarm and letter told at least once; a repeat is a copy byte for byte of what was told before
(alarm, state and changed_at are its mark), and nothing else is told.

| fault | what it is |
|---|---|
| kill | SIGKILL of a worker |
| pause | SIGSTOP of a worker, SIGCONT 0.5 s to 12 s later (the group's session ends after 6 s) |
| join, leave | a worker is added; a worker is asked to end (SIGTERM) |
| kafka-stop, -kill; database-stop, -kill | the server ends in order or by SIGKILL, and starts again up to 3 s later |
| -cut | all connections of the workers to it break |
| -refuse | the same, and none is taken, 0.5 s to 5 s |
| -delay, -throttle | bytes come 0.3 s later; 64 KiB/s for each connection and direction; 1 s to 5 s |
| -hole | bytes stop while connections stay, 1 s to 9 s |

Found by seeds and mended, each with its seed in `tests/faults/test_seeds.py`: 4, rows lost after a rebalance; 7, a lag
that never became 0 though everything was processed (docs/adr/0008).

Recovery: from the end of the last fault, or of the input where that was later, until every message was acknowledged.
Repeats: alarms and dead letters that were told again, as copies.
"""


def page(outcomes: Sequence[Outcome], command: str, before: str) -> str:
    """The whole document. before: what the document said so far; its section on the storm stays."""
    head = _INTRODUCTION.format(command=command, date=_today(), machine=machine())
    seeds = f"{head}\n## Result\n\n{_summary(outcomes)}\n\n## Every seed\n\n{_table(outcomes)}\n"
    storm = before.partition(_STORM)[2]
    return f"{seeds}\n{_STORM}{storm}" if storm else seeds


def with_storm(before: str, outcome: object, command: str) -> str:
    """The document with this outcome of a storm."""
    told = f"`{command}` on {_today()}, on {machine()}:\n\n{outcome}"
    return f"{before.partition(_STORM)[0].rstrip()}\n\n{_STORM}\n\n{told}\n".lstrip()


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def line(outcome: Outcome) -> str:
    """One seed in one line; after it, where it failed, what differs."""
    recovery = "-" if outcome.recovery_s is None else f"{outcome.recovery_s:.1f} s"
    told = (
        f"seed {outcome.schedule.seed} {'ok' if outcome.passed else 'FAILED'}, recovery {recovery}, "
        f"{outcome.seconds:.0f} s, {outcome.messages} messages, {outcome.rows} rows, {outcome.alarms} alarms, "
        f"{outcome.repeated} repeats, {outcome.stalls} ended by the watchdog; {outcome.schedule}"
    )
    if outcome.passed:
        return told
    problems = "\n    ".join(problem[:SAID] for problem in outcome.problems)
    return f"{told}\n    {problems}\n    kept in {outcome.kept}"


def _summary(outcomes: Sequence[Outcome]) -> str:
    failed = [str(outcome.schedule.seed) for outcome in outcomes if not outcome.passed]
    recovered = sorted(outcome.recovery_s for outcome in outcomes if outcome.recovery_s is not None)
    faults = Counter(fault.kind for outcome in outcomes for fault in outcome.schedule.faults)
    lines = [
        f"{len(outcomes)} seeds, {len(outcomes) - len(failed)} passed, {len(failed)} failed"
        f"{': ' + ', '.join(failed) if failed else ''}; {sum(outcome.messages for outcome in outcomes):,} messages, "
        f"{sum(outcome.rows for outcome in outcomes):,} rows and {sum(outcome.alarms for outcome in outcomes):,} alarm "
        f"transitions compared, {sum(outcome.repeated for outcome in outcomes):,} repeats, "
        f"{sum(outcome.stalls for outcome in outcomes)} workers ended by their watchdog.",
    ]
    if recovered:
        late = recovered[min(len(recovered) - 1, int(len(recovered) * 0.95))]
        lines.append(
            f"Recovery: median {statistics.median(recovered):.1f} s, 95 % within {late:.1f} s, longest "
            f"{recovered[-1]:.1f} s."
        )
    lines.append("Faults: " + ", ".join(f"{kind} {count}" for kind, count in sorted(faults.items())) + ".")
    return "\n".join(lines)


def _table(outcomes: Sequence[Outcome]) -> str:
    rows = [
        "| seed | partitions, workers | faults | input | recovery s | repeats | result |",
        "|---|---|---|---|---|---|---|",
    ]
    for outcome in outcomes:
        given = outcome.schedule
        faults = ", ".join(map(str, given.faults))
        recovery = "-" if outcome.recovery_s is None else f"{outcome.recovery_s:.1f}"
        rows.append(
            f"| {given.seed} | {given.partitions}, {given.workers} | {faults} | {given.disturbance} | {recovery} "
            f"| {outcome.repeated} | {'ok' if outcome.passed else 'failed'} |"
        )
    return "\n".join(rows)
