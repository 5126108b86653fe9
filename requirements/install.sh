#!/usr/bin/env bash
# Makes the environment .venv from a lock: requirements/install.sh LOCK [LOCK...]
#
# Every package is checked against its hash and taken as a wheel, so nothing is built and nothing unlocked is fetched.
# uv, itself locked, does it in a fraction of pip's time; where uv cannot reach the package index (an index, proxy or
# certificate that only pip is told of), pip does it. The project itself is installed in place, with the locked
# setuptools. PYTHON names the Python to begin with; VENV another place than .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3} VENV=${VENV:-.venv}

fail() {
    echo "$*" >&2
    exit 1
}

command -v "$PYTHON" >/dev/null ||
    fail "Python 3.11 or later is needed; there is no '$PYTHON'. Install it with: sudo apt-get install python3 python3-venv"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 or later is needed; '$PYTHON' is $("$PYTHON" -V 2>&1). Name another one: make PYTHON=python3.11 ..."

# An environment that was moved, half made, or whose Python is gone is made again.
if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1 ||
    ! "$VENV/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "making $VENV" >&2
    rm -rf "$VENV"
    if ! said=$("$PYTHON" -m venv "$VENV" 2>&1); then
        rm -rf "$VENV"
        case $said in
        *ensurepip* | *python3-venv*) fail "Python's venv module is missing. Install it with: sudo apt-get install python3-venv" ;;
        *) fail "could not make $VENV: $said" ;;
        esac
    fi
fi

export PIP_DISABLE_PIP_VERSION_CHECK=1
python=$VENV/bin/python
with_pip() {
    "$python" -m pip install --quiet --no-deps --require-hashes --only-binary :all: "$@"
}
with_uv() {
    UV_HTTP_TIMEOUT=20 UV_LINK_MODE=copy UV_SYSTEM_CERTS=1 UV_NO_CONFIG=1 \
        "$VENV/bin/uv" pip install --quiet --python "$python" --no-deps --require-hashes --only-binary :all: "$@"
}

locks=()
for lock in "$@"; do locks+=(-r "requirements/$lock.txt"); done
echo "installing the locked packages ($*) into $VENV" >&2
with_pip -r requirements/build.txt
# An index that pip was told of, uv is told of too.
if [ -z "${UV_DEFAULT_INDEX:-}" ]; then
    index=${PIP_INDEX_URL:-$("$python" -m pip config get global.index-url 2>/dev/null || true)}
    if [ -n "$index" ]; then export UV_DEFAULT_INDEX=$index; fi
fi
if ! said=$(with_uv "${locks[@]}" 2>&1); then
    echo "uv could not install them, so pip does:" >&2
    echo "$said" | head -n 5 >&2
    with_pip "${locks[@]}"
fi
UV_NO_CONFIG=1 "$VENV/bin/uv" pip install --quiet --python "$python" --offline --no-deps --no-build-isolation --editable .
