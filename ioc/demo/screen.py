"""Draws the demo's state on a terminal of any size from 60 x 16. Pure: state in, something rich can print out."""

from __future__ import annotations

from datetime import datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ioc.demo.figures import StationNow, ZoneNow
from ioc.demo.labels import Labels
from ioc.demo.state import DemoState, Step
from ioc.demo.supervisor import Kept

LEAST_WIDTH, LEAST_HEIGHT = 60, 16
_TALL, _WIDE = 34, 58
_HEAD, _NUMBERS, _FOOT = 1, 3, 3
_LEVEL_STYLE = {"A": "green", "B": "green", "C": "green", "D": "yellow", "E": "red", "F": "bold red"}
_PRIORITY_STYLE = {"critical": "bold white on red", "high": "bold red", "low": "yellow"}
_PATIENCE_S = 40.0
_LOW_DISK_BYTES = 1024**3


def draw(state: DemoState, labels: Labels, width: int, height: int) -> RenderableType:
    """The whole screen, at most height lines of at most width cells."""
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return Text(labels("too_small"))
    if state.phase == "starting":
        return Group(_head(state, labels), Text(), _steps(state, labels))
    rest = height - _HEAD - _NUMBERS - _FOOT
    tall = height >= _TALL
    services_height = len(state.services) + 3 if tall else 1 + len(state.services) // max(1, width // 26)
    rest -= services_height
    below = min(rest // 2, 12)
    above = rest - below
    side = 34 if width >= 90 else 0
    parts: list[RenderableType] = [_head(state, labels), _numbers(state, labels)]
    left = _alarms(state, labels, width - side, above)
    parts.append(_beside(left, _tables(state, labels, above), side) if side else left)
    half = width // 2
    halls, roads = _halls(state, labels, half, below), _roads(state, labels, width - half, below)
    parts.append(_beside(halls, roads, width - half))
    parts.append(_services(state, labels, services_height) if tall else _services_in_short(state, labels))
    parts.append(_foot(state, labels))
    return Group(*parts)


def age(seconds: float) -> str:
    """12s, 3m05, 2h10, 4d."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}" if whole < 86400 else f"{whole // 86400}d"


def office_name(name: str) -> str:
    """Without the words that all offices share."""
    for common in ("Bộ phận một cửa ", " one-stop shop"):
        name = name.replace(common, "")
    return name[:1].upper() + name[1:]


def warnings(state: DemoState, labels: Labels) -> list[str]:
    """What is wrong with the demo itself."""
    told = [f"{labels('database_away')}: {state.database_away}"] if state.database_away else []
    if state.kafka_away:
        told.append(f"{labels('kafka_away')}: {state.kafka_away}")
    if state.disk_free_bytes is not None and state.disk_free_bytes < _LOW_DISK_BYTES:
        told.append(f"{labels('disk_low')}: {state.disk_free_bytes // 1024**2} MB")
    if state.first_row_s is None and state.running_s > _PATIENCE_S:
        told.append(labels("no_rows").format(f"{state.logs}/worker*.log"))
    told += [f"{kept.name}: {kept.fault}" for kept in state.services if kept.state == "waiting" and kept.fault]
    return told


def _head(state: DemoState, labels: Labels) -> RenderableType:
    bar = Table.grid(expand=True)
    bar.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    bar.add_column(justify="right", no_wrap=True)
    playing = labels.pick(state.title_vi, state.title_en)
    title = Text.assemble((labels("title"), "bold"), (f"  {playing}" if playing else "", "yellow"))
    if state.phase == "stopping":
        last = state.steps[-1].name if state.steps else "stopping"
        title = Text.assemble((labels("stopping"), "bold yellow"), (f"  {labels(last)}…", "dim"))
    right = "" if state.data_at is None else age(state.running_s)
    bar.add_row(title, Text(right, "bold"))
    return bar


def _steps(state: DemoState, labels: Labels) -> RenderableType:
    rows = Table.grid(padding=(0, 1), expand=True)
    rows.add_column(no_wrap=True, width=1)
    rows.add_column(no_wrap=True, width=7, justify="right")
    rows.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
    for step in state.steps:
        rows.add_row(*_step(step, labels))
        if step.note and step.ended is None:
            rows.add_row("", "", Text(labels.note(step.note), "yellow"))
    told = Text("\n".join(warnings(state, labels)), "bold red", overflow="fold")
    return Group(rows, Text(), told)


def _step(step: Step, labels: Labels) -> tuple[Text, Text, Text]:
    done = step.ended is not None
    mark = Text("✓", "green") if done else Text("…", "bold yellow")
    name = Text.assemble((labels(step.name), "" if done else "bold"), (f" / {labels.other(step.name)}", "dim"))
    return mark, Text(f"{step.seconds:.1f} s", "dim"), name


def _numbers(state: DemoState, labels: Labels) -> RenderableType:
    database = state.database
    alarms = len(database.open_alarms)
    cells = (
        (f"{state.events_per_s:,.0f}", "events_s", "bold cyan"),
        (f"{state.readings_per_s:,.0f}", "readings_s", "bold cyan"),
        ("?" if state.lag is None else f"{state.lag:,}", "lag", "bold" if (state.lag or 0) < 1000 else "bold red"),
        (f"{database.stored:,}", "rows", "bold green"),
        (f"{state.rows_per_s:,.1f}", "rows_s", "bold green"),
        (f"{database.dead_letters:,}", "dead_letters", "bold yellow" if database.dead_letters else "bold"),
        (f"{alarms}", "alarms_short", "bold red" if alarms else "bold"),
    )
    grid = Table.grid(expand=True)
    for _ in cells:
        grid.add_column(justify="center", ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_row(*(Text(value, style) for value, _, style in cells))
    grid.add_row(*(Text(labels(name)) for _, name, _ in cells))
    grid.add_row(*(Text(labels.other(name), "dim") for _, name, _ in cells))
    return grid


def _panel(
    labels: Labels, name: str, body: RenderableType, height: int, extra: str = "", *, short: bool = False
) -> Panel:
    other = "" if short else f" / {labels.other(name)}"
    title = Text.assemble((labels(name), "bold"), (other, "dim"), (extra, "bold"))
    return Panel(body, title=title, title_align="left", height=height, padding=(0, 1), border_style="bright_black")


def _beside(left: RenderableType, right: RenderableType, right_width: int) -> RenderableType:
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1)
    grid.add_column(width=right_width)
    grid.add_row(left, right)
    return grid


def _alarms(state: DemoState, labels: Labels, width: int, height: int) -> Panel:
    alarms, room = state.database.open_alarms, height - 2
    if not alarms:
        hint = labels.pick(state.hint_vi, state.hint_en)
        told = Text.assemble(labels("no_alarms"), (f"\n{hint}" if hint else "", "dim"))
        return _panel(labels, "alarms", told, height)
    shown = alarms if len(alarms) <= room else alarms[: room - 1]
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(justify="right", no_wrap=True, width=5)
    grid.add_column(no_wrap=True, width=min(24, width // 4), overflow="ellipsis")
    grid.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
    now: datetime = state.database.read_at
    for alarm in shown:
        style = _PRIORITY_STYLE.get(alarm.priority, "")
        condition = labels.pick(alarm.condition_vi, alarm.condition_en)
        seconds = (now - alarm.raised_at).total_seconds()
        grid.add_row(age(seconds), Text(condition, style), office_name(labels.pick(alarm.text_vi, alarm.text_en)))
    if len(shown) < len(alarms):
        grid.add_row("", "", Text(labels("more").format(len(alarms) - len(shown)), "dim"))
    return _panel(labels, "alarms", grid, height, f"  {len(alarms)}")


def _tables(state: DemoState, labels: Labels, height: int) -> Panel:
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(no_wrap=True, ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    for table, count in list(state.database.rows.items())[: height - 2]:
        grid.add_row(Text(table, "" if count else "dim"), Text(f"{count:,}", "" if count else "dim"))
    return _panel(labels, "tables", grid, height, short=True)


def _level(now: ZoneNow | StationNow, labels: Labels, width: int) -> Text:
    """The level of service: its letter, and what it means where there is room."""
    text = labels.pick(now.level_vi, now.level_en) if width >= _WIDE else now.level
    return Text(text or now.level, _LEVEL_STYLE.get(now.level, ""))


def _halls(state: DemoState, labels: Labels, width: int, height: int) -> Panel:
    if not state.database.zones:
        return _panel(labels, "halls", Text(labels("hall_wait"), "dim"), height)
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
    bar = 8 if width >= 48 else 0
    if bar:
        grid.add_column(no_wrap=True, width=bar)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True, max_width=18)
    for zone in state.database.zones[: height - 2]:
        style = _LEVEL_STYLE.get(zone.level, "")
        filled = min(bar, round(zone.share * bar))
        cells = [Text(office_name(labels.pick(zone.name_vi, zone.name_en)))]
        if bar:
            cells.append(Text.assemble(("━" * filled, style), ("━" * (bar - filled), "bright_black")))
        grid.add_row(*cells, f"{zone.people:.0f}/{zone.capacity}", _level(zone, labels, width))
    return _panel(labels, "halls", grid, height)


def _roads(state: DemoState, labels: Labels, width: int, height: int) -> Panel:
    if not state.database.stations:
        return _panel(labels, "roads", Text(labels("road_wait"), "dim"), height)
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(no_wrap=True, ratio=3, overflow="ellipsis")
    with_corridor = width >= 66
    if with_corridor:
        grid.add_column(no_wrap=True, ratio=2, overflow="ellipsis", style="dim")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True, max_width=18)
    for station in state.database.stations[: height - 2]:
        style = _LEVEL_STYLE.get(station.level, "")
        cells = [labels.pick(station.name_vi, station.name_en)]
        if with_corridor:
            cells.append(labels.pick(station.corridor_vi, station.corridor_en))
        grid.add_row(*cells, Text(f"{station.speed_kmh:.0f} km/h", style), _level(station, labels, width))
    return _panel(labels, "roads", grid, height)


def _state_text(kept: Kept, labels: Labels) -> Text:
    style = {"running": "green", "waiting": "bold red"}.get(kept.state, "yellow")
    return Text(labels("starting_up" if kept.state == "starting" else kept.state), style)


def _services(state: DemoState, labels: Labels, height: int) -> Panel:
    grid = Table.grid(padding=(0, 2), expand=True)
    for ratio in (2, 2, 1, 1, 2, 6):
        grid.add_column(no_wrap=True, ratio=ratio, overflow="ellipsis")
    for kept in state.services:
        restarts = Text(f"{labels('restarts')} {kept.restarts}", "bold red") if kept.restarts else Text("")
        fault = Text(kept.fault, "dim") if kept.restarts else Text("")
        memory = f"{kept.memory_bytes / 1e6:.0f} MB" if kept.memory_bytes else ""
        grid.add_row(kept.name, _state_text(kept, labels), str(kept.service.pid or ""), memory, restarts, fault)
    grid.add_row("player", Text(labels("running"), "green"), str(state.player_pid), "", "", "")
    return _panel(labels, "service", grid, height)


def _services_in_short(state: DemoState, labels: Labels) -> Text:
    line = Text(overflow="fold")
    for kept in state.services:
        mark, style = ("●", "green") if kept.state == "running" else ("○", "bold red")
        restarts = f"\N{NO-BREAK SPACE}↻{kept.restarts}" if kept.restarts else ""
        line.append(mark, style)
        told = "\N{NO-BREAK SPACE}".join(
            ("", kept.name, str(kept.service.pid or "-"), f"{kept.memory_bytes / 1e6:.0f}MB")
        )
        line.append(f"{told}{restarts}   ")
    return line


def _foot(state: DemoState, labels: Labels) -> RenderableType:
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
    told = warnings(state, labels)
    psql = f"{state.psql} -c 'table v_alarm_open'" if state.psql else ""
    grid.add_row(labels.both("look"), Text(psql, "cyan"))
    if state.ingest_url:
        grid.add_row(labels.both("post"), Text(state.ingest_url, "cyan"))
    logs = Text.assemble((str(state.logs or ""), "cyan"), (f"   {labels.both('end')}", "bold"))
    grid.add_row(labels.both("logs"), Text("; ".join(told), "bold red") if told else logs)
    return grid
