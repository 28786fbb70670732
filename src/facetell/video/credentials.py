"""Content Credentials (C2PA): who signed a file, what its manifest claims, and whether the signature verifies.

A manifest comes from the file, so it may be hostile. c2pa-python reads it in a process of its own with bounded time and
memory, without network access, and only if the file has a manifest. Certificates are not compared with a trust list.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from facetell.types import N_

UNREAD = N_("the manifest cannot be read, so nothing in it is verified")
# The description box of a manifest store by ISO 19566-5 (JUMBF), in files of every format.
_STORE = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
_OFFLINE: dict[str, Any] = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "core": {"decode_identity_assertions": False, "allowed_network_hosts": []},
}
_UNTRUSTED = "signingCredential.untrusted"  # without a trust list every certificate is
_SECONDS, _BYTES_PER_S, _MEMORY = 30, 10e6, 4 << 30  # limits of the process; a signature covers the whole file
_MANIFESTS, _ACTIONS, _CHARACTERS = 8, 20, 200  # most that is given of a store, of a manifest and of a text


def read_credentials(path: Path) -> dict[str, Any] | None:
    """The manifests of a file (``file.c2pa`` of the JSON result); None if it has none. OSError: it cannot be read."""
    if not _has_store(path):
        return None
    if find_spec("c2pa") is None:
        return _found("unchecked", message=N_("the extra `provenance` verifies it: pip install c2pa-python"))
    # -P: no module is imported from the working directory, which may hold the files of others.
    command = [sys.executable, "-P", "-m", __name__, str(path)]
    try:
        limit = _SECONDS + path.stat().st_size / _BYTES_PER_S
        run = subprocess.run(command, capture_output=True, timeout=limit, check=True, stdin=subprocess.DEVNULL)
        return dict(json.loads(run.stdout))
    except (subprocess.SubprocessError, OSError, ValueError):  # ended by a signal or a limit, or without a result
        return _found("unreadable", message=UNREAD)


def _has_store(path: Path) -> bool:
    with path.open("rb") as file:
        pairs = pairwise(chain([b""], iter(partial(file.read, 1 << 20), b"")))
        return any(_STORE in before[-len(_STORE) :] + chunk for before, chunk in pairs)


def _found(state: str, *, message: str = "", **more: Any) -> dict[str, Any]:
    return {"state": state, "message": message, "problems": [], "manifests": [], "reader": None} | more


def describe(store: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a manifest store, given as the JSON of c2pa-python, in the order active manifest, ingredients."""
    codes = (s["code"] for s in store.get("validation_status") or () if s["code"] != _UNTRUSTED)
    state = "valid" if store["validation_state"] in ("Valid", "Trusted") else "invalid"
    manifests, active = store["manifests"], store["active_manifest"]
    shown = [_manifest(manifests[name]) for name in sorted(manifests, key=lambda name: name != active)[:_MANIFESTS]]
    return _found(state, problems=[*dict.fromkeys(codes)][:_ACTIONS], manifests=shown)


def _manifest(manifest: Mapping[str, Any]) -> dict[str, Any]:
    signature = manifest.get("signature_info") or {}
    tools = manifest.get("claim_generator_info") or [manifest.get("claim_generator")]
    lists = (each for each in manifest.get("assertions") or () if str(each.get("label")).startswith("c2pa.actions"))
    signer = [_text(signature[key]) for key in ("common_name", "issuer") if signature.get(key)]
    return {
        "signer": ", ".join(signer) or None,
        "signed": signature.get("time") and _text(signature["time"]),
        "generator": _tool(tools[0]) or None,
        "actions": [_action(action) for actions in lists for action in actions["data"]["actions"]][:_ACTIONS],
    }


def _action(action: Mapping[str, Any]) -> str:
    """What was done, the type of the source, the tool."""
    source = str(action.get("digitalSourceType") or "").rpartition("/")[2]
    return ", ".join(filter(None, (_text(action["action"]), _text(source), _tool(action.get("softwareAgent")))))


def _tool(tool: object) -> str:
    """Name and version of a tool, which is given as a text or by its parts."""
    parts = (tool.get("name"), tool.get("version")) if isinstance(tool, Mapping) else (tool,)
    return _text(" ".join(str(part) for part in parts if part))


def _text(value: object) -> str:
    return str(value)[:_CHARACTERS]


def main(path: str) -> None:
    """Print the content of the manifest store of a file as JSON: the process that reads it."""
    import c2pa

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    try:
        with Path(path).open("rb") as file:
            context = c2pa.Context(c2pa.Settings.from_dict(_OFFLINE))
            with c2pa.Reader(None, file, context=context) as reader:
                found = describe(json.loads(reader.json()))
    except Exception as error:  # of any kind: the file may hold anything
        found = _found(
            "unreadable", message=N_(f"the manifest cannot be read, so nothing in it is verified ({_text(error)})")
        )
    print(json.dumps(found | {"reader": f"c2pa-python {version('c2pa-python')}"}))


if __name__ == "__main__":
    main(sys.argv[1])
