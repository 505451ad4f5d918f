"use strict";
(() => {
  const { figures, table } = JSON.parse(document.getElementById("data").textContent);
  const MARK = "\ue000"; // a colour's name follows
  const PALETTES = {
    light: {
      ink: "#191d22", muted: "#5d6671", line: "#e3e6ea", surface: "#ffffff", accent: "#2a62ad", complete: "#2a62ad",
      "accent-faint": "rgba(42,98,173,0.28)", best: "#d9480f", pruned: "#a3abb5", "pruned-faint": "rgba(140,149,160,0.30)",
      failed: "#9c2f3f", "failed-faint": "rgba(156,47,63,0.35)", running: "#1f8a70", paused: "#b8862b", "not-resumed": "#a3abb5",
      interrupted: "#a3abb5", enqueued: "#a3abb5",
      early: "#c3d7ef", "map-low": "#f4f6f9", "map-middle": "#a9c4e4", "map-high": "#2a62ad", dot: "#191d22",
    },
    dark: {
      ink: "#e8ebef", muted: "#98a2ae", line: "#2a3038", surface: "#171b20", accent: "#7fb0ee", complete: "#7fb0ee",
      "accent-faint": "rgba(127,176,238,0.42)", best: "#ff9a5c", pruned: "#68727e", "pruned-faint": "rgba(140,151,164,0.45)",
      failed: "#e0707f", "failed-faint": "rgba(224,112,127,0.40)", running: "#4fc3a1", paused: "#d9ad5b", "not-resumed": "#68727e",
      interrupted: "#68727e", enqueued: "#68727e",
      early: "#2c4361", "map-low": "#1b2129", "map-middle": "#2f4f7c", "map-high": "#8fbcf5", dot: "#e8ebef",
    },
  };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 600px)");
  const touch = matchMedia("(pointer: coarse)").matches;
  const canvas = document.createElement("canvas");
  const webgl = Boolean(canvas.getContext("webgl"));
  let printing = false;
  const palette = () => PALETTES[dark.matches && !printing ? "dark" : "light"];

  const paint = (value, colours) => {
    if (typeof value === "string") return value[0] === MARK ? colours[value.slice(1)] : value;
    if (Array.isArray(value)) return typeof value[0] === "number" && typeof value[1] !== "string" ? value : value.map((one) => paint(one, colours));
    if (value && typeof value === "object") {
      const painted = {};
      for (const key in value) painted[key] = key === "bdata" ? value[key] : paint(value[key], colours);
      return painted;
    }
    return value;
  };

  const dressed = (number) => {
    const colours = palette();
    const { data, layout } = paint(figures[number], colours);
    if (!webgl) for (const trace of data) if (trace.type === "scattergl") trace.type = "scatter";
    const axis = {
      gridcolor: colours.line, linecolor: colours.line, zeroline: false, tickfont: { color: colours.muted, size: 11 },
      automargin: true, fixedrange: touch,
    };
    const title = (text, standoff) => ({ font: { color: colours.muted, size: 12 }, standoff, ...text });
    for (const name of ["xaxis", "yaxis"]) {
      const own = layout[name] || {};
      layout[name] = { ...axis, ...(name === "xaxis" ? { showgrid: false, ticks: "outside", ticklen: 4, tickcolor: colours.line, showline: true } : {}), ...own };
      if (own.title) layout[name].title = title(own.title, 8);
    }
    const legend = layout.showlegend === true;
    return {
      data,
      layout: {
        showlegend: false, margin: { l: 52, r: 14, t: legend ? 34 : 12, b: 44 }, hovermode: "closest",
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: touch ? false : "zoom",
        font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif", size: 12, color: colours.ink },
        legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", font: { color: colours.muted, size: 11.5 }, bgcolor: "rgba(0,0,0,0)", itemwidth: 30, ...(narrow.matches && data.length > 3 ? { entrywidth: 0.48, entrywidthmode: "fraction" } : {}) },
        hoverlabel: { bgcolor: colours.surface, bordercolor: colours.line, font: { color: colours.ink, size: 12 }, align: "left" },
        ...layout,
      },
    };
  };

  const config = { responsive: true, displaylogo: false, displayModeBar: false };
  const drawn = new Set();
  const draw = (plot) => {
    if (plot.hasAttribute("data-webgl") && !webgl) {
      plot.textContent = "Not shown: this plot needs WebGL, which this browser does not have or does not allow.";
      plot.className = "missing";
      plot.style.height = "auto";
      return Promise.resolve();
    }
    drawn.add(plot);
    const { data, layout } = dressed(Number(plot.dataset.figure));
    return Plotly.react(plot, data, layout, config).then(() => { plot.dataset.drawn = ""; });
  };
  const redraw = () => { for (const plot of drawn) draw(plot); };
  const plots = [...document.querySelectorAll(".plot")];
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      observer.unobserve(entry.target);
      requestAnimationFrame(() => setTimeout(() => draw(entry.target)));
    }
  }, { rootMargin: "300px" });
  // Plotly's own script comes after this one.
  addEventListener("DOMContentLoaded", () => { for (const plot of plots) observer.observe(plot); });
  dark.addEventListener("change", redraw);
  addEventListener("beforeprint", () => { printing = true; for (const plot of plots) { observer.unobserve(plot); draw(plot); } });
  addEventListener("afterprint", () => { printing = false; redraw(); });

  // The table: rows are drawn a hundred at a time, as they are scrolled to.
  const element = document.getElementById("table");
  if (element) {
    const CHUNK = 100;
    const body = element.tBodies[0];
    const box = element.parentElement;
    const kinds = document.getElementById("kinds");
    const shown = document.getElementById("shown");
    const percent = (value) => `${(100 * value).toFixed(2)}%`;
    let rows = table.rows;
    let next = 0;
    const cell = (value, column) => {
      const td = document.createElement("td");
      if (table.head[column].number) td.className = "number";
      td.textContent = value === null || value === "" ? "–" : column === 2 ? (table.share ? percent(value) : Number(value.toPrecision(6))) : value;
      if (typeof value === "string") td.title = value;
      return td;
    };
    const more = () => {
      const part = document.createDocumentFragment();
      for (const row of rows.slice(next, next + CHUNK)) {
        const tr = document.createElement("tr");
        if (table.best.includes(row[0])) tr.className = "first";
        tr.append(...row.map(cell));
        part.append(tr);
      }
      body.append(part);
      next += CHUNK;
    };
    const show = () => {
      body.textContent = "";
      next = 0;
      box.scrollTop = 0;
      more();
      shown.textContent = `${rows.length.toLocaleString("en")} of ${table.rows.length.toLocaleString("en")}`;
    };
    box.addEventListener("scroll", () => {
      while (next < rows.length && box.scrollTop + box.clientHeight > box.scrollHeight - 400) more();
    });
    const state = { column: 0, falling: false };
    const arrange = () => {
      const { column, falling } = state;
      const missing = (value) => value === null || value === "";
      rows = table.rows.filter((row) => !kinds.value || row[1] === kinds.value).sort((a, b) => {
        const [x, y] = [a[column], b[column]];
        if (missing(x) || missing(y)) return missing(x) - missing(y) || a[0] - b[0];
        const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
        return (falling ? -order : order) || a[0] - b[0];
      });
      for (const [i, th] of [...element.tHead.rows[0].cells].entries()) {
        if (i === column) th.setAttribute("aria-sort", falling ? "descending" : "ascending");
        else th.removeAttribute("aria-sort");
      }
      show();
    };
    const head = element.tHead.insertRow();
    table.head.forEach(({ name, number }, column) => {
      const th = document.createElement("th");
      const button = document.createElement("button");
      th.scope = "col";
      if (number) th.className = "number";
      button.type = "button";
      button.textContent = name;
      button.addEventListener("click", () => {
        state.falling = state.column === column ? !state.falling : column === 2;
        state.column = column;
        arrange();
      });
      th.append(button);
      head.append(th);
    });
    for (const kind of [...new Set(table.rows.map((row) => row[1]))].sort()) kinds.append(new Option(kind, kind));
    kinds.addEventListener("change", arrange);
    arrange();
  }
  // What can be clicked works from here on; the plots follow.
  performance.mark("interactive");
})();
