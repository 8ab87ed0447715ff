"use strict";
(function () {
  const root = document.documentElement;
  root.classList.add("scripted");
  const byId = (id) => document.getElementById(id);
  const remembered = (value) => {
    try {
      if (value === undefined) return localStorage.getItem("cupel-theme");
      localStorage.setItem("cupel-theme", value);
    } catch (error) { /* a file may not be allowed to remember */ }
    return value;
  };

  // Theme: what the address says (#dark), what was chosen before, else what the system prefers.
  const asked = { "#dark": "dark", "#light": "light" }[location.hash] || remembered();
  if (asked) root.dataset.theme = asked;
  byId("theme").addEventListener("click", () => {
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
    remembered(root.dataset.theme);
  });

  // Filter: a row stays when it has every word.
  const filter = byId("filter");
  if (filter) {
    const rows = Array.from(document.querySelectorAll("#table tbody tr"));
    const texts = rows.map((row) => (row.textContent + " " + (row.dataset.find || "")).toLowerCase());
    filter.addEventListener("input", () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, k) => {
        const stays = words.every((word) => texts[k].includes(word));
        row.hidden = !stays;
        if (stays) shown += 1;
      });
      byId("count").textContent = shown + " of " + rows.length;
    });
  }

  // A click on a head sorts by its column; once more, the other way. Numbers before words, what is unknown last.
  const valueOf = (row, place) => {
    const text = row.cells[place].textContent.trim();
    const number = Number(text);
    return text === "—" || text === "" ? [2, 0] : Number.isFinite(number) ? [0, number] : [1, text];
  };
  const compare = (a, b) => a[0] - b[0] || (a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0);
  document.querySelectorAll("table.sortable thead th").forEach((head, place, heads) => {
    head.tabIndex = 0;
    const sort = () => {
      const isDown = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
      const body = head.closest("table").tBodies[0];
      const keyed = Array.from(body.rows, (row) => [valueOf(row, place), row]);
      keyed.sort(([a], [b]) => (a[0] === 2 || b[0] === 2 ? a[0] - b[0] : isDown ? compare(b, a) : compare(a, b)));
      body.append(...keyed.map(([, row]) => row));
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
  });

  // Downloads, from what is embedded in the page.
  document.querySelectorAll("[data-save]").forEach((button) => button.addEventListener("click", async () => {
    const kind = button.dataset.save;
    const bytes = Uint8Array.from(atob(byId("data").textContent), (letter) => letter.charCodeAt(0));
    const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const data = JSON.parse(await new Response(unpacked).text());
    const text = kind === "csv" ? data.csv : JSON.stringify(data.json, null, 1) + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: kind === "csv" ? "text/csv" : "application/json" }));
    link.download = (data.name || "cupel").replace(/[^\w.-]+/g, "-") + "." + kind;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }));

  // A link into a fold opens it.
  const openTarget = () => {
    const target = location.hash.length > 1 && byId(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") {
      target.open = true;
      target.scrollIntoView();
    }
  };
  window.addEventListener("hashchange", openTarget);
  openTarget();

  // On paper the folds are open; afterwards they are as before.
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = Array.from(document.querySelectorAll("details.print-open:not([open])"));
    opened.forEach((fold) => { fold.open = true; });
  });
  window.addEventListener("afterprint", () => opened.forEach((fold) => { fold.open = false; }));

  // What a mark means, beside the pointer.
  const tip = byId("tip");
  document.addEventListener("pointerover", (event) => {
    const mark = event.target.closest ? event.target.closest("[data-tip]") : null;
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.dataset.tip;
    const box = mark.getBoundingClientRect();
    const left = Math.min(Math.max(8, event.clientX + 12), root.clientWidth - tip.offsetWidth - 8);
    const above = box.bottom + tip.offsetHeight + 12 > window.innerHeight;
    tip.style.left = Math.max(8, left) + "px";
    tip.style.top = (above ? Math.max(4, Math.min(box.top, event.clientY) - tip.offsetHeight - 8) : Math.min(box.bottom, event.clientY + 24) + 8) + "px";
  });
})();
