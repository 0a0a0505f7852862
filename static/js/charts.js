// Draws what the server describes: <figure data-chart="id of a JSON script"> (templates/components/chart.html).
// A chart is made once; a refresh changes its data in place. Colours are tokens, taken from the theme.
//
//   {type: "bar" | "line" | "gantt", stacked, horizontal, unit, format: "count" | "seconds" | "percent" | "rate",
//    labels: [text], or times: [ISO], datasets: [{label, tone, data: [number | null], type, axis: "y" | "y2"}],
//    y2: {unit, format}, band: {label, low: [], high: []},
//    gantt: rows: [text], spans: [{row, start, end | null, tone, label, url}], start, end}

import { durationText, now } from "./ages.js";
import { language, say, zone } from "./common.js";

let Chart; // the library, once it is here
const drawn = new Map(); // figure -> {chart, text}
const plain = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 });
const HOUR = 3_600_000;
const STEPS = [1 / 60, 5 / 60, 0.25, 0.5, 1, 3, 6, 12, 24, 48, 168, 720, 1440, 4380, 8760].map((hours) => hours * HOUR);

/** Draw the page's charts, each in a task of its own: the page answers in between. */
export async function start() {
  const figures = document.querySelectorAll("figure[data-chart]");
  if (!figures.length || !(await library())) return;
  for (const figure of figures) {
    if (figure.isConnected) drawOne(figure);
    await new Promise((resolve) => setTimeout(resolve));
  }
}

/** Make the charts that are new, change those whose data changed, forget those that are gone. */
export async function draw() {
  for (const [figure, { chart }] of drawn) {
    if (figure.isConnected) continue;
    chart?.destroy();
    drawn.delete(figure);
  }
  const figures = document.querySelectorAll("figure[data-chart]");
  if (!figures.length || !(await library())) return;
  for (const figure of figures) if (figure.isConnected) drawOne(figure);
}

/** Fetch Chart.js with the first chart: many pages have none. Without it the table beside a chart remains. */
async function library() {
  try {
    ({ Chart } = await import(document.body.dataset.chartLibrary));
  } catch {
    return false;
  }
  return true;
}

/** The theme changed: same data, other colours. */
export function recolour() {
  for (const figure of drawn.keys()) drawOne(figure, true);
}

function drawOne(figure, always = false) {
  const text = document.getElementById(figure.dataset.chart)?.textContent;
  const before = drawn.get(figure);
  if (!text || (before?.text === text && !always)) return;
  const spec = JSON.parse(text);
  const empty = isEmpty(spec);
  showEmpty(figure, empty);
  const config = empty ? null : configure(spec);
  let chart = before?.chart ?? null;
  if (!config || (chart && before.type !== config.type)) {
    chart?.destroy();
    chart = null;
  }
  if (config && chart) {
    update(chart, config);
  } else if (config) {
    chart = new Chart(figure.querySelector("canvas"), config);
  }
  drawn.set(figure, { chart, text, type: config?.type });
}

/** Keep what is drawn and change its numbers: hidden series stay hidden, nothing jumps. */
function update(chart, config) {
  chart.options = config.options;
  chart.data.labels = config.data.labels;
  const old = new Map(chart.data.datasets.map((dataset) => [dataset.label, dataset]));
  chart.data.datasets = config.data.datasets.map((dataset) => Object.assign(old.get(dataset.label) ?? {}, dataset));
  chart.update("none");
}

function isEmpty(spec) {
  if (spec.type === "gantt") return !spec.spans?.length;
  return !spec.datasets?.some((dataset) => dataset.data.some((value) => value !== null && value !== 0));
}

function showEmpty(figure, empty) {
  const frame = figure.querySelector(".chart__canvas");
  frame.querySelector(".chart__empty")?.remove();
  frame.querySelector("canvas").hidden = empty;
  if (!empty) return;
  const note = document.createElement("p");
  note.className = "chart__empty";
  note.textContent = say("no_data");
  frame.append(note);
}

function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function configure(spec) {
  const config = spec.type === "gantt" ? gantt(spec) : plot(spec);
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.font.size = 0.8 * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  Chart.defaults.color = token("muted");
  Chart.defaults.borderColor = token("line");
  config.options = {
    responsive: true,
    maintainAspectRatio: false,
    animation: false,
    locale: language,
    interaction: { mode: "index", intersect: false, axis: spec.horizontal ? "y" : "x" },
    ...config.options,
  };
  config.options.plugins = { legend: legend(), ...config.options.plugins };
  config.options.plugins.tooltip = { ...tooltip(), ...config.options.plugins.tooltip };
  return config;
}

