"""Medians, ratios, budgets: what the runs say, as a table and as JSON, and whether it is good enough.

The ratios to baselines of the same run are the gate, for they hold on a slow or busy machine too. The budgets are
for a quiet machine with 2 cores; twice a budget fails, as a backstop. Both are those of ``performance.md`` in the
project's notes, "Budgets" and "The project's own benchmark".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.measure import Result

SCHEMA = "workbench/benchmark/1"
BACKSTOP = 2.0
SEARCH_PODS = 10_000
"""From this size on a search of the graph is gated: below it, calling numpy is most of it."""
COMMAND_PODS = 30_000
"""From this size on the whole command is gated: below it, starting Python is most of it."""

_SIZES = (1_000, 10_000, 30_000)
BUDGETS: dict[tuple[str, str], tuple[float, float, float]] = {
    ("phases", "decode"): (0.1, 1.0, 3.0),
    ("phases", "rbac"): (0.05, 0.3, 0.5),
    ("network", "network classes"): (0.05, 0.3, 1.5),
    ("phases", "build"): (0.1, 0.7, 2.5),
    ("phases", "compile, paths, choke points"): (0.05, 0.2, 0.7),
    ("answer", "total"): (0.35, 1.8, 5.0),
    ("answer", "peak RSS"): (150, 300, 600),
    ("interactive", "what-if"): (5, 15, 30),
    ("interactive", "20 alternatives"): (20, 50, 150),
    ("keys", "key to paint"): (50, 50, 50),
}
"""At 1,000, 10,000 and 30,000 pods: CPU seconds, MB, and milliseconds at the 95th percentile: CPU, but of keys what a
person waits. That of a what-if is of 200 random ones and of the most loaded edges, as the budget is; real fixes are
listed beside them."""
_UNITS = {"peak RSS": "MB", "what-if": "ms CPU", "20 alternatives": "ms CPU", "key to paint": "ms wall"}
START_UP = {"--help": 0.12, "first paint": 0.5}
"""Seconds from the start of the process, the best of all runs, since other work can only slow it."""


@dataclass(frozen=True)
class Ratio:
    """What a case costs as a share of its baseline, and the most that it may."""

    name: str
    value: float
    limit: float
    gate: bool

    @property
    def failed(self) -> bool:
        """Whether the gate fails by this."""
        return self.gate and self.value > self.limit


@dataclass(frozen=True)
class Figure:
    """One figure with a budget."""

    name: str
    value: float
    budget: float | None
    unit: str

    @property
    def mark(self) -> str:
        """Empty within the budget, ``over`` above it, ``FAIL`` beyond the backstop."""
        if self.budget is None or self.value <= self.budget:
            return ""
        return "FAIL" if self.value > BACKSTOP * self.budget else "over"


@dataclass
class Size:
    """All runs with one generated cluster; ``pods`` is 0 for what needs none."""

    pods: int
    bytes: int = 0
    objects: dict[str, int] = field(default_factory=dict)
    runs: dict[str, list[Result]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def cpu(self, case: str, phase: str) -> float | None:
        """The median CPU seconds of a phase, ``None`` if it did not run."""
        found = [result.phases[phase][1] for result in self.runs.get(case, ()) if phase in result.phases]
        return median(found) if found else None

    def samples(self, case: str, prefix: str) -> list[float]:
        """The small runs whose name begins so, sorted."""
        runs = self.runs.get(case, ())
        return sorted(
            value
            for result in runs
            for name, values in result.samples.items()
            if name.startswith(prefix) and not name.endswith("all numbers")
            for value in values
        )

    # --- judging ----------------------------------------------------------------------------------

    def ratios(self) -> list[Ratio]:
        """Each case as a share of its baseline."""
        big, command = self.pods >= SEARCH_PODS, self.pods >= COMMAND_PODS
        wanted = (
            ("decode / json", ("decode", "decode"), ("json", "json"), 0.5, True),
            ("reach / networkx", ("networkx", "reach"), ("networkx", "networkx reach"), 0.1, big),
            ("compile / networkx build", ("networkx", "compile"), ("networkx", "networkx build"), 1.0, False),
            ("workbench paths, manifests / json", ("paths-manifests", "command"), ("json", "json"), 1.5, command),
            ("workbench paths, snapshot / json", ("paths-snapshot", "command"), ("json", "json"), 0.8, command),
        )
        out: list[Ratio] = []
        for name, case, baseline, limit, gate in wanted:
            value, base = self.cpu(*case), self.cpu(*baseline)
            if value is not None and base:
                out.append(Ratio(name, value / base, limit, gate))
        return out

    def figures(self) -> list[Figure]:
        """What has a budget, in the order of the budgets."""
        if not self.pods:
            return list(self._start_up())
        last = self.runs.get("phases", [])
        values: dict[tuple[str, str], float | None] = {
            ("phases", phase): self.cpu("phases", phase) for phase in ("decode", "rbac", "build")
        }
        searching = [self.cpu("phases", phase) or 0.0 for phase in ("compile", "paths", "choke points")]
        values["phases", "compile, paths, choke points"] = sum(searching) if last else None
        answers = self.runs.get("answer", [])
        if answers:
            values["answer", "total"] = median(sum(cpu for _, cpu in each.phases.values()) for each in answers)
            values["answer", "peak RSS"] = median(each.peak_rss for each in answers)
        for name in ("what-if", "20 alternatives"):
            found = self.samples("interactive", name)
            values["interactive", name] = percentile(found, 95) if found else None
        pressed = self.samples("keys", "")
        values["keys", "key to paint"] = percentile(pressed, 95) if pressed else None
        out: list[Figure] = []
        for key, budgets in BUDGETS.items():
            value = values.get(key)
            if value is not None:
                unit = _UNITS.get(key[1], "s CPU")
                out.append(Figure(f"{key[0]}: {key[1]}", value, _budget(budgets, self.pods), unit))
        return out

    def _start_up(self) -> Iterator[Figure]:
        for phase, budget in START_UP.items():
            walls = [result.phases[phase][0] for result in self.runs.get("startup", ())]
            if walls:
                yield Figure(phase, min(walls), budget, "s wall")

    def faults(self, expected: dict[str, Any] | None = None) -> list[str]:
        """Everything by which this size fails."""
        out = list(self.failures)
        for case, runs in self.runs.items():
            digests = [run.digest for run in runs]
            if any(_contradict(digest, digests[0]) for digest in digests):
                out.append(f"{case}: the answers differ from run to run")
            known = (expected or {}).get(case, {}).get("digest")
            if known is not None and digests and _contradict(known, digests[0]):
                out.append(f"{case}: the answers are not those of the earlier run")
        for ratio in self.ratios():
            if ratio.failed:
                out.append(f"{ratio.name} is {ratio.value:.2f}, the limit {ratio.limit:g}")
        for figure in self.figures():
            if figure.mark == "FAIL":
                out.append(f"{figure.name} is {figure.value:.3g} {figure.unit}, twice the budget of {figure.budget:g}")
        return out

    # --- writing ----------------------------------------------------------------------------------

    def as_data(self) -> dict[str, Any]:
        """Everything, as plain data."""
        return {
            "pods": self.pods,
            "bytes": self.bytes,
            "objects": self.objects,
            "cases": {case: _case(runs) for case, runs in self.runs.items()},
            "ratios": [
                {"name": each.name, "value": round(each.value, 4), "limit": each.limit, "gate": each.gate}
                for each in self.ratios()
            ],
            "figures": [
                {"name": each.name, "value": each.value, "budget": each.budget, "unit": each.unit, "mark": each.mark}
                for each in self.figures()
            ],
        }

    def table(self) -> Iterator[str]:
        """Everything, as lines."""
        yield f"== {self.pods:,} pods, {self.bytes / 1e6:,.0f} MB of JSON" if self.pods else "== start-up"
        yield f"  {'case, phase':<46}{'CPU s':>9}{'spread':>18}{'wall s':>9}{'RSS MB':>9}"
        for case, runs in self.runs.items():
            rss = f"{median(run.peak_rss for run in runs):,.0f}"
            for phase in runs[0].phases:
                cpu = [run.phases[phase][1] for run in runs]
                wall = median(run.phases[phase][0] for run in runs)
                spread = f"{min(cpu):.3f}-{max(cpu):.3f}"
                yield f"  {f'{case}: {phase}':<46}{median(cpu):>9.3f}{spread:>18}{wall:>9.3f}{rss:>9}"
                rss = ""
            for name in runs[0].samples:
                found = sorted(value for run in runs for value in run.samples.get(name, ()))
                ranks = f"p50 {percentile(found, 50):.1f}  p95 {percentile(found, 95):.1f}  max {found[-1]:.1f}"
                yield f"  {f'{case}: {name}':<46}  {ranks} ms {'wall' if case == 'keys' else 'CPU'}  of {len(found)}"
            if runs[0].counts:
                yield f"  {'':<4}{', '.join(f'{value:,} {name}' for name, value in runs[0].counts.items())}"
        for ratio in self.ratios():
            mark = "FAIL" if ratio.failed else "over" if ratio.value > ratio.limit else ""
            limit = f"{ratio.limit:g}" if ratio.gate else f"{ratio.limit:g}, no gate"
            yield f"  {ratio.name:<46}{ratio.value:>9.3f}   of {limit}  {mark}"
        for figure in self.figures():
            limit = "" if figure.budget is None else f"   of {figure.budget:g}"
            yield f"  {figure.name:<46}{figure.value:>9.3f}{limit} {figure.unit}  {figure.mark}"


def _case(runs: Sequence[Result]) -> dict[str, Any]:
    phases: dict[str, Any] = {}
    for phase in runs[0].phases:
        walls = [run.phases[phase][0] for run in runs]
        cpus = [run.phases[phase][1] for run in runs]
        phases[phase] = {"wall": _spread(walls), "cpu": _spread(cpus)}
    samples: dict[str, Any] = {}
    for name in runs[0].samples:
        found = sorted(value for run in runs for value in run.samples.get(name, ()))
        ranks = {f"p{rank}": round(percentile(found, rank), 3) for rank in (50, 95)}
        samples[name] = {**ranks, "max": round(found[-1], 3), "runs": len(found)}
    return {
        "runs": len(runs),
        "phases": phases,
        "samples_ms": samples,
        "peak_rss_mb": _spread([run.peak_rss for run in runs]),
        "counts": runs[0].counts,
        "digest": runs[0].digest,
    }


def _contradict(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two digests differ in an answer that both hold; what took too long has none."""
    return any(one[name] != other[name] for name in one.keys() & other.keys())


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": round(median(values), 4), "min": round(min(values), 4), "max": round(max(values), 4)}


def percentile(ordered: Sequence[float], rank: int) -> float:
    """The value that ``rank`` percent of the sorted values do not exceed (nearest rank)."""
    return ordered[max(-(-len(ordered) * rank // 100), 1) - 1]


def _budget(budgets: tuple[float, float, float], pods: int) -> float | None:
    """The budget of a size that has one."""
    return budgets[_SIZES.index(pods)] if pods in _SIZES else None


def print_table(sizes: Iterable[Size], faults: Sequence[str]) -> None:
    """Print all sizes, and at the end what fails."""
    for size in sizes:
        for line in size.table():
            print(line)
        print()
    print("\n".join(f"FAIL {fault}" for fault in faults) if faults else "all gates passed")
