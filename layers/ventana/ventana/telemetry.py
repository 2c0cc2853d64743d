"""Logs and metrics: what happened and how often, never a phone number, a text or a secret.

Log keys are ids of ours, counts, codes and durations. A metric is one outcome.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

Result = TypeVar("Result")
SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "ventana")
logger = Logger(service=SERVICE, log_uncaught_exceptions=False)
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Ventana"), service=SERVICE)


def count(name: str, value: float = 1) -> None:
    """Add to the metric `name`, a count."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def counted() -> bool:
    """Whether anything was counted in this invocation so far."""
    return bool(metrics.metric_set)


def beside_metrics(told: Mapping[str, str | int | float]) -> None:
    """Write codes and durations into the line of log that publishes this invocation's metrics; nobody counts them."""
    for name, value in told.items():
        metrics.add_metadata(name, value)


def of_provider(name: str) -> None:
    """Publish what is counted in this invocation once more by itself, under its provider."""
    metrics.add_dimensions(provider=name)


def seconds(name: str, value: float) -> None:
    """Add to the metric `name`, a duration."""
    metrics.add_metric(name=name, unit=MetricUnit.Seconds, value=value)


def gauge(name: str, value: float, **dimensions: str) -> None:
    """Publish at once how many of something there are, under dimensions of its own; without any, by service as all."""
    with single_metric(name=name, unit=MetricUnit.Count, value=value, namespace=metrics.namespace) as metric:
        for dimension, of in (dimensions or {"service": SERVICE}).items():
            metric.add_dimension(name=dimension, value=of)


def log_bug(event: str, error: Exception, **more: str) -> None:
    """Log an error that nobody foresaw by its kind and place; its text may hold what a customer wrote."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown"
    logger.error(event, extra={"error": type(error).__name__, "place": place, **more})


def measured(handler: Callable[..., Result]) -> Callable[..., Result]:
    """Publish the metrics of each invocation, also of one that fails; none where nothing was counted."""

    @wraps(handler)
    def publishing(*arguments: Any) -> Result:
        try:
            return handler(*arguments)
        finally:
            if metrics.metric_set:
                metrics.flush_metrics()
            metrics.clear_metrics()  # nothing was counted, or publishing is off: dimensions are this invocation's alone

    return publishing
