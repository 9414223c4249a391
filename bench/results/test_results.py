"""The pages of docs/results are what their CSV files give, and what README.md and the pages say of them is so.

    python -m pytest bench/results
"""

import re
import statistics
import tomllib
from pathlib import Path

import field
import numpy as np
import pytest
import records
import results
import smoothers
import square
import windows
from calibration import BAND

PAGES = results.pages()
WRONG = "wrong-model-lorenz96-10"
FOURTH = {"every-fourth-lorenz96": "1", "every-fourth-lorenz96-precise": "0.7"}  # by the standard deviation of the error
README, FINDINGS = "README.md", "docs/results/README.md"


ROWS = {name: results.read_csv(name) for name in [*PAGES, *(f"black-box-{k}" for k in results.BOXES)]}
BOX = {k: results.by_filter("black-box", ROWS[f"black-box-{k}"])[0] for k in results.BOXES}
L63 = results.by_filter("paper-lorenz63", ROWS["paper-lorenz63"])[0]


def best(family, size, scores=L63):
    return results.champion(scores, size, family)[1]


def mean(family, size):
    return statistics.fmean(best(family, size))


def rivals(scores, size):
    """Returns the scores of the best rival of joint, by seed, or None where each fails in some replicate."""
    found = [results.champion(scores, size, family) for family in results.RIVALS]
    return min((f[1] for f in found if f), key=statistics.fmean, default=None)


def leads():
    """Yields, for every page with a model that is right and every size, joint's mean lead over its best rival in standard errors
    of the difference."""
    for name in PAGES:
        if name == WRONG:
            continue
        scores, sizes = results.by_filter(name, ROWS[name])
        for size in sizes:
            theirs = rivals(scores, size)
            if theirs is None:
                continue
            lead = [b - a for a, b in zip(best("joint, defaults", size, scores), theirs, strict=True)]
            yield name, statistics.fmean(lead) / results.standard_error(lead)


def calibration():
    """Returns the rows of docs/results/calibration.md: by set-up N, spread over error, and tenths."""
    text = (results.OUT / "calibration.md").read_text()
    found = re.findall(r"^\| (\S+) \| (\d+) \| ([0-9.]+) \| ([0-9. ]+) \| (within|outside by [0-9.]+) \|", text, re.MULTILINE)
    return {name: (int(n), float(ratio), [float(t) for t in tenths.split()], band) for name, n, ratio, tenths, band in found}


def span(values):
    return f"{min(values):.2f} to {max(values):.2f}"


