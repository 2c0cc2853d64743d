"""Logs and metrics: what happened and how often, never a phone number, a text or a secret.

Log keys are ids of ours, counts, codes and durations. A metric is one outcome.
"""

from __future__ import annotations

import os

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "ventana")
logger = Logger(service=SERVICE, log_uncaught_exceptions=False)
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Ventana"), service=SERVICE)


def count(name: str, value: float = 1) -> None:
    """Add to the metric `name`, a count."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
