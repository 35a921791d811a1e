"""The same runs on several machines, side by side: how far one spec comes out from another machine.

The records of several packs, or of folders and packs, hold some runs more than once. A run is compared with itself
alone, and only where its figures were measured under the same protocol.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from zigbench.report import formatting
from zigbench.report.results import Results
from zigbench.report.statistics import mean_interval
from zigbench.report.table import Column, Entry, Table


def repeated_figures(results: Results, metric: str) -> tuple[pd.DataFrame, int]:
    """Return the final figures of the runs that several machines recorded, and the number left out.

    Left out are figures under another protocol than the run's first.

    Returns:
        a table with a row a run (arm, seed_label and then a column a machine, in the order of the sources), and the
        number of figures that were left out.
    """
    frame = results.frame
    columns = ["run", "repeat", "arm", "seed_label", "machine", "protocol", "value"]
    if frame.empty or not (frame["repeat"] > 0).any():
        return pd.DataFrame(columns=columns), 0
    rows = frame[(frame["metric"] == metric) & (frame["status"] == "ok") & frame["arm"].isin(results.arms)]
    rows = rows.assign(_step=pd.to_numeric(rows["step"]).fillna(np.inf)).sort_values(["repeat", "_step"], kind="stable")
    rows = rows.drop_duplicates(["run", "repeat"], keep="last")
    seen = rows["protocol"].map(lambda protocol: results.as_seen(protocol) if isinstance(protocol, str) else "")
    first = dict(reversed(list(zip(rows["run"], seen, strict=True))))
    alike = seen == rows["run"].map(first)
    left_out = int((~alike).sum())
    rows = rows[alike].drop_duplicates(["run", "machine"])
    rows = rows[rows.groupby("run")["machine"].transform("nunique") > 1]
    table = rows.pivot(index=["run", "arm", "seed_label"], columns="machine", values="value")
    return table[list(dict.fromkeys(rows["machine"]))].reset_index(), left_out


def machines_table(results: Results) -> Table | None:
    """Return each arm's figures on each two machines, over the runs that both recorded; None without such runs."""
    rows, notes = [], []
    for metric in results.metrics:
        table, left_out = repeated_figures(results, metric)
        if left_out:
            notes.append(
                f"{left_out} figures of {formatting.noun(metric)} were measured under another protocol than the first "
                "of the same run, and are left out."
            )
        machines = list(enumerate(table.columns[3:]))
        for arm in results.arms:
            of_arm = table.loc[table["arm"] == arm, [name for _, name in machines]].to_numpy(float)
            for (i, one), (j, other) in itertools.combinations(machines, 2):
                shared = of_arm[~np.isnan(of_arm[:, [i, j]]).any(axis=1)]
                if len(shared):
                    differences = shared[:, j] - shared[:, i]
                    furthest = float(np.abs(differences).max())
                    means = (mean_interval(shared[:, column].tolist()) for column in (i, j))
                    rows.append((
                        Entry(formatting.title(metric)), Entry(arm), Entry(f"{one} and {other}"),
                        Entry(str(len(shared)), len(shared)),
                        *(Entry(formatting.plus_minus(mean), mean.mean, estimate=mean) for mean in means),
                        difference_entry(differences.tolist()), Entry(formatting.number(furthest), furthest),
                    ))  # fmt: skip
    if not rows:
        return None
    titles = ("Runs", "First", "Second", "Second − first", "Furthest apart")
    columns = (Column("Metric"), Column("Arm"), Column("Machines"), *(Column(title, True) for title in titles))
    notes.insert(
        0,
        "The same specs on two machines: means over the runs that both recorded, the mean difference of a run from "
        "itself, each with its 95 % interval over the runs, and the largest difference of one run.",
    )
    name, title = "machines", "The same runs on several machines"
    if results.data:
        name, title = f"{name}-{formatting.slug(results.data)}", f"{title}, {results.data}"
    return Table(name, title, columns, tuple(rows), tuple(notes))


def difference_entry(differences: list[float]) -> Entry:
    """Return the cell of a mean of at least one difference, with its 95 % interval where there are several."""
    estimate = mean_interval(differences)
    places = formatting.decimals(estimate.half) if estimate.half > 0 else None
    shown = formatting.signed(estimate.mean, places)
    if estimate.half > 0:
        shown += f" ± {estimate.half:.{places}f}"
    return Entry(shown, estimate.mean, estimate=estimate)
