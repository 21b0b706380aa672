/** Every arrival as a tick where it came, so that a gap is a gap and a lump is one thick line. */
import type { Exchange } from "../watch";
import { inSeconds, say } from "./words";

const WIDTH = 640;
const HEIGHT = 56;
const WORDS = new Set(["TEXT_MESSAGE_CONTENT", "REASONING_MESSAGE_CONTENT"]);

export function Timeline({ exchange }: { exchange: Exchange }) {
  const times = exchange.arrivals.map((one) => one.at);
  const end = Math.max(1, exchange.ended ?? 0, times.at(-1) ?? 0);
  const x = (at: number) => (at / end) * WIDTH;
  const gap = longestGap(times);
  const words = exchange.arrivals.filter((one) => WORDS.has(one.type));
  const facts: [string, string][] = [
    [say("head"), exchange.head === null ? "…" : inSeconds(exchange.head)],
    [say("firstWord"), words[0] ? inSeconds(words[0].at) : "…"],
    [say("lastWord"), words.at(-1) ? inSeconds(words.at(-1)!.at) : "…"],
    [say("longestGap"), inSeconds(gap.length)],
    [say("arrivals"), String(new Set(times.map(Math.round)).size)],
    [say("events"), String(times.length)],
    [say("bytes"), String(exchange.arrivals.reduce((sum, one) => sum + one.bytes, 0))],
  ];
  const label = say("timeline", { count: times.length, seconds: (end / 1000).toFixed(1), gap: (gap.length / 1000).toFixed(1) });
  return (
    <>
      <svg class="timeline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label} preserveAspectRatio="none">
        {gap.length > 0 && <rect class="gap" x={x(gap.from)} width={x(gap.length)} y="0" height={HEIGHT} />}
        {exchange.arrivals.map((one, index) => (
          <line key={index} class={WORDS.has(one.type) ? "word" : one.type === "comment" ? "beat" : "other"} x1={x(one.at)} x2={x(one.at)} y1={WORDS.has(one.type) ? 8 : 24} y2={HEIGHT - 6}>
            <title>{`${inSeconds(one.at)} ${one.type} ${one.delta}`}</title>
          </line>
        ))}
      </svg>
      <dl class="facts">
        {facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
      </dl>
    </>
  );
}

/** Between two arrivals, the first one's head included: from where, and how long, in milliseconds. */
function longestGap(times: number[]): { from: number; length: number } {
  let longest = { from: 0, length: times[0] ?? 0 };
  for (let index = 1; index < times.length; index++) {
    const from = times[index - 1] as number;
    const length = (times[index] as number) - from;
    if (length > longest.length) longest = { from, length };
  }
  return longest;
}
