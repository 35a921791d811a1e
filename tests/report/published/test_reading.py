"""The file of published figures: sound, sourced, and every fault of it named."""

from __future__ import annotations

from pathlib import Path

import pytest

from zigbench.report.published.figures import read


def test_published_table_is_sound_and_sourced() -> None:
    figures = read(Path("results/published.csv"))
    assert len(figures) > 70
    assert all(figure.source and figure.value > 0 for figure in figures)


def test_published_faults_are_all_listed(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(
        "table,source,dataset,resolution,method,metric,value,setting\n"
        "t,,d,256,m,fid,1.0,\n"
        "t,s,d,256,m2,fid,many,\n"
        "t,s,d,256,m3,fid,2.0,bad\n"
        "t,s,d,256,m4,fid,2.0,\n"
        "t,s2,d,256,m4,fid,3.0,\n"
    )
    with pytest.raises(ValueError) as caught:
        read(path)
    text = str(caught.value)
    assert all(part in text for part in ("line 2: source is empty", "line 3: value 'many'", "line 4", "as line 5"))


def test_a_reason_that_is_not_on_the_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    header = "table,source,dataset,resolution,method,metric,value,setting,not_comparable\n"
    path.write_text(f"{header}t,s,d,256,m,fid,1.0,,method\nt,s,d,256,m2,fid,1.0,,tired\n")
    with pytest.raises(ValueError, match="line 3: not_comparable 'tired' is none of method, metric, data, average"):
        read(path)
