"""Style and script of the gallery page, embedded in it so that one file is all there is."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark;
  --bg: #f7f7f4; --card: #ffffff; --ink: #1d2024; --soft: #5c636c; --line: #e2e2dc; --fill: #eef0ee;
  --accent: #c8431d; }
@media (prefers-color-scheme: dark) { :root:not([data-theme=light]) {
  --bg: #121417; --card: #1a1d22; --ink: #e8eaed; --soft: #9aa2ad; --line: #2d3138; --fill: #23272e;
  --accent: #ff8a5c; } }
:root[data-theme=light] { color-scheme: light; }
:root[data-theme=dark] { color-scheme: dark;
  --bg: #121417; --card: #1a1d22; --ink: #e8eaed; --soft: #9aa2ad; --line: #2d3138; --fill: #23272e;
  --accent: #ff8a5c; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main, header, footer { max-width: 1180px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 40px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 8px; letter-spacing: -.01em; }
h2 { font-size: 20px; margin: 0; }
p { margin: 0 0 12px; max-width: 72ch; }
.soft { color: var(--soft); }
a { color: inherit; }
nav { display: flex; flex-wrap: wrap; gap: 6px; margin: 16px 0 24px; padding: 0; }
nav a { padding: 3px 11px; border: 1px solid var(--line); border-radius: 99px; background: var(--card);
  text-decoration: none; font-size: 13.5px; }
nav a:hover, nav a:focus-visible { border-color: var(--accent); }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 12px; background: var(--card); }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 9px; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 16px; position: sticky; left: 0;
  background: var(--card); }
thead th { color: var(--soft); font-weight: 500; vertical-align: bottom; white-space: normal; line-height: 1.25; }
tbody tr { border-top: 1px solid var(--line); }
.curve { margin: 28px 0; padding: 24px; border: 1px solid var(--line); border-radius: 14px; background: var(--card);
  display: grid; grid-template-columns: minmax(0, 420px) minmax(0, 1fr); gap: 8px 36px; scroll-margin-top: 12px; }
.curve > .head { grid-column: 1 / -1; display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 14px; }
.big svg { width: 100%; height: auto; display: block; max-height: 460px; }
.clip { grid-template-columns: 1fr; }
figure { margin: 0; min-width: 0; }
figcaption { font-size: 13px; color: var(--soft); min-height: 1.6em; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(148px, 1fr)); gap: 10px 20px; margin: 6px 0 16px; }
dt { font-size: 12.5px; color: var(--soft); line-height: 1.3; }
dd { margin: 0; font-size: 17px; font-variant-numeric: tabular-nums; }
.lag { width: 100%; max-width: 460px; height: auto; display: block; overflow: visible; }
.lag text { font-size: 10px; fill: var(--soft); }
.lag .axis { stroke: var(--line); } .lag .this { stroke: var(--accent); } .lag .sweep { stroke: var(--soft); }
.thumbs { grid-column: 1 / -1; display: grid; grid-template-columns: repeat(8, minmax(0, 1fr)); gap: 10px;
  list-style: none; margin: 12px 0 0; padding: 0; }
.clip .thumbs { grid-template-columns: repeat(4, minmax(0, 1fr)); }
.thumbs li { min-width: 0; }
.thumb { display: flex; flex-direction: column; width: 100%; height: 100%; padding: 8px;
  border: 1px solid var(--line); border-radius: 9px; background: none;
  color: inherit; font: inherit; font-size: 12px; text-align: left; line-height: 1.35; }
.thumb svg { width: 100%; height: auto; display: block; margin-bottom: 5px; max-height: 200px; }
.scripted .thumb { cursor: pointer; }
.scripted .thumb:hover { border-color: var(--soft); }
.thumb[aria-pressed=true] { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
.thumb b { font-weight: 600; } .thumb .soft { display: block; }
.tools { display: none; } .scripted .tools { display: flex; align-items: center; gap: 10px; margin: 8px 0 2px; }
.tools button, .theme { font: inherit; font-size: 13.5px; color: inherit; background: var(--fill); cursor: pointer;
  border: 1px solid var(--line); border-radius: 7px; padding: 3px 12px; min-width: 68px; }
.tools input { flex: 1; min-width: 0; accent-color: var(--accent); }
.theme { display: none; position: absolute; top: 16px; right: 20px; } .scripted .theme { display: block; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.cells rect:hover { fill: var(--accent); fill-opacity: .25; }
.walking g:first-of-type, .walking > circle:not(.walker), .walking > rect { opacity: .16; }
.trail { fill: none; stroke: var(--accent); stroke-width: .22; stroke-linejoin: round; stroke-linecap: round; }
.walker { fill: var(--accent); stroke: var(--card); stroke-width: .1; }
footer { padding: 8px 24px 48px; font-size: 13.5px; }
@media (max-width: 1080px) { .thumbs { grid-template-columns: repeat(4, minmax(0, 1fr)); } }
@media (max-width: 760px) { .curve { grid-template-columns: minmax(0, 1fr); padding: 16px; }
  .thumbs, .clip .thumbs { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  main, header, footer { padding-left: 14px; padding-right: 14px; } }
@media print { .tools, .theme, nav { display: none !important; } .curve { break-inside: avoid; } }
"""