function legend() {
  return {
    position: "bottom",
    align: "start",
    labels: {
      boxWidth: 10,
      boxHeight: 10,
      padding: 12,
      filter: (item) => !item.text.startsWith("\u200b"),
      generateLabels: legendLabels,
    },
  };
}

/** The library colours them as the first value is drawn: of a zero that is nothing. */
function legendLabels(chart) {
  const labels = Chart.defaults.plugins.legend.labels.generateLabels(chart);
  const fills = chart.data.datasets.map((dataset) => dataset.legendFill);
  return labels.map((label) => ({ ...label, fillStyle: fills[label.datasetIndex] ?? label.fillStyle }));
}

function tooltip() {
  return {
    backgroundColor: token("ink"),
    titleColor: token("surface"),
    bodyColor: token("surface"),
    footerColor: token("surface"),
    padding: 8,
    boxPadding: 4,
    filter: (item) => !item.dataset.label.startsWith("\u200b"),
  };
}

// Bars and lines

function plot(spec) {
  const times = spec.times?.map((time) => Date.parse(time));
  const value = spec.horizontal ? "x" : "y";
  const datasets = [...band(spec, times), ...spec.datasets.map((dataset) => series(dataset, spec, times))];
  const scales = {
    [spec.horizontal ? "y" : "x"]: times ? timeAxis(times[0], times.at(-1)) : { grid: { display: false }, stacked: spec.stacked },
    [value]: valueAxis(spec, spec.stacked),
  };
  if (spec.y2) scales.y2 = { ...valueAxis(spec.y2), position: "right", grid: { drawOnChartArea: false } };
  return {
    type: spec.type === "line" ? "line" : "bar",
    data: { labels: times ?? spec.labels, datasets },
    options: {
      indexAxis: spec.horizontal ? "y" : "x",
      scales,
      plugins: {
        tooltip: {
          callbacks: {
            title: (items) => (times ? moment(items[0].parsed.x) : items[0]?.label),
            label: (item) => {
              const of = item.dataset.yAxisID === "y2" ? spec.y2 : spec;
              const number = item.parsed[value];
              return `${item.dataset.label}: ${number === null ? "–" : full(number, of)}`;
            },
          },
        },
      },
    },
  };
}

function series(dataset, spec, times) {
  const colour = token(dataset.tone ?? "accent");
  const line = (dataset.type ?? spec.type) === "line";
  const fill = dataset.tone === "unknown" ? hatched(colour) : colour;
  return {
    label: dataset.label,
    type: line ? "line" : "bar",
    data: times ? dataset.data.map((y, index) => ({ x: times[index], y })) : dataset.data,
    yAxisID: spec.horizontal ? undefined : (dataset.axis ?? "y"),
    order: line ? 0 : 1,
    borderColor: colour,
    legendFill: fill,
    // However small, what there is is seen; of a zero nothing is, though the library gives it the least length, too.
    backgroundColor: line ? fill : ({ raw }) => ((raw?.y ?? raw) === 0 ? "transparent" : fill),
    borderWidth: line ? 2 : 0,
    borderSkipped: false,
    // Of a long line only the points that no stroke reaches are drawn: they would not show at all.
    pointRadius: ({ dataIndex }) => (line && dataset.data.length > 60 && !alone(dataset.data, dataIndex) ? 0 : 2),
    pointHitRadius: 8,
    spanGaps: false,
    maxBarThickness: 28,
    minBarLength: 2,
    stack: spec.stacked && !line ? "all" : undefined,
  };
}

function alone(data, index) {
  return (data[index - 1] ?? null) === null && (data[index + 1] ?? null) === null;
}

function band(spec, times) {
  if (!spec.band) return [];
  const colour = token("line-strong");
  const edge = (data, label, fill) => ({
    label,
    type: "line",
    data: times ? data.map((y, index) => ({ x: times[index], y })) : data,
    borderWidth: 0,
    pointRadius: 0,
    backgroundColor: `color-mix(in srgb, ${colour} 45%, transparent)`,
    borderColor: colour,
    fill,
    order: 3,
  });
  // A zero-width space keeps the lower edge out of the legend and the tooltip.
  return [edge(spec.band.low, "\u200blow", false), edge(spec.band.high, spec.band.label ?? say("usual"), "-1")];
}

