// The plots: Plotly draws them as they come into view, in the colours of the theme, and again as the choice changes.
const MARK = "\ue000"; // a colour's name follows
const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 600px)");
const touch = matchMedia("(pointer: coarse)").matches;
const canvas = document.createElement("canvas");
const webgl = Boolean(canvas.getContext("webgl"));
const root = document.documentElement;
const theme = getComputedStyle(root);  // it follows the colour scheme
const colour = (name) => theme.getPropertyValue(`--${name}`).trim();

const paint = (value) => {
  if (typeof value === "string") return value[0] === MARK ? colour(value.slice(1)) : value;
  if (Array.isArray(value)) return typeof value[0] === "number" && typeof value[1] !== "string" ? value : value.map(paint);
  if (value && typeof value === "object") {
    const painted = {};
    for (const key in value) painted[key] = key === "bdata" ? value[key] : paint(value[key]);
    return painted;
  }
  return value;
};

// Numbers that Python packed.
const ARRAYS = { f4: Float32Array, f8: Float64Array, i2: Int16Array, i4: Int32Array };
const unpacked = (values) => {
  if (!values || !values.bdata) return values;
  const bytes = Uint8Array.from(atob(values.bdata), (letter) => letter.charCodeAt(0));
  return new ARRAYS[values.dtype](bytes.buffer);
};
// The trial of each point of a trace; null if its points are no trials.
const trialOf = (custom) => (Array.isArray(custom) ? custom[0] : custom);
const numbersOf = (trace) => (trace.customdata ? Array.from(unpacked(trace.customdata), trialOf) : null);

// Shows the trials that are chosen: points of others are faint, their lines are left out.
const follow = (trace) => {
  const numbers = numbersOf(trace);
  if (numbers === null || choice.numbers === null || trace.meta === "kept") return;
  const chosen = [...numbers.keys()].filter((i) => choice.has(numbers[i]));
  if (trace.type === "parcoords") {
    const only = (values) => { const all = unpacked(values); return chosen.map((i) => all[i]); };
    trace.dimensions = trace.dimensions.map((one) => ({ ...one, values: only(one.values) }));
    trace.line = { ...trace.line, color: only(trace.line.color), cmin: 0, cmax: numbers.length };
    trace.customdata = only(trace.customdata);
  } else if (trace.mode === "lines") {
    trace.y = Array.from(unpacked(trace.y), (y, i) => (choice.has(numbers[i]) ? y : null));
  } else {
    trace.selectedpoints = chosen;
    trace.unselected = { marker: { opacity: 0.06 } };
  }
};

// How a drag on a plot of trials acts: it selects them, or zooms. On a touch screen it scrolls the page.
const drag = { mode: "select" };
const dragmode = (data) => {
  if (touch) return false;
  return data.some((trace) => trace.customdata && trace.mode !== "lines") ? drag.mode : "zoom";
};

const dressed = (figure) => {
  const [ink, muted, line, surface] = ["ink", "muted", "line", "surface"].map(colour);
  const { data, layout } = paint(figure);
  data.forEach(follow);
  if (!webgl) for (const trace of data) if (trace.type === "scattergl") trace.type = "scatter";
  const axis = {
    gridcolor: line, linecolor: line, zeroline: false, tickfont: { color: muted, size: 11 },
    automargin: true, fixedrange: touch,
  };
  const title = (text, standoff) => ({ font: { color: muted, size: 12 }, standoff, ...text });
  for (const name of ["xaxis", "yaxis"]) {
    const own = layout[name] || {};
    layout[name] = { ...axis, ...(name === "xaxis" ? { showgrid: false, ticks: "outside", ticklen: 4, tickcolor: line, showline: true } : {}), ...own };
    if (own.title) layout[name].title = title(own.title, 8);
  }
  const legend = layout.showlegend === true;
  return {
    data,
    layout: {
      showlegend: false, margin: { l: 52, r: 14, t: legend ? 34 : 12, b: 44 }, hovermode: "closest",
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: dragmode(data),
      font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif", size: 12, color: ink },
      legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", font: { color: muted, size: 11.5 }, bgcolor: "rgba(0,0,0,0)", itemwidth: 30, ...(narrow.matches && data.length > 3 ? { entrywidth: 0.48, entrywidthmode: "fraction" } : {}) },
      hoverlabel: { bgcolor: surface, bordercolor: line, font: { color: ink, size: 12 }, align: "left" },
      ...layout,
    },
  };
};