# The page is complete without this: it adds the walk, the step under the pointer, and the choice of a variant.
SCRIPT = """
(() => {
  const root = document.documentElement, SVG = "http://www.w3.org/2000/svg";
  root.classList.add("scripted");
  const theme = document.querySelector(".theme");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  const name = () => { theme.textContent = dark() ? "Light" : "Dark"; };
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
  name();

  for (const card of document.querySelectorAll(".curve")) {
    const big = card.querySelector(".big"), thumbs = [...card.querySelectorAll(".thumb")];
    const caption = big.querySelector("figcaption"), play = card.querySelector(".play");
    const slider = card.querySelector(".step"), [width, height, frames] = big.dataset.grid.split(",").map(Number);
    let svg, order, rank, points, trail, walker, cursor, timer = 0, step = 0, last = 0;

    const place = (token) => {
      const frame = Math.floor(token / (width * height)), rest = token % (width * height);
      return [frame, Math.floor(rest / width), rest % width];
    };
    const words = (k) => {
      const [frame, y, x] = place(order[k]);
      const where = frames > 1 ? `frame ${frame}, row ${y}, column ${x}` : `row ${y}, column ${x}`;
      return `Step ${k} of ${order.length - 1}: token ${order[k]} (${where})`;
    };
    const show = (k) => {
      step = Math.max(0, Math.min(order.length - 1, k));
      svg.classList.add("walking");
      let d = "M" + points[0].join(" ");
      for (let i = 1; i <= step; i++) {
        // A clip's frames stand side by side: a step between two of them is not a line on the page.
        const other = frames > 1 && place(order[i])[0] !== place(order[i - 1])[0];
        d += (other ? "M" : "L") + points[i][0] + " " + points[i][1];
      }
      trail.setAttribute("d", d);
      walker.setAttribute("cx", points[step][0]); walker.setAttribute("cy", points[step][1]);
      trail.style.display = walker.style.display = "";
      slider.value = step; caption.textContent = words(step);
    };
    const rest = () => {
      svg.classList.remove("walking"); trail.style.display = walker.style.display = "none";
    };
    const stop = () => { cancelAnimationFrame(timer); timer = 0; play.textContent = "Walk"; };
    const tick = (now) => {
      // The whole walk takes about twelve seconds, however many tokens there are.
      const due = (now - last) * order.length / 12000;
      if (due >= 1) { last = now; show(step + Math.floor(due)); }
      if (step >= order.length - 1) { stop(); return; }
      timer = requestAnimationFrame(tick);
    };
    const choose = (thumb) => {
      stop();
      thumbs.forEach((other) => other.setAttribute("aria-pressed", other === thumb));
      order = thumb.dataset.order.split(" ").map(Number);
      rank = []; order.forEach((token, k) => { rank[token] = k; });
      points = order.map((token) => { const [f, y, x] = place(token); return [x + f * (width + 1), y]; });
      const next = thumb.querySelector("svg").cloneNode(true);
      big.replaceChild(next, big.querySelector("svg")); svg = next;
      svg.querySelector("title").remove();
      trail = document.createElementNS(SVG, "path"); trail.setAttribute("class", "trail");
      walker = document.createElementNS(SVG, "circle"); walker.setAttribute("class", "walker");
      walker.setAttribute("r", ".42"); cursor = document.createElementNS(SVG, "title");
      svg.append(trail, walker); svg.prepend(cursor);
      slider.max = order.length - 1; slider.value = step = 0; rest();
      caption.textContent = thumb.dataset.about;
      svg.addEventListener("pointermove", (event) => {
        if (timer) return;
        const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
        const column = Math.round(at.x), y = Math.round(at.y), frame = Math.floor(column / (width + 1));
        const x = frames > 1 ? column % (width + 1) : column;
        if (x < 0 || y < 0 || x >= width || y >= height || (frames > 1 && frame >= frames)) return;
        const k = rank[(frames > 1 ? frame : 0) * width * height + y * width + x];
        caption.textContent = words(k); cursor.textContent = words(k);
      });
      svg.addEventListener("pointerleave", () => {
        if (!timer && !svg.classList.contains("walking")) caption.textContent = thumb.dataset.about;
      });
    };
    play.addEventListener("click", () => {
      if (timer) { stop(); return; }
      if (step >= order.length - 1) step = 0;
      show(step); last = performance.now(); play.textContent = "Pause"; timer = requestAnimationFrame(tick);
    });
    slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
    thumbs.forEach((thumb) => thumb.addEventListener("click", () => choose(thumb)));
    choose(thumbs[0]);
  }
})();
"""
