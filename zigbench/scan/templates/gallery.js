// The page is complete without this: it adds the walk, the step under the pointer, and the choice of a variant.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  document.documentElement.classList.add("scripted");
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