const config = { responsive: true, displaylogo: false, displayModeBar: false };
const drawn = new Set();
const figureOf = (plot) => plot.figure || figures[Number(plot.dataset.figure)];
const draw = (plot) => {
  if (plot.hasAttribute("data-webgl") && !webgl) {
    plot.textContent = "Not shown: this plot needs WebGL, which this browser does not have or does not allow.";
    plot.className = "missing";
    plot.style.height = "auto";
    return Promise.resolve();
  }
  const isNew = !drawn.has(plot);
  drawn.add(plot);
  const { data, layout } = dressed(figureOf(plot));
  if (!isNew && choice.brushed !== null && data[0]?.type === "parcoords") {  // its selected ranges stay
    data[0].dimensions.forEach((one, i) => { one.constraintrange = plot.data[0].dimensions[i].constraintrange; });
  }
  return Plotly.react(plot, data, layout, config).then(() => {
    if (isNew) listen(plot);
    plot.dataset.drawn = "";
  });
};

const listen = (plot) => {
  plot.on("plotly_click", ({ points: [point] }) => {
    if (point.customdata !== undefined) openTrial(trialOf(point.customdata));
  });
  plot.on("plotly_selected", (event) => {
    if (!event || !event.points.length) return;
    const numbers = event.points.filter((point) => point.customdata !== undefined).map((point) => trialOf(point.customdata));
    choice.change({ brushed: new Set(numbers) }, plot);
  });
  plot.on("plotly_deselect", () => choice.change({ brushed: null }));
  plot.on("plotly_restyle", () => {
    const [trace] = plot.data;
    if (trace.type === "parcoords") choice.change({ brushed: within(trace) }, plot);
  });
};

// The trials whose lines pass through the selected ranges of all axes; null where no range is selected.
const within = (trace) => {
  const axes = trace.dimensions.filter((one) => one.constraintrange && one.constraintrange.length);
  if (!axes.length) return null;
  const kept = axes.map(({ values, constraintrange }) => {
    const ranges = Array.isArray(constraintrange[0]) ? constraintrange : [constraintrange];
    const all = unpacked(values);
    return (i) => ranges.some(([low, high]) => low <= all[i] && all[i] <= high);
  });
  return new Set(numbersOf(trace).filter((_, i) => kept.every((keeps) => keeps(i))));
};

// Plotly's script is two fifths as long when it is compressed.
const loadPlotly = async () => {
  const text = atob(document.getElementById("plotly").textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const script = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  (0, eval)(await new Response(script).text());
};
const notDrawn = (error) => {
  for (const plot of plots) Object.assign(plot, { className: "missing", textContent: `Not shown: this browser cannot draw it (${error.message}).` });
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
// Draws a plot if it is in view, else when it comes into view.
const drawLater = (plot) => {
  if (!window.Plotly) return;  // it comes later, and then all plots are drawn
  observer.unobserve(plot);
  observer.observe(plot);
};
choice.followers.push((source) => { for (const plot of drawn) if (plot !== source) drawLater(plot); });
addEventListener("DOMContentLoaded", () => loadPlotly().then(() => [...plots, ...document.querySelectorAll("#trial .plot")].forEach(drawLater), notDrawn));
dark.addEventListener("change", redraw);
addEventListener("beforeprint", () => { root.classList.add("printing"); for (const plot of plots) if (plot.offsetParent) { observer.unobserve(plot); draw(plot); } });
addEventListener("afterprint", () => { root.classList.remove("printing"); redraw(); });

// Where a section has several plots, of which one is shown: the other ones are hidden.
for (const select of document.querySelectorAll("select[data-of]")) {
  const those = [...document.querySelectorAll(`.figures.${select.dataset.of} > *`)];
  select.addEventListener("change", () => those.forEach((one, i) => { one.hidden = i !== select.selectedIndex; }));
}
