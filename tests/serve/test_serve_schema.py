"""The API under schemathesis: whatever is sent, no answer is a fault of the server, and each is as described."""

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
EXAMPLES = 15


def test_no_request_makes_the_server_stumble(server, short):
    job = server.ended(server.upload(short).json()["id"])
    document = server.client.get("/openapi.json").json()
    for methods in document["paths"].values():  # half of the requests shall meet a job that is there
        for work in methods.values():
            for parameter in work.get("parameters", []):
                if parameter["name"] == "job_id":
                    parameter["schema"] = {"anyOf": [{"const": job["id"]}, parameter["schema"]]}
    document["paths"]["/v1/jobs/{job_id}"].pop("delete")  # the next test; the job is needed to the end
    schema = schemathesis.openapi.from_dict(document)
    tried, before = set(), requests(server)
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path == "/v1/events":  # never ends
            continue
        tried.add(operation.label)
        run(server, operation)
    assert len(tried) == 8 and requests(server) > before + 4 * len(tried)
    assert server.job(job["id"])["state"] == "done"


def test_no_delete_makes_the_server_stumble(server):
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    run(server, schema["/v1/jobs/{job_id}"]["DELETE"])


def requests(server):
    """How many the server has answered."""
    lines = server.client.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("facetell_requests_total"))


def run(server, operation):
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy())
    def send(case):
        response = case.call(base_url=server.url, timeout=SECONDS)
        case.validate_response(response, checks=CHECKS)

    send()
