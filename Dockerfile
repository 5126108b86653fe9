# One image for every service of ours; the service is chosen by the command (docker-compose.yml).
#
# The base image is pinned by its exact version tag. A digest pins harder, but could not be looked up where this was
# written (no engine, no registry): after the first pull, append the @sha256:... that `docker images --digests` shows.

FROM python:3.11.15-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/ioc

# Dependencies first: this layer stays cached until the lock changes.
COPY requirements/runtime.txt requirements/runtime.txt
RUN /opt/ioc/bin/pip install --require-hashes --only-binary=:all: -r requirements/runtime.txt

# The build tool of pyproject.toml, by hash too: nothing that runs here was fetched unchecked.
RUN echo "setuptools==84.0.0 --hash=sha256:51a52592b3b99e102b609654876bd65f19f999935166d1352678931132b0c670" > build.txt \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes --only-binary=:all: -r build.txt
COPY pyproject.toml README.md ./
COPY streams streams
COPY camera_ingest camera_ingest
COPY dashboards dashboards
COPY ioc ioc
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels . \
 && /opt/ioc/bin/pip install --no-deps --no-index wheels/*.whl \
 && /opt/ioc/bin/pip uninstall --yes pip setuptools


FROM python:3.11.15-slim-bookworm
RUN groupadd --system --gid 10001 ioc \
 && useradd --system --uid 10001 --gid ioc --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ioc
COPY --from=build /opt/ioc /opt/ioc
ENV PATH=/opt/ioc/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /tmp
CMD ["ioc", "--help"]
