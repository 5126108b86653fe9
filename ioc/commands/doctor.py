"""`ioc doctor`, `ioc settings`, `ioc secrets`: is everything there, what can be set, and fresh secrets."""

from __future__ import annotations

import asyncio
import secrets as random_secrets
from dataclasses import fields
from pathlib import Path

import click

from ioc.commands.wiring import process_settings
from streams.schema.settings import Settings, public_url

SECRETS = ("postgres_password", "writer_password", "reader_password", "grafana_admin_password")


@click.command()
def doctor() -> None:
    """Look at everything this installation needs, and say what is wrong and what to do.

    Exit 0 if all is well, 1 if something needs attention.
    """
    from ioc.examination import examine

    findings = asyncio.run(examine(process_settings()))
    for finding in findings:
        click.echo(f"{finding.mark}  {finding.topic:<12} {finding.text}")
    if any(finding.grave for finding in findings):
        raise SystemExit(1)


@click.command()
def settings() -> None:
    """List the IOC_* variables with their values here; passwords are left out."""
    present = process_settings()
    for field in fields(Settings):
        value = getattr(present, field.name)
        if field.name.endswith("_password"):
            value = "(set)" if value else ""
        elif field.name == "gateway_tokens":
            value = f"({len(value)} gateways)"
        elif field.name.endswith("_url"):
            value = public_url(value)
        click.echo(f"IOC_{field.name.upper():<24} {value}")
    click.echo("\nA secret can be given by file: IOC_WRITER_PASSWORD_FILE, IOC_READER_PASSWORD_FILE,")
    click.echo("IOC_DATABASE_PASSWORD_FILE, IOC_ADMIN_DATABASE_PASSWORD_FILE, IOC_GATEWAY_TOKENS_FILE.")


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("secrets"), show_default=True)
@click.option("--gateway", multiple=True, default=["gateway-1"], show_default=True, help="May be given several times.")
def secrets(out: Path, gateway: tuple[str, ...]) -> None:
    """Make fresh random secrets as files, for docker-compose.yml. What exists is kept."""
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    texts = {name: random_secrets.token_urlsafe(24) for name in SECRETS}
    texts["gateway_tokens"] = "".join(f"{name}={random_secrets.token_urlsafe(24)}\n" for name in gateway)
    for name, text in texts.items():
        file = out / name
        if file.exists():
            click.echo(f"kept {file}")
            continue
        file.write_text(text, encoding="utf-8")
        file.chmod(0o444)  # Compose mounts it with this mode, for users of other numbers; the folder keeps it private
        click.echo(f"made {file}")
