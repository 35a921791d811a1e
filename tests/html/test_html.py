"""The style that all pages share."""

from __future__ import annotations

import pytest

from zigbench import html


def luminance(colour: str) -> float:
    linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in
              (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))]  # fmt: skip
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("mode", [0, 1])
def test_every_ink_can_be_read_on_every_ground(mode: int) -> None:
    grounds = ("paper", "panel", "hover")
    for name, pair in html.COLOURS.items():
        if name not in (*grounds, "rule", "edge", "good", "mark"):
            for ground in grounds[: 2 if name.startswith("series") else 3]:
                light, dark = sorted((luminance(pair[mode]), luminance(html.COLOURS[ground][mode])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, ground)