def claims():
    """Yields what pages must say, with the numbers of today."""
    printed = results.PRINTED["paper-lorenz63"]
    at_100 = results.SIZES_PRINTED.index(100)
    yield README, (
        f"On the paper's Lorenz-63 with 100 members, its 2-Wasserstein distance to a reference posterior is {mean('joint, defaults', 100):.1f}; "
        f"the paper prints {printed['diffusion'][at_100]:.1f} for its own filter and {printed['EnKF'][at_100]:.1f} for its EnKF."
    )

    sizes = [20, 50, 100, 250, 500, 1000]
    for label, values in [
        ("`joint`", [mean("joint, defaults", n) for n in sizes]),
        ("best rival", [statistics.fmean(rivals(L63, n)) for n in sizes]),
    ]:
        yield FINDINGS, f"| {label} | " + " | ".join(f"{v:.1f}" for v in values) + " |"
    kde = {n: f"{mean('kde, best bandwidths', n):.1f}" for n in sizes}
    theirs = dict(zip(results.SIZES_PRINTED, printed["diffusion"], strict=True))
    yield FINDINGS, (
        f"Lorenz-63: {kde[20]}, {kde[50]}, {kde[100]} at N = 20, 50, 100 (printed: {theirs[20]}, {theirs[50]}, {theirs[100]}) and {kde[1000]} at N = 1000 ({theirs[1000]}). "
        f"At N = 250 it stays at {kde[250]} ± {results.standard_error(best('kde, best bandwidths', 250)):.1f} where the paper prints {theirs[250]}"
    )
    exact = list(L63[250, "kde-exact-0_6-4"].values())
    yield FINDINGS, f"`kde-exact-0_6-4`: {statistics.fmean(exact):.1f} ± {results.standard_error(exact):.1f} in the ten replicates"
    first = [best(f, 1000)[0] for f in ("joint, defaults", "kde, best bandwidths", "SIR, best jitter")]
    means = [mean(f, 1000) for f in ("joint, defaults", "kde, best bandwidths", "SIR, best jitter")]
    yield FINDINGS, (
        f"in seed 1 at N = 1000, `joint` is at {first[0]:.1f}, `kde` at {first[1]:.1f} and the regularised particle filter at {first[2]:.1f}, "
        f"against means of {means[0]:.1f}, {means[1]:.1f} and {means[2]:.1f}"
    )

    every = list(leads())
    close = [name for name, lead in every if -1 < lead < 1]
    behind = [lead for _, lead in every if lead < 0]
    words = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
    yield FINDINGS, (
        f"Its mean is the lowest in {len(every) - len(behind)} of {len(every)} cells. In {words[len(close)]} the difference to the best rival is less than one standard error "
        f"of it. `joint` is behind in {words[len(behind)]}, by at most {-min(behind):.1f} standard errors."
    )

    scores, sizes = results.by_filter(WRONG, ROWS[WRONG])
    ours = [f"{statistics.fmean(best('joint, defaults', n, scores)):.3f}" for n in sizes]
    theirs = [f"{statistics.fmean(rivals(scores, n)):.3f}" for n in sizes]
    yield FINDINGS, f"With N = {', '.join(map(str, sizes))} the RMSE of `joint` is {', '.join(ours)}, that of the best ETKF {', '.join(theirs)}"

    gaps = [statistics.fmean(best("joint, defaults", n, scores)) - statistics.fmean(rivals(scores, n)) for n in sizes]
    yield FINDINGS, f"with a model that is wrong, by {', '.join(f'{g:.3f}' for g in gaps)} at N = {', '.join(map(str, sizes))} of the RMSE of the best tuned ETKF"

    for name, error in FOURTH.items():
        scores, sizes = results.by_filter(name, ROWS[name])
        ours = [results.champion(scores, n, "joint, defaults") for n in sizes]
        ours = [f"{statistics.fmean(found[1]):.2f}" if found else results.failures(scores, n, "joint, defaults") for n, found in zip(sizes, ours, strict=True)]
        theirs = [f"{statistics.fmean(found):.2f}" if (found := rivals(scores, n)) else "fails" for n in sizes]
        yield FINDINGS, f"with an error of {error} {', '.join(ours)} at N = {', '.join(map(str, sizes))}; the best LETKF {', '.join(theirs)}"

    of_box = {k: [f"{statistics.fmean(best('joint, defaults', n, BOX[k])):.2f}" for n in results.BOXED] for k in (results.SIMULATED, 1, 10)}
    yield FINDINGS, (
        f"At N = 20, 50, 100 the RMSE of `joint` is {', '.join(of_box[results.SIMULATED])} with one reading of each member as it is, {', '.join(of_box[1])} where Plume learns from the readings, and {', '.join(of_box[10])} with ten readings"
    )

    boxed = [results.lead(BOX[k], n).split() for k in results.READINGS for n in results.BOXED]
    most = max(float(mean) / float(error) for mean, _, error, _ in boxed)
    yield FINDINGS, f"or behind by at most {most:.1f} standard errors, in all {len(boxed)} cells"

    judged = calibration()
    others = [
        results.ratio(ROWS[name], size)
        for name in PAGES
        for size in results.by_filter(name, ROWS[name])[1]
        if name in judged and size != judged[name][0]
    ]
    ratios = [row[1] for name, row in judged.items() if name != "paper-lorenz63-1000-cycles"]
    assert len(ratios) == 8
    yield FINDINGS, f"Spread over error is {span(ratios)} in all eight set-ups, and {span(others)} for the other sizes of the tables."
    outside = {name: row for name, row in judged.items() if row[3] != "within"}
    assert list(outside) == ["paper-lorenz63"]
    tenths = outside["paper-lorenz63"][2]
    assert len([t for t in tenths if not BAND[0] <= t <= BAND[1]]) == 2
    yield FINDINGS, f"two tenths are outside ({min(tenths):.2f} and {max(tenths):.2f}, by up to {outside['paper-lorenz63'][3].split()[-1]} standard errors)"
    tenths = judged["sakov2008-lorenz96"][2]
    yield FINDINGS, f"On `sakov2008-lorenz96` the outer tenths are hit {tenths[0]:.2f} and {tenths[-1]:.2f} times as often"
    yield FINDINGS, f"over 1000 cycles the tenths are {span(judged['paper-lorenz63-1000-cycles'][2])}"

    pf = expected("sakov2008-lorenz96")["local-pf"]
    yield "plugins/filter-pf/README.md", f"(`sakov2008-lorenz96`) is {pf['value']:.2f}"


def expected(workflow):
    """Returns the expected scores of a workflow by filter, which make experiments checks."""
    text = (results.ROOT / "workflows" / f"{workflow}.toml").read_text()
    return {score["filter"]: score for score in tomllib.loads(text)["expect"]["score"] if score["metric"] == "rmse"}


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_those_of_their_data(name):
    assert (results.OUT / f"{name}.md").read_text() == results.page(name, ROWS[name])


def test_the_page_of_the_black_box_is_that_of_its_data():
    assert (results.OUT / "black-box.md").read_text() == results.black_box_page(BOX)


@pytest.mark.parametrize(("page", "claim"), list(claims()))
def test_pages_say_what_the_data_give(page, claim):
    text = " ".join((results.ROOT / page).read_text().split())
    assert " ".join(claim.split()) in text


