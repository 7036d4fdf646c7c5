"""The tables that people read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.bench.cases import Case
from benchmarks.bench.measure import Round, Rounds
from benchmarks.bench.reckoning import Figure, ratio


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; all columns but the first hold numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def microseconds(values: Sequence[float]) -> str:
    """The median of rounds and how far they lie apart; a dash for none."""
    if not values:
        return "-"
    figure = Figure.of(values)
    return f"{figure.median:,.0f} ± {figure.noise:.0%}"


def costs(cases: Sequence[Case], rounds: Rounds, proxy: str) -> str:
    """CPU for each request, and ratios to the proxy."""
    others = list(dict.fromkeys(name for of in rounds.values() for name in of if name not in (proxy, "direct")))
    rows = []
    for case in cases:
        of = rounds[case.name]
        theirs = _cpu(of.get(proxy, ()))
        row = [f"{case.name}: {case.says}", microseconds(theirs)]
        for name in others:
            ours = _cpu(of.get(name, ()))
            row += [microseconds(ours), _ratio(ours, theirs)]
        rows.append(row)
    return table(["CPU µs a request", proxy, *(head for name in others for head in (name, f"to {proxy}"))], rows)


def times(cases: Sequence[Case], rounds: Rounds) -> str:
    """What is added to the times that clients see without anybody in the way, in milliseconds."""
    rows = []
    for case in cases:
        of = rounds[case.name]
        if "direct" not in of:
            continue
        plain = of["direct"]
        rows.append([case.name, "direct", *(_milliseconds(_times(plain, which)) for which in _WHICH)])
        for name, done in of.items():
            if name != "direct":
                added = [
                    _milliseconds([mine - other for mine, other in zip(_times(done, w), _times(plain, w), strict=True)])
                    for w in _WHICH
                ]
                rows.append([case.name, f"{name} adds", *added])
    return table(["ms", "", "answer p50", "answer p99", "first byte p50", "piece p50", "piece p99"], rows)


def streamed(cases: Sequence[Case], rounds: Rounds) -> str:
    """Whether pieces came apart that were sent apart."""
    rows = []
    for case in cases:
        if case.plan.interval_ms:
            for name, done in rounds[case.name].items():
                answered, held_back = (
                    sum(getattr(each.seen, what) for each in done) for what in ("answered", "held_back")
                )
                pieces = Figure.of([each.seen.pieces.p50 for each in done]).median
                rows.append([case.name, name, str(answered), f"{pieces:.0f}", str(held_back)])
    return table(["streams", "", "answered", "pieces each", "held back"], rows)


def steps(cases: Sequence[Case], rounds: Rounds, proxy: str, layers: Sequence[str]) -> str:
    """What each layer costs with all before it, and how much of that is its own."""
    rows = []
    for number, name in enumerate([proxy, *layers]):
        row = [name if name == proxy else f"{'+ ' if number > 1 else ''}{name}"]
        for case in cases:
            of = rounds[case.name]
            cost = _cpu(of[name])
            before = _cpu(of[layers[number - 2]]) if number > 1 else []
            own = [mine - other for mine, other in zip(cost, before, strict=True)] if before else []
            row += [microseconds(cost), f"{Figure.of(own).median:+,.0f}" if own else "", _ratio(cost, _cpu(of[proxy]))]
        rows.append(row)
    heads = [head for case in cases for head in (f"{case.name} µs", "own", f"to {proxy}")]
    return table(["layer, with all before it", *heads], rows)


def summary(result: Mapping[str, Any]) -> str:
    """The start, the memory, and whether all is on record."""
    memory = result["memory_mb"]
    lines = [
        f"start to /readyz {result['seconds_to_ready']:.2f} s",
        f"memory {memory['idle']:.0f} MB idle, {memory['after']:.0f} after, {memory['peak']:.0f} at most",
    ]
    lines += [
        f"{name.replace('_', ', ')}: seen {result[name]['seen']:,}, on record {result[name]['on_record']:,}"
        for name in RECORDS
        if name in result
    ]
    return "\n".join(lines)


def clean(result: Mapping[str, Any]) -> bool:
    """Whether everything that was seen is on record, and nothing was held back."""
    held_back = (each.seen.held_back for done in result["cases"].values() for of in done.values() for each in of)
    return not any(held_back) and all(
        result[name]["seen"] == result[name]["on_record"] for name in RECORDS if name in result
    )


RECORDS = ("record", "postgres_record")

_WHICH = (
    ("latency", "p50"),
    ("latency", "p99"),
    ("first_byte", "p50"),
    ("delay", "p50"),
    ("delay", "p99"),
)


def _times(done: Sequence[Round], which: tuple[str, str]) -> list[float]:
    return [float(getattr(getattr(each.seen, which[0]), which[1])) for each in done]


def _cpu(done: Sequence[Round]) -> list[float]:
    return [each.cpu_us for each in done]


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    if not ours or not any(theirs):
        return "-"
    figure = ratio(ours, theirs)
    return f"{figure.median:.1f}x ({figure.least:.1f} to {figure.most:.1f})"


def _milliseconds(values: Sequence[float]) -> str:
    return f"{Figure.of(values).median:.2f}" if any(values) else "-"
