"use strict";
(() => {
  const root = document.documentElement;
  const make = (tag, set = {}) => Object.assign(document.createElement(tag), set);

  const theme = make("button", { className: "theme", type: "button" });
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const name = () => { theme.textContent = dark() ? "Light" : "Dark"; theme.setAttribute("aria-label", `Switch to ${dark() ? "light" : "dark"} colours`); };
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
  name();
  document.querySelector(".top")?.prepend(theme);

  const key = (row, column, numeric) => {
    const cell = row.cells[column];
    if (!numeric) return cell.textContent.trim();
    return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
  };
  const compare = (a, b) => typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });

  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const body = table.tBodies[0];
    const original = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    if (original.length > 1) heads.forEach((head, column) => {
      const numeric = head.classList.contains("number");
      const button = make("button", { type: "button", textContent: head.textContent });
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const was = head.getAttribute("aria-sort");
        heads.forEach((h) => h.removeAttribute("aria-sort"));
        if (was === "descending") { body.append(...original); return; }
        const sign = was === "ascending" ? -1 : 1;
        head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
        const keyed = original.map((row) => [key(row, column, numeric), row]);
        keyed.sort(([a], [b]) => a === null ? (b === null ? 0 : 1) : b === null ? -1 : sign * compare(a, b));
        body.append(...keyed.map(([, row]) => row));
      });
    });
    if (original.length > 7) addFilter(table, original);
  }

  function addFilter(table, rows) {
    const tools = make("div", { className: "tools" });
    const label = make("label");
    const input = make("input", { type: "search", placeholder: "all words must occur" });
    const status = make("output");
    status.setAttribute("aria-live", "polite");
    label.append("Filter", input);
    tools.append(label);
    const tests = [(row) => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const text = row.textContent.toLowerCase();
      return words.every((word) => text.includes(word));
    }];
    const apply = () => {
      let shown = 0;
      for (const row of rows) { row.hidden = !tests.every((test) => test(row)); shown += !row.hidden; }
      status.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} rows`;
    };
    for (const column of (table.dataset.choose || "").split(",").filter(Boolean).map(Number)) {
      const title = table.tHead.rows[0].cells[column].textContent.trim();
      const select = make("select");
      const parts = (row) => row.cells[column].textContent.trim().split(", ");
      const values = [...new Set(rows.flatMap(parts))].sort();
      select.append(make("option", { value: "", textContent: "all" }), ...values.map((v) => make("option", { value: v, textContent: v })));
      const wrap = make("label");
      wrap.append(title, select);
      tools.append(wrap);
      tests.push((row) => !select.value || parts(row).includes(select.value));
      select.addEventListener("input", apply);
    }
    if (table.dataset.since) {
      const column = Number(table.dataset.since);
      const from = make("input", { type: "date" });
      const wrap = make("label");
      wrap.append("Recorded since", from);
      tools.append(wrap);
      tests.push((row) => {
        const day = row.cells[column].textContent.trim();
        return !from.value || (/^\d{4}-/.test(day) && day >= from.value);
      });
      from.addEventListener("input", apply);
    }
    tools.append(status);
    input.addEventListener("input", apply);
    table.closest(".scroll").before(tools);
  }
  for (const table of document.querySelectorAll("table[data-choose]")) {
    if (table.tBodies[0].rows.length <= 7) addFilter(table, [...table.tBodies[0].rows]);
  }

  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
})();
