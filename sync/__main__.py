"""The command line `exam-sync`: keys, packing, checking, opening, sending, and the reference platform."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sync import central, clock, codes, container, keys
from sync.conversation import RECEIPT_NOT_READY
from sync.errors import SyncError, TransferFailed, problem
from sync.files import replace_file
from sync.manifest import KINDS, Manifest

ARGUMENT_UNREADABLE = problem(
    "argument_unreadable",
    "参数 {value} 应写成 {form}。",
    "{value} should be written as {form}.",
)

SOME_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
SOME_PATH = click.Path(path_type=Path)


class Command(click.Group):
    """A group whose commands end with the refusal's sentence instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SyncError as refusal:
            raise click.ClickException(f"{refusal.sentence(ctx.params['lang'])} [{refusal.code}]") from refusal


@click.group(cls=Command)
@click.option("--lang", type=click.Choice(["zh", "en"]), default="zh", help="Language of the messages.")
@click.pass_context
def main(ctx: click.Context, lang: str) -> None:
    """Pack, check, open and send exam packages; run a small central platform."""
    ctx.obj = lambda zh, en: click.echo(en if lang == "en" else zh)


Say = Callable[[str, str], None]


@main.group("keys")
def keys_group() -> None:
    """Make and show keys."""


@keys_group.command("signing")
@click.argument("path", type=SOME_PATH)
@click.pass_obj
def make_signing(say: Say, path: Path) -> None:
    """Make a signing key in the new file PATH and show its public half."""
    key = keys.make_signing_key()
    keys.save_signing_key(key, path)
    _show_verify_key(say, key)


@keys_group.command("identity")
@click.argument("path", type=SOME_PATH)
@click.pass_obj
def make_identity(say: Say, path: Path) -> None:
    """Make an age identity in the new file PATH and show its recipient."""
    identity = keys.make_identity()
    keys.save_identity(identity, path)
    say(f"加密公钥：{keys.recipient_of(identity)}", f"Recipient: {keys.recipient_of(identity)}")


@keys_group.command("show")
@click.argument("path", type=SOME_FILE)
@click.pass_obj
def show_key(say: Say, path: Path) -> None:
    """Show the public half of the signing key or identity in PATH."""
    if b"PRIVATE KEY" in path.read_bytes():
        _show_verify_key(say, keys.load_signing_key(path))
    else:
        recipient = keys.recipient_of(keys.load_identity(path))
        say(f"加密公钥：{recipient}", f"Recipient: {recipient}")


@keys_group.command("lock")
@click.argument("identity", type=SOME_FILE)
@click.argument("path", type=SOME_PATH)
@click.pass_obj
def lock_identity(say: Say, identity: Path, path: Path) -> None:
    """Lock the IDENTITY file under a new code into the new file PATH; the code is shown once."""
    code = codes.make_code()
    keys.save_secret(codes.wrap_identity(keys.load_identity(identity), code), path)
    say(f"启封码（只显示这一次）：{code}", f"Code (shown this once): {code}")


@main.command()
@click.argument("path", type=SOME_PATH)
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What the package is.")
@click.option("--member", "members", multiple=True, metavar="NAME=FILE", help="A file to pack; repeat.")
@click.option("--locked", multiple=True, metavar="LABEL=FILE", help="An identity locked under a code; repeat.")
@click.option("--to", "recipients", multiple=True, required=True, metavar="age1…", help="Who can open; repeat.")
@click.option("--sign", "signing_key", type=SOME_FILE, required=True, help="The signing key's file.")
@click.option("--made-by", required=True, help="Id of the station or centre that packs.")
@click.option("--label", "labels", multiple=True, metavar="NAME=TEXT", help="A label in plain sight; repeat.")
@click.option("--requires", multiple=True, help="A capability that the reader must have; repeat.")
@click.option("--number", type=click.IntRange(1, 9999), default=1, show_default=True, help="Supplement number.")
@click.pass_obj
def pack(
    say: Say,
    path: Path,
    kind: str,
    members: tuple[str, ...],
    locked: tuple[str, ...],
    recipients: tuple[str, ...],
    signing_key: Path,
    made_by: str,
    labels: tuple[str, ...],
    requires: tuple[str, ...],
    number: int,
) -> None:
    """Pack files into the package PATH, encrypted and signed."""
    sources = [container.Member(name, Path(file)) for name, file in map(_pair, members)]
    sources += [container.Member(f"codes/{label}", Path(file), code_label=label) for label, file in map(_pair, locked)]
    manifest = container.build_container(
        path,
        kind=kind,
        id=str(uuid.uuid4()),
        number=number,
        labels=dict(map(_pair, labels)),
        members=sources,
        recipients=recipients,
        signing_key=keys.load_signing_key(signing_key),
        made_at=clock.now(),
        made_by=made_by,
        requires=requires,
    )
    say(f"已打包：{path}（编号 {manifest.id}）", f"Packed: {path} (id {manifest.id})")


