"""The API under schemathesis: no request makes the server fail, and every response is as described."""

import re

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from serving import SECONDS

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)


def test_every_response_is_as_described(server, short):
    job = server.ended(server.upload(short).json()["id"])
    document = server.client.get("/openapi.json").json()
    for methods in document["paths"].values():  # half of the requests are for a job that exists
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] == "job_id":
                    parameter["schema"] = {"anyOf": [{"const": job["id"]}, parameter["schema"]]}
    document["paths"]["/v1/jobs/{job_id}"].pop("delete")  # the job is needed to the end
    document["paths"].pop("/v1/events")  # its response never ends
    before, tried = requests(server), 0
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        run(server, result.ok())
        tried += 1
    assert tried == 8 and requests(server) > before + 4 * tried
    assert server.job(job["id"])["state"] == "done"
    run(server, schemathesis.openapi.from_url(f"{server.url}/openapi.json")["/v1/jobs/{job_id}"]["DELETE"])


def requests(server):
    """The number of requests that the server has answered."""
    return sum(map(float, re.findall(r"^facetell_requests_total\S+ (\S+)", server.metrics(), re.MULTILINE)))


def run(server, operation):
    @settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy())
    def send(case):
        case.validate_response(case.call(base_url=server.url, timeout=SECONDS), checks=CHECKS)

    send()
