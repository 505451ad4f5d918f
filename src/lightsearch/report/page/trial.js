// One trial, beside the page: opened by a click on a point, a line, a bar or a number, or by the address #trial-7.
const panel = document.getElementById("trial");
const content = document.getElementById("trial-content");
let opener = null;

const section = (title, ...children) => make("section", {}, make("h3", { textContent: title }), ...children);
const list = (pairs) => make("dl", {}, ...pairs.flatMap(([name, value]) => [make("dt", { textContent: name }), make("dd", { textContent: value })]));
const scrolled = (text, label) => make("pre", { textContent: text, tabIndex: 0, ariaLabel: label });

const parameters = (trial) => {
  const theirs = best !== null && best !== trial.number ? byNumber.get(best).params : null;
  const head = make("tr", {}, ...["parameter", "value", ...(theirs ? [`best: ${best}`] : [])].map((textContent) => make("th", { scope: "col", textContent })));
  const rows = Object.entries(trial.params).map(([name, value]) => make("tr", {},
    make("th", { scope: "row", textContent: name }), make("td", { textContent: value }),
    theirs && make("td", { className: "small", textContent: theirs[name] ?? "–" })));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
};

// Its learning curve beside that of the best trial.
const curve = (trial) => {
  const line = (of, shade, width) => ({
    type: "scatter", mode: of.curve.x.length > 1 ? "lines+markers" : "markers", name: `trial ${of.number}`,
    x: of.curve.x, y: of.curve.y, line: { color: MARK + shade, width }, marker: { size: 4, color: MARK + shade },
    hovertemplate: `trial ${of.number}, epoch %{x}: %{y:${table.share ? ".2~%" : ".5~g"}}<extra></extra>`,
  });
  const leader = best !== null && best !== trial.number ? byNumber.get(best) : null;
  const plot = make("div", { className: "plot", role: "img", ariaLabel: `Learning curve of trial ${trial.number}.` });
  plot.style.height = "220px";
  plot.figure = {
    data: [...(leader && leader.curve.x.length ? [line(leader, "best", 1.5)] : []), line(trial, trial.number === best ? "best" : "accent", 2)],
    layout: {
      showlegend: Boolean(leader), xaxis: { title: { text: "epoch" } },
      yaxis: { title: { text: table.head[2].name.replaceAll("<", "&lt;") }, tickformat: table.share ? ".2~%" : "~g" },
    },
  };
  return plot;
};

const describe = (trial) => [
  make("p", { className: "why" }, ...trial.why.flatMap((sentence, i) => (i ? [make("br"), sentence] : [sentence]))),
  trial.curve.x.length ? curve(trial) : null,
  section("Parameters", parameters(trial)),
  trial.decisions.length ? section("Decisions of the scheduler", make("ol", {}, ...trial.decisions.map((textContent) => make("li", { textContent })))) : null,
  trial.error ? section("Error", scrolled(trial.error, "traceback")) : null,
  trial.metrics.length ? section("Metrics of its best epoch", list(trial.metrics)) : null,
  section("About", list(trial.about)),
  trial.log ? section("The end of its log", scrolled(trial.log, "log")) : null,
  trial.files.length ? section("Files", make("ul", {}, ...trial.files.map(([textContent, href]) => make("li", {}, make("a", { textContent, href }))))) : null,
];

const show = (open) => {
  panel.hidden = !open;
  dispatchEvent(new Event("resize"));  // the plots beside it get another width
};

const openTrial = (number, { focus = true } = {}) => {
  const trial = byNumber.get(number);
  if (!trial) return;
  if (panel.hidden) opener = document.activeElement;
  for (const plot of content.querySelectorAll(".plot")) { drawn.delete(plot); observer.unobserve(plot); }
  document.getElementById("trial-title").textContent = `Trial ${number} · ${trial.kind}${number === best ? " · the best" : ""}`;
  content.replaceChildren(...describe(trial).filter(Boolean));
  show(true);
  panel.scrollTop = 0;
  panel.dataset.number = number;
  content.querySelectorAll(".plot").forEach(drawLater);
  mark();
  history.replaceState(null, "", `#trial-${number}`);
  if (focus) document.getElementById("trial-title").focus();
};

const closeTrial = () => {
  show(false);
  delete panel.dataset.number;
  mark();
  history.replaceState(null, "", location.pathname + location.search);
  if (opener && opener.isConnected) opener.focus();
};

// Marks the rows of the trial that is open.
const mark = () => {
  for (const row of document.querySelectorAll("tr[data-trial]")) row.classList.toggle("open", row.dataset.trial === panel.dataset.number);
};

// The trial before or after it, in the order of the table.
const step = (by) => {
  const order = choice.order || trials.map((trial) => trial.number);
  const next = order[order.indexOf(Number(panel.dataset.number)) + by];
  if (next !== undefined) openTrial(next, { focus: false });
};

document.getElementById("trial-close").addEventListener("click", closeTrial);
document.getElementById("trial-previous").addEventListener("click", () => step(-1));
document.getElementById("trial-next").addEventListener("click", () => step(1));
addEventListener("keydown", (event) => { if (event.key === "Escape" && !panel.hidden) closeTrial(); });
document.addEventListener("click", ({ target }) => {
  const row = target.closest("[data-trial]");
  if (row && (target.closest("button") || !String(getSelection()))) openTrial(Number(row.dataset.trial));
});
const follows = () => { const found = /^#trial-(\d+)$/.exec(location.hash); if (found) openTrial(Number(found[1])); };
addEventListener("hashchange", follows);
addEventListener("DOMContentLoaded", follows);
