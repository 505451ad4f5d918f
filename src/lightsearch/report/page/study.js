// What the page knows of the study, and which of its trials are chosen.
const { figures, table, trials, best, refresh } = JSON.parse(document.getElementById("data").textContent);
const byNumber = new Map(trials.map((trial) => [trial.number, trial]));

// The trials that the filter and the last brush leave, as a set of numbers; null: all of them.
const choice = {
  filtered: null,
  brushed: null,
  followers: [],
  get numbers() {
    if (this.filtered === null || this.brushed === null) return this.filtered ?? this.brushed;
    return new Set([...this.filtered].filter((number) => this.brushed.has(number)));
  },
  has(number) {
    return (this.filtered === null || this.filtered.has(number)) && (this.brushed === null || this.brushed.has(number));
  },
  // source: the plot that was brushed, which shows its own choice.
  change(changes, source = null) {
    Object.assign(this, changes);
    for (const follow of this.followers) follow(source);
  },
};

const make = (tag, properties = {}, ...children) => {
  const { dataset, ...own } = properties;
  const made = Object.assign(document.createElement(tag), own);
  Object.assign(made.dataset, dataset);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
};
const missing = (value) => value === null || value === undefined || value === "";
const percent = (value) => `${(100 * value).toFixed(2)}%`;
const significant = (value) => Number(value.toPrecision(6));
// A value of the study's metric, as people read it.
const metricText = (value) => (missing(value) ? "–" : table.share ? percent(value) : String(significant(value)));
