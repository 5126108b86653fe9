"""How the door is run: one uvicorn process, ended gracefully by SIGTERM or SIGINT. The command ``ioc ingest``.

Decides limits of the connection; TLS belongs to a proxy in front, and it listens on loopback unless told otherwise.
"""

from __future__ import annotations

import logging
import signal
from datetime import UTC, datetime

import uvicorn

from streams.ingest.app import create_app
from streams.schema.errors import ConfigurationInvalid
from streams.schema.settings import Settings
from streams.schema.site import load_site

STOP_WITHIN_S = 15
log = logging.getLogger(__name__)


def server_of(settings: Settings) -> uvicorn.Server:
    """The server, not started. Raises ConfigurationInvalid."""
    if not settings.gateway_tokens:
        raise ConfigurationInvalid(
            "IOC_GATEWAY_TOKENS_FILE", "no gateway has a token: write gateway=token, one a line, into a file named here"
        )
    app = create_app(settings, load_site(settings.site_file), clock=lambda: datetime.now(UTC))
    config = uvicorn.Config(
        app,
        host=settings.ingest_host,
        port=settings.ingest_port,
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=1024,
        backlog=1024,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    return uvicorn.Server(config)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first. Raises ConfigurationInvalid."""
    server = server_of(settings)
    log.info("HTTP ingest on %s:%d", settings.ingest_host, settings.ingest_port)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.run()
    except KeyboardInterrupt:
        log.info("HTTP ingest stopped")
    finally:
        signal.signal(signal.SIGTERM, before)