@main.command()
@click.argument("path", type=SOME_FILE)
@click.option("--key", "verify_keys", multiple=True, required=True, metavar="ed25519:…", help="Who may sign.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
@click.pass_obj
def verify(say: Say, path: Path, verify_keys: tuple[str, ...], as_json: bool) -> None:
    """Check the package PATH from the first byte to the last, without opening it."""
    manifest = container.verify_container(path, _keys_by_fingerprint(verify_keys))
    if as_json:
        click.echo(json.dumps(manifest.to_document(), ensure_ascii=False, indent=1))
    else:
        _show_manifest(say, manifest)


@main.command("open")
@click.argument("path", type=SOME_FILE)
@click.option("--key", "verify_keys", multiple=True, required=True, metavar="ed25519:…", help="Who may sign.")
@click.option("--identity", type=SOME_FILE, help="The identity file that opens the package.")
@click.option("--code-label", help="Open with the identity locked under this label; the code is asked for.")
@click.option("--into", type=SOME_PATH, required=True, help="The new folder for the contents.")
@click.option("--can", "capabilities", multiple=True, help="A capability that this reader has; repeat.")
@click.pass_obj
def open_package(
    say: Say,
    path: Path,
    verify_keys: tuple[str, ...],
    identity: Path | None,
    code_label: str | None,
    into: Path,
    capabilities: tuple[str, ...],
) -> None:
    """Check the package PATH and put what is meant for this key into a new folder."""
    signers = _keys_by_fingerprint(verify_keys)
    if code_label is not None:
        locked = container.read_locked_identity(path, signers, code_label)
        opener = codes.unwrap_identity(locked, click.prompt("启封码 / code", hide_input=True))
    elif identity is not None:
        opener = keys.load_identity(identity)
    else:
        raise click.UsageError("--identity or --code-label is needed")
    manifest = container.open_container(
        path, verify_keys=signers, identity=opener, into=into, capabilities=capabilities
    )
    _show_manifest(say, manifest)
    say(f"已解包到 {into}", f"Opened into {into}")


@main.command()
@click.argument("path", type=SOME_FILE)
@click.option("--key", "verify_key", required=True, metavar="ed25519:…", help="The station's own public key.")
@click.option("--url", required=True, help="Address of the central platform.")
@click.option("--token-file", type=SOME_FILE, required=True, help="File with the station's token.")
@click.option("--platform-key", required=True, metavar="ed25519:…", help="Key that signs the receipts.")
@click.option("--ca", "ca_file", type=SOME_FILE, help="CA file, if the platform's certificate is a private one.")
@click.option("--proxy", help="Address of a proxy.")
@click.option("--wait", "wait_s", default=30, show_default=True, help="Seconds to wait for the receipt.")
@click.option("--receipt", "receipt_file", type=SOME_PATH, help="Where to keep the receipt. [PATH.receipt]")
@click.pass_obj
def send(
    say: Say,
    path: Path,
    verify_key: str,
    url: str,
    token_file: Path,
    platform_key: str,
    ca_file: Path | None,
    proxy: str | None,
    wait_s: int,
    receipt_file: Path | None,
) -> None:
    """Send the package PATH to the central platform, or go on sending it, and keep the receipt.

    Ends with status 0 when the receipt is there, 75 when it should be called again later, 1 otherwise.
    """
    manifest = container.verify_container(path, _keys_by_fingerprint((verify_key,)))
    platform = central.Central(
        url=url,
        token=token_file.read_text("utf-8").strip(),
        receipt_keys=_keys_by_fingerprint((platform_key,)),
        ca_file=ca_file,
        proxy=proxy,
    )
    outcome = _send_and_wait(platform, path, manifest.id, wait_s)
    if isinstance(outcome, central.Sent):
        replace_file(receipt_file or path.with_name(path.name + ".receipt"), outcome.receipt_jws.encode("ascii"))
        say(f"已送达，回执码 {outcome.receipt.code}", f"Arrived; receipt code {outcome.receipt.code}")
    elif isinstance(outcome, central.Transient):
        say(outcome.reason.sentence("zh"), outcome.reason.sentence("en"))
        raise SystemExit(75)
    else:
        raise outcome.reason


@main.command()
@click.option("--folder", type=SOME_PATH, required=True, help="Where the platform keeps everything.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, help="Port to listen on; 0 takes any free one.")
@click.option("--name", default="上级平台", show_default=True, help="Name that stands in the receipts.")
@click.pass_obj
def platform(say: Say, folder: Path, host: str, port: int, name: str) -> None:
    """Run the reference platform: it takes packages, shows them and gives receipts."""
    from sync.reference_platform.serve import start_platform  # here: no other command needs Flask

    running = start_platform(folder, host=host, port=port, name=name)
    vault = running.platform.vault
    say(
        f"平台地址：{running.url}\n值班码：{vault.desk_code}\n数据包加密公钥：{vault.recipient}\n"
        f"回执公钥：{vault.verify_key}",
        f"Address: {running.url}\nDesk code: {vault.desk_code}\nPackage recipient: {vault.recipient}\n"
        f"Receipt key: {vault.verify_key}",
    )
    try:
        running.wait()
    except KeyboardInterrupt:
        running.close()


@main.command("platform-add-station")
@click.option("--folder", type=SOME_PATH, required=True, help="The platform's folder.")
@click.option("--id", "station_id", required=True, help="Id of the station.")
@click.option("--name", required=True, help="Name of the station.")
@click.option("--key", "verify_key", required=True, metavar="ed25519:…", help="The station's public key.")
@click.option("--replace", is_flag=True, help="Give a known station a new key and token.")
@click.pass_obj
def platform_add_station(say: Say, folder: Path, station_id: str, name: str, verify_key: str, replace: bool) -> None:
    """Register a station with the reference platform and show its token, once."""
    from sync.reference_platform.stations import add_station

    token = add_station(folder, id=station_id, name=name, verify_key=verify_key, replace=replace)
    say(f"考点凭证（只显示这一次）：{token}", f"Token (shown this once): {token}")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise TransferFailed(ARGUMENT_UNREADABLE, value=text, form="NAME=VALUE")
    return name, value


def _keys_by_fingerprint(texts: tuple[str, ...]) -> dict[str, Any]:
    found = [keys.verify_key_from_text(text) for text in texts]
    return {keys.fingerprint(key): key for key in found}


def _send_and_wait(platform: central.Central, path: Path, package_id: str, wait_s: int) -> central.Outcome:
    """Send, and ask for the receipt until it is there or the time is over; the upload's address is kept."""
    address = path.with_name(path.name + ".upload")
    until = time.monotonic() + wait_s
    while True:
        outcome = central.send_package(
            platform,
            path,
            package_id=package_id,
            upload_url=address.read_text("utf-8") if address.exists() else None,
            remember=lambda upload: _remember(address, upload),
            progress=lambda done, total: click.echo(f"{done}/{total}", err=True),
        )
        if isinstance(outcome, central.Sent):
            _remember(address, None)
        waiting = isinstance(outcome, central.Transient) and outcome.reason.problem is RECEIPT_NOT_READY
        if not waiting or time.monotonic() > until:
            return outcome
        time.sleep(1)


def _remember(address: Path, upload: str | None) -> None:
    if upload is None:
        address.unlink(missing_ok=True)
    else:
        address.write_text(upload, "utf-8")


def _show_verify_key(say: Say, key: Any) -> None:
    text, name = keys.verify_key_to_text(key.public_key()), keys.fingerprint(key.public_key())
    say(f"签名公钥：{text}\n公钥指纹：{name}", f"Public key: {text}\nFingerprint: {name}")


def _show_manifest(say: Say, manifest: Manifest) -> None:
    say(
        f"数据包完好：{manifest.kind}，编号 {manifest.id}，第 {manifest.number} 份，由 {manifest.made_by} 制作",
        f"Sound: {manifest.kind}, id {manifest.id}, number {manifest.number}, made by {manifest.made_by}",
    )
    for member in manifest.members:
        click.echo(f"  {member.name}  {member.plain_size}")


if __name__ == "__main__":
    main(prog_name="exam-sync")
