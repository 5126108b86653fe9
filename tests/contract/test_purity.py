"""What the import contracts miss: an import in a package's __init__, or a lazy one that always runs."""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import streams.core
import streams.schema

FORBIDDEN = ("faust", "mode", "aiokafka", "psycopg", "cv2", "starlette", "uvicorn", "asyncio")
CLOCKS = {
    "now", "utcnow", "today", "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "localtime", "gmtime",
    "sleep",
}  # fmt: skip
ROOT = Path(__file__).parents[2]
PURE = [
    module.name
    for package in (streams.schema, streams.core)
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_loads_no_server_and_no_faust(module: str) -> None:
    program = f"import sys, {module}; print([n for n in {FORBIDDEN!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", [name for name in PURE if name.startswith("streams.core.")])
def test_the_core_asks_no_clock(module: str) -> None:
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    asked = [func.attr for func in calls if isinstance(func, ast.Attribute) and func.attr in CLOCKS]
    imported = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if alias.name == "time" or getattr(node, "module", None) == "time"
    ]
    assert asked == imported == []


def test_no_windowed_table_of_faust_is_used() -> None:
    """They compare a window's age with the wall clock: a replay would close every window at once."""
    for file in (ROOT / "streams").rglob("*.py"):
        text = file.read_text()
        for call in (".tumbling(", ".hopping(", ".using_window(", "on_window_close"):
            assert call not in text, f"{file} uses {call}"
