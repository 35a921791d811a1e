"""Curves side by side, as rows, text and CSV."""

from __future__ import annotations

import csv
import io

from zigbench import scan


def test_rows_hold_the_figures_of_each_curve() -> None:
    rows = scan.compare(["hilbert", "hilbert-released", "zigzag", "sweep"], (32, 32))
    assert [row["curve"] for row in rows] == ["hilbert", "hilbert-released", "zigzag", "sweep"]
    assert [round(100 * row["continuity"], 1) for row in rows] == [100.0, 48.5, 100.0, 97.0]
    for row in rows:
        figures = scan.statistics(scan.make_order(row["curve"], (32, 32)))
        assert {key: row[key] for key in figures} == figures
        assert row["grid"] == "32x32"
        assert row["variants"] == 8
        for n in (1, 2, 4, 6, 8):
            assert (
                row[f"reach_{n}"] == scan.reach([scan.make_order(row["curve"], (32, 32), v) for v in range(n)]).layers
            )


def test_a_line_of_tokens_has_few_distinct_variants() -> None:
    assert scan.compare(["zigzag"], (1, 9))[0]["variants"] == 2


def test_the_table_is_aligned_under_its_headings() -> None:
    text = scan.table(scan.compare(["hilbert", "moore"], (8, 8), schemes=(1, 8)))
    lines = text.splitlines()
    hilbert, moore = lines[-2:]
    assert len(hilbert) == len(moore) == max(len(line) for line in lines)
    assert hilbert.split()[:5] == ["hilbert", "8x8", "100.0", "%", "1"]
    assert hilbert.endswith("∞/3")
    assert lines[-3].endswith("n=1/8")
    assert "yes" in moore
    assert scan.table([]) == ""


def test_csv_reads_back() -> None:
    rows = scan.compare(["hilbert", "zigzag"], (4, 6))
    read = list(csv.DictReader(io.StringIO(scan.to_csv(rows))))
    assert [float(row["mean_jump"]) for row in read] == [row["mean_jump"] for row in rows]
    assert [row["reach_1"] for row in read] == ["", ""]
    assert list(read[0]) == list(rows[0])


def test_localities_are_long_rows() -> None:
    rows = scan.localities(["hilbert", "zigzag"], (4, 6))
    for name in ("hilbert", "zigzag"):
        lags, distances = scan.locality(scan.make_order(name, (4, 6)))
        own = [row for row in rows if row["curve"] == name]
        assert [row["lag"] for row in own] == lags.tolist()
        assert [row["distance"] for row in own] == distances.tolist()


def test_clips_compare_too() -> None:
    row = scan.compare(["zigzag"], (3, 4, 5))[0]
    assert row["grid"] == "3x4x5"
    assert row["temporal"] > 0
