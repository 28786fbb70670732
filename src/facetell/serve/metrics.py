"""Metrics for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

BUCKETS = (0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter("facetell_requests", "Requests answered", ["method", "status"], registry=registry)
        self.received = Counter("facetell_upload_bytes", "Bytes of videos received", registry=registry)
        self.refused = Counter("facetell_uploads_refused", "Uploads refused, by reason", ["code"], registry=registry)
        self.ended = Counter("facetell_jobs_ended", "Jobs that were done or failed", ["state"], registry=registry)
        self.crashes = Counter("facetell_worker_crashes", "Processes that ended during a job", registry=registry)
        self.seconds = Histogram("facetell_job_seconds", "Duration of scoring", buckets=BUCKETS, registry=registry)
        self.jobs = Gauge("facetell_jobs", "Jobs kept, by state", ["state"], registry=registry)
        self.uploads = Gauge("facetell_uploads_running", "Uploads being received", registry=registry)
        self.streams = Gauge("facetell_event_streams", "Event streams open", registry=registry)
        self.workers = Gauge("facetell_workers_ready", "Workers with a loaded model", registry=registry)
        self.free = Gauge("facetell_free_bytes", "Free bytes on the disk of the data folder", registry=registry)
