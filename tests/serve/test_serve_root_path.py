"""Under a sub-path of a reverse proxy, which removes the path or not: every address is below it."""

import re

import httpx
import pytest
from playwright.sync_api import expect
from serving import BEARER, SECONDS, TOKEN, serving
from starlette.responses import PlainTextResponse

from chromium import DESK
from facetell.serve.models import Limits

ROOT = "/apps/facetell"


class Proxy:
    """Passes requests under ROOT on, with or without that path, and records the paths of all others."""

    def __init__(self, app, *, removes):
        self.app, self.removes, self.outside = app, removes, []

    async def __call__(self, scope, receive, send):
        app = self.app
        if scope["type"] == "http":
            path = scope["path"]
            if not path.startswith(f"{ROOT}/"):
                self.outside.append(path)
                app = PlainTextResponse("another application", 404)
            if self.removes:
                scope = {**scope, "path": path.removeprefix(ROOT)}
        await app(scope, receive, send)


@pytest.fixture(params=[True, False], ids=["removed", "kept"])
def site(request, tmp_path):
    proxies = []

    def wrap(app):
        proxies.append(Proxy(app, removes=request.param))
        return proxies[0]

    with serving(tmp_path / "data", Limits(), wrap=wrap, root_path=ROOT, token=TOKEN) as (url, _):
        yield f"{url}{ROOT}"
        assert proxies[0].outside == []


def test_every_link_and_redirect_is_below_it(site, short):
    with httpx.Client(timeout=SECONDS, headers=BEARER) as client:
        answer = client.post(f"{site}/v1/jobs", files={"file": ("short.mp4", short.read_bytes())})
        job = answer.json()
        assert answer.headers["location"] == f"{ROOT}/v1/jobs/{job['id']}"
        for path in ("/", "/?before=9", f"/jobs/{job['id']}", "/jobs/none", "/login"):
            page = client.get(f"{site}{path}").text
            found = re.findall(r'(?:href|src|action|data-root)="(/[^"]*)"', page)
            assert found and all(link == ROOT or link.startswith(f"{ROOT}/") for link in found)
        assert client.get(f"{site}/openapi.json").json()["servers"] == [{"url": ROOT}]
        assert client.get(f"{site}/static/page.js").status_code == 200
        assert client.get(f"{site}/jobs/{job['id']}/").status_code == 404  # a redirect would lead out of it
        assert client.get(f"{site}/v1/jobs", headers={"Host": "evil.example"}).status_code == 421
    with httpx.Client(timeout=SECONDS) as browser:
        asked = browser.get(f"{site}/jobs/{job['id']}")
        assert asked.headers["location"] == f"{ROOT}/login?next=%2Fjobs%2F{job['id']}"
        right = browser.post(f"{site}/login", data={"token": TOKEN, "next": f"/jobs/{job['id']}"})
        assert right.headers["location"] == f"{ROOT}/jobs/{job['id']}"
        assert f"Path={ROOT};" in right.headers["set-cookie"]
        assert browser.get(f"{site}/v1/jobs").status_code == 200
        assert browser.post(f"{site}/logout").headers["location"] == f"{ROOT}/login"
        assert not browser.cookies


def test_the_page_works_below_it(site, browser, short):
    with browser.new_context(viewport=DESK) as context:
        page = context.new_page()
        page.set_default_timeout(1000 * SECONDS)
        expect.set_options(timeout=1000 * SECONDS)
        page.goto(f"{site}/")
        page.fill("#token", TOKEN)
        with page.expect_response("**/v1/events"):
            page.get_by_role("button").click()
        page.set_input_files("#files", str(short))
        expect(page.locator('#jobs .job[data-state="queued"]')).to_have_count(1)
        page.get_by_role("link", name="short.mp4").click()
        expect(page.locator(".detail")).to_be_visible()
        page.on("dialog", lambda dialog: dialog.accept())
        page.locator(".delete button").click()
        expect(page.locator("#empty")).to_be_visible()
        page.get_by_role("button", name="Log out").click()
        expect(page.locator("#token")).to_be_visible()
        assert page.url == f"{site}/login"
