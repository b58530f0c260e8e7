"""Metrics, as a monitoring system reads them."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

PREFIX = "livekit_token_api_"


def parsed(text: str) -> dict[str, float]:
    """Read every sample, by its name and its labels, as `name{label=value}`."""
    return {
        written(sample.name, **sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def written(name: str, **labels: str) -> str:
    """Write the name of a sample, without the prefix that all of ours have."""
    inner = ",".join(f"{label}={value}" for label, value in sorted(labels.items()))
    return f"{name.removeprefix(PREFIX)}{{{inner}}}" if inner else name.removeprefix(PREFIX)


def scraped(url: str) -> dict[str, float]:
    """Ask for the metrics at an address."""
    answer = httpx.get(url)
    assert answer.status_code == 200
    return parsed(answer.text)


def labels_of(text: str) -> set[str]:
    """List every value of a label, but those of buckets and of Python's own metrics."""
    return {
        value
        for family in text_string_to_metric_families(text)
        if family.name.startswith(PREFIX)
        for sample in family.samples
        for label, value in sample.labels.items()
        if label != "le"
    }