function hatched(colour) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  for (const x of [-8, 0, 8]) {
    pen.moveTo(x, 8);
    pen.lineTo(x + 8, 0);
  }
  pen.stroke();
  return pen.createPattern(tile, "repeat");
}

function valueAxis(spec, stacked = false) {
  return {
    beginAtZero: true,
    stacked,
    title: { display: Boolean(spec.unit), text: spec.unit ?? "" },
    border: { display: false },
    ticks: {
      maxTicksLimit: 6,
      precision: (spec.format ?? "count") === "count" ? 0 : undefined,
      callback: (number) => brief(number, spec.format),
    },
  };
}

function brief(number, format) {
  if (format === "seconds") return durationText(number);
  if (format === "percent") return `${plain.format(number)}%`;
  return short.format(number);
}

function full(number, spec) {
  if (spec?.format === "seconds") return durationText(number);
  if (spec?.format === "percent") return `${plain.format(number)}%`;
  return `${plain.format(number)}${spec?.unit ? ` ${spec.unit}` : ""}`;
}

// Time

function moment(time) {
  return new Intl.DateTimeFormat(language, { timeZone: zone, dateStyle: "short", timeStyle: "short", hourCycle: "h23" }).format(time);
}

function timeAxis(from, to) {
  const step = STEPS.find((size) => (to - from) / size <= 9) ?? STEPS.at(-1);
  const format = new Intl.DateTimeFormat(language, {
    timeZone: zone,
    hourCycle: "h23",
    ...(step < 24 * HOUR ? { hour: "2-digit", minute: "2-digit" } : { day: "2-digit", month: "2-digit" }),
    ...(step > 168 * HOUR ? { year: "2-digit" } : {}),
  });
  return {
    type: "linear",
    min: from,
    max: to,
    grid: { drawTicks: true },
    ticks: { callback: (time) => format.format(time), maxRotation: 0, autoSkip: true, autoSkipPadding: 12 },
    afterBuildTicks: (axis) => {
      const shift = zoneOffset(from);
      const first = Math.ceil((from + shift) / step) * step - shift;
      axis.ticks = [];
      for (let time = first; time <= to; time += step) axis.ticks.push({ value: time });
    },
  };
}

/** ms that the reader's zone is ahead of UTC at that time: ticks fall on its full hours and days. */
function zoneOffset(time) {
  const parts = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" }).formatToParts(time);
  const match = /([+-])(\d\d):(\d\d)/.exec(parts.find((part) => part.type === "timeZoneName").value);
  return match ? (match[1] === "-" ? -1 : 1) * (Number(match[2]) + Number(match[3]) / 60) * HOUR : 0;
}

// Timeline: a bar per execution from start to finish; a running one reaches to now

function gantt(spec) {
  const from = Date.parse(spec.start);
  const to = Math.max(Date.parse(spec.end), ...spec.spans.map((span) => (span.end ? Date.parse(span.end) : now())));
  const least = (to - from) / 400; // a bar that is too short to see is still drawn
  const data = spec.spans.map((span) => {
    const start = Date.parse(span.start);
    const end = span.end ? Date.parse(span.end) : now();
    return { x: [start, Math.max(end, start + least)], y: spec.rows[span.row], span, seconds: (end - start) / 1000 };
  });
  const colours = spec.spans.map((span) => (span.tone === "unknown" ? hatched(token("unknown")) : token(span.tone)));
  return {
    type: "bar",
    data: {
      labels: spec.rows,
      datasets: [{ label: "", data, backgroundColor: colours, borderSkipped: false, borderRadius: 2, barPercentage: 0.7, minBarLength: 3, grouped: false }],
    },
    options: {
      indexAxis: "y",
      interaction: { mode: "nearest", intersect: true },
      scales: { x: timeAxis(from, to), y: { grid: { display: false }, ticks: { autoSkip: false } } },
      onClick: (event, [hit], chart) => {
        const url = hit && chart.data.datasets[0].data[hit.index].span.url;
        if (url) location.assign(url);
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          filter: () => true,
          callbacks: {
            title: ([item]) => item?.raw.span.label,
            label: (item) => {
              const { span, seconds, x } = item.raw;
              return `${moment(x[0])} · ${durationText(seconds)}${span.end ? "" : ` · ${say("running")}`}`;
            },
          },
        },
      },
    },
  };
}