def test_long_runs_are_within_what_workflows_expect():
    """The RMSE of joint over 10,000 cycles in docs/results/README.md."""
    text = (results.ROOT / FINDINGS).read_text()
    rows = re.findall(r"^\| `(\w+-lorenz\d+)`, N = (\d+) \| ([0-9.]+), ([0-9.]+) \| ([0-9.]+), ([0-9.]+) \((\w+)\) \|", text, re.MULTILINE)
    assert len(rows) == 3
    for workflow, size, *values, rival in rows:
        scores = expected(workflow)
        for label, pair in (("joint", values[:2]), (rival.lower(), values[2:])):
            want = next((s for s in (f"{label}-{size}", label) if s in scores), None)
            assert want, f"{workflow} expects nothing of {label} with {size} members"
            bound = scores[want].get("tolerance") or scores[want]["relative"] * scores[want]["value"]
            assert all(abs(float(v) - scores[want]["value"]) <= bound for v in pair), (workflow, want)


def test_records():
    rows = results.read_csv("records")
    assert records.page(rows) == (results.OUT / "records.md").read_text()
    error = {f: statistics.fmean(float(r["error"]) for r in rows if r["setup"] == "60-cycles" and r["filter"] == f) for f in records.FILTERS}
    assert error["joint-window"] < error["joint"] / 2 and error["etkf-window"] < error["etkf"] / 2 and error["es-mda"] < error["smoother"] / 2


def test_smoothers():
    rows = results.read_csv("smoothers")
    assert smoothers.page(rows) == (results.OUT / "smoothers.md").read_text()
    text = (results.ROOT / FINDINGS).read_text()
    for setup in smoothers.SETUPS:
        rmse = {key: statistics.fmean(v) for key, v in smoothers.cells(rows, setup, "rmse").items()}
        for name in ("etkf", "joint"):
            by_lag = [rmse[f"{name}-window-6", lag] for lag in range(11)]
            assert by_lag == sorted(by_lag, reverse=True)  # later observations help, up to the tenth cycle
            assert rmse[f"{name}-window-6", 6] < rmse[f"{name}-window", 6] < rmse[name, 6]
        assert ", ".join(f"{rmse[name, 6]:.2f}" for name in ("etkf", "etkf-window", "etkf-window-6")) in text


def test_windows():
    rows = results.read_csv("windows")
    assert windows.page(rows) == (results.OUT / "windows.md").read_text()
    gains = [c.rmse["joint-window"][seed] / v - 1 for s in windows.SETUPS for c in windows.cells(rows, s).values() for seed, v in c.rmse["joint"].items()]
    assert statistics.fmean(gains) < -0.2
    for setup in windows.HARD:
        for c in windows.cells(rows, setup).values():
            for name in ("etkf", "joint"):
                assert set(c.rmse[name]) <= set(c.rmse[f"{name}-window"])  # no twin is lost


def test_square():
    rows = results.read_csv("square")
    assert square.page(rows) == (results.OUT / "square.md").read_text()
    distance, sizes = square.cells(rows, "distance")
    for label in ("joint", "joint-passes", "sir"):
        means = [statistics.fmean(distance[size, label]) for size in sizes]
        assert means == sorted(means, reverse=True)  # more members come nearer to the exact posterior
    ours = [statistics.fmean(distance[size, "joint"]) for size in (100, 500)]
    assert f"from a distance of {ours[0]:.2f} with 100 to {ours[1]:.2f} with 500" in (results.ROOT / FINDINGS).read_text()
    assert all(statistics.fmean(distance[size, "joint-passes"]) < statistics.fmean(distance[size, "sir"]) for size in sizes)


def test_exact_means_of_the_square():
    """Without noise in the observations |x| is known."""
    assert np.allclose(square.exact_means([1.0, 0.25], 0.01, 0.9, 0.4), [1.0, 0.5], atol=0.01)


def test_the_field_says_where_numbers_are_from():
    sections, _, _ = field.published()
    assert len(sections) >= 7
    for name, text in sections.items():
        published = tomllib.loads((field.ROOT / "workflows" / f"{name}.toml").read_text())["published"]
        assert f"\nPublished: {field.literal(published['source'])}. There: {field.literal(published['differs'])}." in text


def test_joint_is_ahead_of_the_enkfs_of_the_field():
    """With as many members, in the experiments that have joint."""
    rows = [r for r in results.read_csv("field") if r["metric"] == "rmse" and r["value"]]
    ours = {(r["experiment"], r["members"]): float(r["value"]) for r in rows if r["filter"].startswith(("filter-diffusion", "joint"))}
    theirs = [r for r in rows if r["filter"].split("-")[0] in ("serial", "enkf", "etkf", "letkf", "denkf", "stochastic") and (r["experiment"], r["members"]) in ours]
    assert len(theirs) >= 15
    assert all(ours[r["experiment"], r["members"]] < float(r["value"]) for r in theirs)
    text = (results.ROOT / FINDINGS).read_text()
    assert "with as many members it is ahead of each EnKF that was tuned there" in text
