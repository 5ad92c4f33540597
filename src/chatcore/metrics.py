"""The server's recorder: Prometheus metrics under the names of the contract (protocol.md, 6), and log lines."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

import attrs
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from chatcore.logs import LogRecorder, logger_for
from chatcore.settings import Settings

BREAKER_VALUES = {"closed": 0, "half_open": 1, "open": 2}
"""``chatcore_breaker_state``: the higher, the less is let through."""

_START_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60)
"""Services take from a fraction of a second to twice the default limit."""

_RUN_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
"""Answers take from a query's time to a run's own limit."""

_DELIVERY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
"""A delivery is fast or something is wrong; 50 ms is what one client may cost another."""


class BatchHistogram(Collector):
    """A histogram that takes many equal observations at once, as there is one a frame: the library's takes one.

    Args:
        name: of the metric.
        documentation: of it.
        registry: where it is collected.
        buckets: their upper bounds, ascending; there is one more for everything above.
    """

    def __init__(
        self, name: str, documentation: str, _: Sequence[str], *, registry: CollectorRegistry, buckets: Sequence[float]
    ) -> None:
        self._name, self._documentation, self._bounds = name, documentation, (*buckets, float("inf"))
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0
        registry.register(self)

    def observe(self, value: float, count: int = 1) -> None:
        """Count so many observations of a value."""
        self._counts[bisect_left(self._bounds, value)] += count
        self._sum += value * count

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """See :class:`prometheus_client.registry.Collector`."""
        bounds = ["+Inf" if bound == float("inf") else str(float(bound)) for bound in self._bounds]
        buckets = list(zip(bounds, accumulate(self._counts), strict=True))
        yield HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=self._sum)


@attrs.frozen(eq=False, kw_only=True)
class Instruments:
    """Every metric, in registries of its own, so that two servers in one process do not share any.

    There are two: the contract has a gauge ``chatcore_connections`` and a counter ``chatcore_connections_total``, and
    the library takes those for one family.
    """

    registries: tuple[CollectorRegistry, CollectorRegistry]
    responses: Counter
    inauthentic: Counter
    connections: Gauge
    connections_total: Counter
    ready: Gauge
    initializations: Counter
    initialization_seconds: Histogram
    service_seconds: Histogram
    waiting: Gauge
    breaker: Gauge
    run_seconds: Histogram
    first_event_seconds: Histogram
    events: Counter
    delivery_seconds: BatchHistogram
    resumes: Counter
    slow_consumers: Counter
    lag: Histogram

    @classmethod
    def make(cls) -> Instruments:
        """Make every metric of :data:`METRICS`."""
        registries = (CollectorRegistry(), CollectorRegistry())
        made = {}
        for field, (kind, name, doc, labels, buckets) in METRICS.items():
            options: dict[str, Any] = {"buckets": buckets} if buckets else {}
            registry = registries[field == "connections_total"]
            made[field] = kind(name, doc, labels, registry=registry, **options)
        return cls(registries=registries, **made)


METRICS: dict[str, tuple[Callable[..., Any], str, str, tuple[str, ...], tuple[float, ...]]] = {
    "responses": (
        Counter,
        "chatcore_agent_responses_total",
        "Authentic answers delivered, by agent and outcome; the primary metric.",
        ("agent", "outcome"),
        (),
    ),
    "inauthentic": (
        Counter,
        "chatcore_inauthentic_responses_total",
        "Answers withheld because they were not authentic; alert above 0.",
        (),
        (),
    ),
    "connections": (Gauge, "chatcore_connections", "Open connections by state.", ("state",), ()),
    "connections_total": (
        Counter,
        "chatcore_connections_total",
        "Connections that ended, by outcome.",
        ("outcome",),
        (),
    ),
    "ready": (Gauge, "chatcore_ready", "1 while a generation of services is ready.", (), ()),
    "initializations": (
        Counter,
        "chatcore_initializations_total",
        "Attempts to start the services, by outcome.",
        ("outcome",),
        (),
    ),
    "initialization_seconds": (
        Histogram,
        "chatcore_initialization_seconds",
        "How long attempts took.",
        (),
        _START_BUCKETS,
    ),
    "service_seconds": (
        Histogram,
        "chatcore_service_initialization_seconds",
        "How long each service took to start.",
        ("service",),
        _START_BUCKETS,
    ),
    "waiting": (Gauge, "chatcore_waiting_connections", "Connections that wait for the services.", (), ()),
    "breaker": (Gauge, "chatcore_breaker_state", "0 closed, 1 half open, 2 open.", (), ()),
    "run_seconds": (Histogram, "chatcore_run_seconds", "How long runs took, by agent.", ("agent",), _RUN_BUCKETS),
    "first_event_seconds": (
        Histogram,
        "chatcore_time_to_first_event_seconds",
        "From the beginning of a run to its first event.",
        (),
        _RUN_BUCKETS,
    ),
    "events": (Counter, "chatcore_events_total", "Events of runs, by type.", ("type",), ()),
    "delivery_seconds": (
        BatchHistogram,
        "chatcore_event_delivery_seconds",
        "From a frame's making to its hand-over to the transport.",
        (),
        _DELIVERY_BUCKETS,
    ),
    "resumes": (Counter, "chatcore_resumes_total", "Resumes, by outcome.", ("outcome",), ()),
    "slow_consumers": (Counter, "chatcore_slow_consumers_total", "Connections cut because they were not read.", (), ()),
    "lag": (
        Histogram,
        "chatcore_event_loop_lag_seconds",
        "How late the event loop was, measured ten times a second.",
        (),
        _DELIVERY_BUCKETS,
    ),
}
"""Every metric by its field of :class:`Instruments`: kind, name, documentation, labels, buckets."""


@attrs.define(eq=False)
class Metrics(LogRecorder):
    """Counts and logs. See :class:`~chatcore.observability.Recorder` for what each method hears of."""

    instruments: Instruments
    _waiting: int = attrs.field(default=0, init=False)
    _connections: defaultdict[str, int] = attrs.field(factory=lambda: defaultdict(int), init=False)
    """By state. Gauges read it when they are asked for: a stampede moves thousands of connections at once."""
    _events: dict[str, Counter] = attrs.field(factory=dict, init=False)

    @classmethod
    def for_process(cls, settings: Settings) -> Metrics:
        """A recorder that logs as the settings say."""
        return cls(logger_for(settings.log_format), Instruments.make())

    def __attrs_post_init__(self) -> None:
        self.instruments.waiting.set_function(lambda: self._waiting)

    def exposition(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return b"".join(map(generate_latest, self.instruments.registries))

    def state_changed(self, state: str, breaker: str) -> None:
        """See :class:`Recorder`."""
        self.instruments.ready.set(1 if state == "ready" else 0)
        self.instruments.breaker.set(BREAKER_VALUES[breaker])
        self.log("services_state", state=str(state), breaker=str(breaker))

    def waiting_changed(self, waiting: int) -> None:
        """See :class:`Recorder`."""
        self._waiting = waiting

    def attempt_ended(self, outcome: str, seconds: float) -> None:
        """See :class:`Recorder`."""
        self.instruments.initializations.labels(outcome).inc()
        self.instruments.initialization_seconds.observe(seconds)
        self.log("initialization_ended", outcome=outcome, seconds=round(seconds, 3))

    def service_started(self, service: str, seconds: float) -> None:
        """See :class:`Recorder`."""
        self.instruments.service_seconds.labels(service).observe(seconds)
        self.log("service_started", service=service, seconds=round(seconds, 3))

    def connection_changed(self, before: str | None, after: str | None) -> None:
        """See :class:`Recorder`."""
        if before is not None:
            self._connections[before] -= 1
        if after is not None:
            if after not in self._connections:
                self.instruments.connections.labels(after).set_function(partial(self._connections.__getitem__, after))
            self._connections[after] += 1

    def connection_ended(self, outcome: str) -> None:
        """See :class:`Recorder`."""
        self.instruments.connections_total.labels(outcome).inc()

    def run_events(self, kind: str, count: int) -> None:
        """See :class:`Recorder`."""
        if kind not in self._events:
            self._events[kind] = self.instruments.events.labels(kind)
        self._events[kind].inc(count)

    def run_ended(self, agent: str, outcome: str, seconds: float) -> None:
        """See :class:`Recorder`."""
        self.instruments.run_seconds.labels(agent).observe(seconds)
        self.instruments.responses.labels(agent, outcome).inc()
        if outcome == "inauthentic":
            self.instruments.inauthentic.inc()

    def first_event(self, seconds: float) -> None:
        """See :class:`Recorder`."""
        self.instruments.first_event_seconds.observe(seconds)

    def delivered(self, seconds: float, count: int = 1) -> None:
        """See :class:`Recorder`."""
        self.instruments.delivery_seconds.observe(seconds, count)

    def resumed(self, outcome: str) -> None:
        """See :class:`Recorder`."""
        self.instruments.resumes.labels(outcome).inc()

    def slow_consumer(self) -> None:
        """See :class:`Recorder`."""
        self.instruments.slow_consumers.inc()

    def loop_lag(self, seconds: float) -> None:
        """See :class:`Recorder`."""
        self.instruments.lag.observe(seconds)
