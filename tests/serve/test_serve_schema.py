"""The API under schemathesis: no request makes the server fail, and every response is as described."""

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks
from serving import SECONDS

CHECKS = [not_a_server_error, checks.status_code_conformance, checks.content_type_conformance]
CHECKS += [checks.response_headers_conformance, checks.response_schema_conformance]
REPEATED = {"derandomize": True, "database": None, "phases": [Phase.explicit, Phase.generate]}
SETTINGS = settings(max_examples=15, deadline=None, suppress_health_check=[*HealthCheck], **REPEATED)


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
    tried = [run(server, result.ok()) for result in schemathesis.openapi.from_dict(document).get_all_operations()]
    assert len(tried) == 10 and sum(tried) > 4 * 10 and server.job(job["id"])["state"] == "done"
    run(server, schemathesis.openapi.from_url(f"{server.url}/openapi.json")["/v1/jobs/{job_id}"]["DELETE"])


def run(server, operation):
    """Send generated requests; returns their number."""
    sent = []

    @SETTINGS
    @given(operation.as_strategy())
    def send(case):
        case.validate_response(case.call(base_url=server.url, timeout=SECONDS), checks=CHECKS)
        sent.append(case)

    send()
    return len(sent)
