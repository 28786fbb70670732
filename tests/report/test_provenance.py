"""What a file states about itself is shown beside its score, is checked where it is signed, and changes no score."""

import datetime
import json
import sys

import jsonschema
import pytest
from report_reader import check_page

from facetell.cli import main
from facetell.report.result import SCHEMA_PATH
from facetell.video.credentials import read_credentials
from facetell.video.metadata import read_facts
from fixtures import FAST

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
ACTIONS = [{"action": "c2pa.created", "digitalSourceType": GENERATED}, {"action": "c2pa.color_adjustments"}]
CLAIM = {"claim_generator_info": [{"name": "<b>Editor</b>", "version": "1.2"}]}
CLAIM["assertions"] = [{"label": "c2pa.actions.v2", "data": {"actions": ACTIONS}}]


@pytest.fixture(scope="module")
def signed(man, tmp_path_factory):
    """The sample video of the man, with a manifest that is signed by the test's own certificate."""
    c2pa = pytest.importorskip("c2pa", reason="the extra `provenance` is not installed")
    from cryptography import x509  # c2pa-python needs it as well
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    root, key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    names = [x509.Name.from_rfc4514_string(f"CN={name}") for name in ("Test root", "Camera 7")]
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(1)
    made = x509.CertificateBuilder(*names, key.public_key(), x509.random_serial_number(), now - day, now + day)
    purpose = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key())
    for extension in (x509.KeyUsage(True, *[False] * 8), purpose, issuer):
        made = made.add_extension(extension, critical=False)
    certificate = made.sign(root, hashes.SHA256()).public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path_factory.mktemp("signed") / "signed.mp4"
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo("es256", certificate, private, None))
    c2pa.Builder(CLAIM).sign_file(man, path, signer)
    return path


def test_a_signature_is_checked_and_shown_and_changes_no_score(man, signed):
    data = signed.read_bytes()
    signed.with_name("plain.mp4").write_bytes(man.read_bytes())
    signed.with_name("changed.mp4").write_bytes(data.replace(b"Core Media Video", b"Core Media Vid3o"))
    signed.with_name("broken.mp4").write_bytes(data.replace(b"jumdc2cl", b"\xff" * 8))
    report, result = signed.with_name("r.html"), signed.with_name("r.json")
    options = ["--model", FAST, "--max-clips", "1", "--report", str(report), "--json", str(result)]
    assert main(["detect", str(signed.parent), *options]) == 0
    found = json.loads(result.read_text())
    jsonschema.validate(found, json.loads(SCHEMA_PATH.read_text()))
    videos = {video["path"].rpartition("/")[2].removesuffix(".mp4"): video for video in found["videos"]}
    assert len({json.dumps(video["tracks"]) for video in videos.values()}) == 1
    of = {name: video["file"]["c2pa"] for name, video in videos.items()}
    assert of["plain"] is None and of["broken"]["state"] == "unreadable" and of["broken"]["manifests"] == []
    actions = ["c2pa.created, trainedAlgorithmicMedia", "c2pa.color_adjustments"]
    manifest = {"signer": "Camera 7", "signed": None, "generator": "<b>Editor</b> 1.2", "actions": actions}
    assert (of["signed"]["state"], of["signed"]["problems"], of["signed"]["manifests"]) == ("valid", [], [manifest])
    assert (of["changed"]["state"], of["changed"]["manifests"]) == ("invalid", [manifest])
    assert of["changed"]["problems"] == ["assertion.bmffHash.mismatch"]
    shown = {e.text.split()[0]: " ".join(e.text.split()) for e in check_page(report.read_text()).all("article")}
    assert "The signature verifies" in shown["signed.mp4"] and "no manifest in the file" in shown["plain.mp4"]
    assert "does not verify: the file or its manifest was changed" in shown["changed.mp4"]
    assert "States, not verified: made with <b>Editor</b> 1.2; created" in shown["changed.mp4"]
    assert "is present, unverified: the manifest cannot be read" in shown["broken.mp4"]


def test_a_manifest_is_named_where_it_cannot_be_checked(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "c2pa", None)  # as if it were not installed
    box = b"jumb\0\0\0\x1ejumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71\x03c2pa\0"
    (tmp_path / "a.mp4").write_bytes(bytes((1 << 20) - 12) + box)  # across two blocks
    found = read_credentials(tmp_path / "a.mp4")
    assert found["state"] == "unchecked" and "pip install c2pa-python" in found["message"]


def test_metadata_of_software_and_marks_of_generators(man, tmp_path):
    xmp = b'\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac<x Iptc="trainedAlgorithmicMedia"/>'
    path = tmp_path / "a.mp4"
    path.write_bytes(man.read_bytes() + (len(xmp) + 8).to_bytes(4, "big") + b"uuid" + xmp)
    facts = read_facts(path)
    assert facts.pop("marks") == ['xmp: <x Iptc="trainedAlgorithmicMedia"/>'] and facts.pop("c2pa") is None
    tags = {"encoder": "Lavf58.29.100", "handler_name": "Core Media Video"}
    stated = {"container": "QuickTime / MOV, brand isom", "codec": "h264", "tags": tags, "size": path.stat().st_size}
    assert facts == stated and read_facts(man)["marks"] == []
    assert read_facts(tmp_path) is None and read_facts(tmp_path / "none.mp4") is None
