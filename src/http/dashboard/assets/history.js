// PURE: what was seen within the last fifteen minutes, for the charts.

const SPAN = 15 * 60 * 1000;
const LINES = 6;

export class History {
  constructor() {
    this.points = [];
    this.ways = null;
  }

  // Adds a state as it was seen at a time.
  add(at, state) {
    const rates = new Map();
    let files = 0;
    for (const pipeline of state.pipelines) {
      if (pipeline.rates !== null) rates.set(pipeline.pipeline, pipeline.rates.rows_per_second);
      files += pipeline.backlog.files;
    }
    this.points.push({ at, rates, files, drop: null, batch: null });
    while (this.points[0].at < at - SPAN) this.points.shift();
  }

  // Adds how long files and batches took since the figures of before: those are sums over all time.
  took(pipelines) {
    const sum = { drop: [0, 0], batch: [0, 0] };
    for (const pipeline of pipelines) {
      sum.drop[0] += pipeline.drop_to_commit.count;
      sum.drop[1] += pipeline.drop_to_commit.seconds;
      for (const writer of pipeline.writers) {
        sum.batch[0] += writer.batches;
        sum.batch[1] += writer.commit_seconds;
      }
    }
    const last = this.points.at(-1);
    if (last !== undefined && this.ways !== null) {
      for (const what of ["drop", "batch"]) {
        const more = sum[what][0] - this.ways[what][0];
        if (more > 0) last[what] = (sum[what][1] - this.ways[what][1]) / more;
      }
    }
    this.ways = sum;
  }

  // The pipelines whose lines are drawn: those that did most.
  names() {
    const sums = new Map();
    for (const point of this.points) {
      for (const [name, rate] of point.rates) sums.set(name, (sums.get(name) ?? 0) + rate);
    }
    const all = [...sums].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    return all.slice(0, LINES).map(([name]) => name).sort();
  }

  rows(point) {
    let sum = 0;
    for (const rate of point.rates.values()) sum += rate;
    return sum;
  }

  // By minute, the newest first.
  minutes() {
    const found = new Map();
    for (const point of this.points) {
      const minute = Math.floor(point.at / 60000);
      const group = found.get(minute) ?? [];
      group.push(point);
      found.set(minute, group);
    }
    const mean = (values) => {
      const there = values.filter((value) => value !== null);
      return there.length === 0 ? null : there.reduce((a, b) => a + b, 0) / there.length;
    };
    return [...found].reverse().map(([minute, points]) => ({
      at: minute * 60000,
      rows: mean(points.map((point) => this.rows(point))),
      drop: mean(points.map((point) => point.drop)),
      batch: mean(points.map((point) => point.batch)),
      files: points.at(-1).files,
    }));
  }
}
