"""Under a sub-path of a reverse proxy, which removes the path or not: every address is below it."""

import re

import httpx
import pytest
from playwright.sync_api import expect
from serving import BEARER, SECONDS, TOKEN, serving

from facetell.serve.models import Limits

ROOT = "/apps/facetell"


@pytest.fixture(params=[True, False], ids=["removed", "kept"])
def site(request, tmp_path):
    """The address of a server behind a proxy; no request may be outside of the path."""
    outside = []

    def proxy(app):
        async def call(scope, receive, send):
            path = scope.get("path", f"{ROOT}/")
            if not path.startswith(f"{ROOT}/"):
                outside.append(path)
            await app({**scope, "path": path.removeprefix(ROOT)} if request.param else scope, receive, send)

        return call

    with serving(tmp_path / "data", Limits(), wrap=proxy, root_path=ROOT, token=TOKEN) as (url, _):
        yield f"{url}{ROOT}"
        assert outside == []


def test_every_link_and_redirect_is_below_it(site, short):
    with httpx.Client(timeout=SECONDS, headers=BEARER) as client:
        answer = client.post(f"{site}/v1/jobs", files={"file": ("short.mp4", short.read_bytes())})
        job = answer.json()["id"]
        assert answer.headers["location"] == f"{ROOT}/v1/jobs/{job}"
        for path in ("/", "/?before=9", f"/jobs/{job}", "/jobs/none", "/login"):
            found = re.findall(r'(?:href|src|action|data-root)="(/[^"]*)"', client.get(f"{site}{path}").text)
            assert found and all(link == ROOT or link.startswith(f"{ROOT}/") for link in found)
        assert client.get(f"{site}/openapi.json").json()["servers"] == [{"url": ROOT}]
        assert client.get(f"{site}/jobs/{job}/").status_code == 404  # a redirect would lead out of it
        assert client.get(f"{site}/v1/jobs", headers={"Host": "evil.example"}).status_code == 421
    with httpx.Client(timeout=SECONDS) as browser:
        assert browser.get(f"{site}/jobs/{job}").headers["location"] == f"{ROOT}/login?next=%2Fjobs%2F{job}"
        right = browser.post(f"{site}/login", data={"token": TOKEN, "next": f"/jobs/{job}"})
        assert right.headers["location"] == f"{ROOT}/jobs/{job}" and f"Path={ROOT};" in right.headers["set-cookie"]
        assert browser.get(f"{site}/v1/jobs").status_code == 200
        assert browser.post(f"{site}/logout").headers["location"] == f"{ROOT}/login" and not browser.cookies


def test_the_page_works_below_it(site, open_page, short):
    page = open_page()
    page.goto(f"{site}/")
    page.fill("#token", TOKEN)
    with page.expect_response("**/v1/events"):
        page.get_by_role("button").click()
    page.set_input_files("#files", str(short))
    page.get_by_role("link", name="short.mp4").click()
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator(".delete button").click()
    expect(page.locator("#empty")).to_be_visible()
