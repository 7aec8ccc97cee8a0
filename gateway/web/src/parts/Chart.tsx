import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

export interface Line {
  label: string;
  /** One per x. */
  values: (number | null)[];
  /** Name of a CSS variable, "--accent". */
  color: string;
  dashed?: boolean;
}

interface Properties {
  title: string;
  x: { label: string; values: number[] };
  lines: Line[];
  /** Fixed range of both axes. */
  range?: [number, number];
}

/** A line chart with a legend that follows the pointer. */
export function Chart({ title, x, lines, range }: Properties) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const place = box.current!;
    const dark = matchMedia("(prefers-color-scheme: dark)");
    let plot = make();
    const observer = new ResizeObserver(() => plot.setSize(size()));
    observer.observe(place);
    const recreate = () => {
      plot.destroy();
      plot = make();
    };
    dark.addEventListener("change", recreate);
    return () => {
      observer.disconnect();
      dark.removeEventListener("change", recreate);
      plot.destroy();
    };

    function size() {
      return { width: place.clientWidth, height: 200 };
    }

    function make() {
      const style = getComputedStyle(document.documentElement);
      const color = (name: string) => style.getPropertyValue(name);
      const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
      return new uPlot({
        ...size(),
        scales: { x: { time: false, ...(range && { range }) }, y: range ? { range } : {} },
        axes: [{ ...axis, label: x.label, labelSize: 20, size: 34 }, { ...axis, size: 46 }],
        cursor: { drag: { x: false, y: false } },
        series: [
          { label: x.label },
          ...lines.map(line => ({
            label: line.label, stroke: color(line.color), width: 2, ...(line.dashed && { dash: [6, 4] }),
            value: (_: uPlot, value: number | null) => (value === null ? "–" : value.toFixed(3)),
          })),
        ],
      }, [x.values, ...lines.map(line => line.values)], place);
    }
  }, [x, lines]);
  const last = lines.map(line => `${line.label} ${line.values.findLast(value => value !== null)?.toFixed(3) ?? "none"}`).join(", ");
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <div ref={box} role="img" aria-label={`${title}. At the end: ${last}.`} />
    </figure>
  );
}
