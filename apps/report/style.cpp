#include "apps/report/style.h"

namespace bonsai::report {

std::string_view style_sheet() {
  return R"css(
:root {
  color-scheme: light dark;
  --page: #f6f7f5; --card: #ffffff; --ink: #1c211d; --soft: #5d665f; --faint: #8b938d;
  --rule: #e3e7e3; --leaf: #1f7a4d; --train: #2f6fb7; --test: #d0671b; --before: #b6bdb8;
  --after: #1f7a4d; --hit: #1f7a4d; --miss: #d0671b; --cell: #f0f2f0; --on: #ffffff;
  --shade: 0 1px 2px rgba(20, 40, 30, .06), 0 4px 16px rgba(20, 40, 30, .05);
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #141715; --card: #1c201d; --ink: #e8ece9; --soft: #a7b0aa; --faint: #7d8780;
    --rule: #2d332f; --leaf: #58b986; --train: #6aa5e6; --test: #ee9450; --before: #59625c;
    --after: #4aa878; --hit: #3f9d6d; --miss: #e0833f; --cell: #242925; --on: #0f1210;
    --shade: none;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif; }
main { max-width: 1020px; margin: 0 auto; padding: 40px 20px 60px; }
h1 { font-size: 30px; line-height: 1.2; letter-spacing: -.02em; margin: 0 0 8px; }
h2 { font-size: 17px; margin: 0 0 12px; }
.lead { font-size: 17px; color: var(--soft); margin: 0 0 24px; max-width: 46em; }
section { background: var(--card); border-radius: 12px; box-shadow: var(--shade);
  padding: 22px 26px 24px; margin: 0 0 18px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 14px;
  margin: 0 0 18px; }
.tile { background: var(--card); border-radius: 12px; box-shadow: var(--shade);
  padding: 16px 20px; }
.tile b { display: block; font-size: 27px; line-height: 1.2; letter-spacing: -.02em;
  color: var(--leaf); font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13.5px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 8px 10px; text-align: right; border-bottom: 1px solid var(--rule);
  white-space: nowrap; }
tr:last-child td, tr:last-child th { border-bottom: 0; }
th:first-child { text-align: left; padding-left: 0; font-weight: 600; }
td:last-child, th:last-child { padding-right: 0; }
thead th { color: var(--soft); font-weight: 500; font-size: 13px; }
td.change { font-weight: 600; } td.better { color: var(--leaf); } td.worse { color: var(--miss); }
th small { display: block; font-weight: 400; font-size: 12.5px; color: var(--faint);
  white-space: normal; }
.facts th { font-weight: 400; color: var(--soft); width: 190px; }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.facts th, .facts td { padding-top: 5px; padding-bottom: 5px; border: 0; }
.scroll { overflow-x: auto; }
.note { color: var(--soft); margin: 0 0 12px; font-size: 14px; }
.matrix + .note { margin: 12px 0 0; }
.legend { display: flex; gap: 20px; font-size: 13px; color: var(--soft); margin: 0 0 10px; }
.key { display: inline-block; width: 16px; height: 9px; border-radius: 2px; margin-right: 7px; }
.key.train { background: var(--train); } .key.test { background: var(--test); }
.key.removed, .key.constant, .key.solved { width: 9px; border-radius: 5px; }
.key.removed { background: var(--before); } .key.constant { background: var(--train); }
.key.solved { background: var(--leaf); }
.key.bar-before { background: var(--before); } .key.bar-after { background: var(--after); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(330px, 1fr)); gap: 24px; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }
svg .caption { font-size: 13.5px; font-weight: 600; fill: var(--ink); }
svg .name { fill: var(--ink); font-size: 12.5px; }
svg .mark { fill: var(--soft); font-style: italic; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg .border { stroke: var(--faint); stroke-width: 1; stroke-dasharray: 4 3; }
svg .curve { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
svg .curve.train { stroke: var(--train); } svg .curve.test { stroke: var(--test); }
svg .dot { stroke: var(--card); stroke-width: 1; } svg .hit { fill: transparent; }
svg .dot.train { fill: var(--train); } svg .dot.test { fill: var(--test); }
svg .dot.removed { fill: var(--before); } svg .dot.constant { fill: var(--train); }
svg .dot.solved { fill: var(--leaf); }
svg .bar-before { fill: var(--before); } svg .bar-after { fill: var(--after); }
svg .cell { fill: var(--cell); } svg .hit { fill: var(--hit); } svg .miss { fill: var(--miss); }
svg .count { fill: var(--ink); font-size: 12.5px; pointer-events: none; }
svg .count.on { fill: var(--on); font-weight: 600; }
.series-0 { --series: #2f6fb7; } .series-1 { --series: #d0671b; } .series-2 { --series: #1f8a5b; }
.series-3 { --series: #a3459b; } .series-4 { --series: #b89312; } .series-5 { --series: #c23b4a; }
.series-6 { --series: #5d6fd0; } .series-7 { --series: #2a9d9d; } .series-8 { --series: #8a6a4f; }
.series-9 { --series: #7f8a2e; } .series-10 { --series: #7b8794; } .series-11 { --series: #d674a8; }
.key[class*="series-"] { background: var(--series); }
svg .curve[class*="series-"] { stroke: var(--series); }
svg .dot[class*="series-"], svg .part { fill: var(--series); }
.legend.many { flex-wrap: wrap; gap: 4px 18px; }
.strip { display: grid; grid-template-columns: repeat(auto-fill, minmax(130px, 1fr)); gap: 20px 16px; }
figure { margin: 0; break-inside: avoid; }
figure img { width: 100%; aspect-ratio: 1; object-fit: cover; image-rendering: pixelated;
  border-radius: 8px; border: 1px solid var(--rule); display: block; }
figcaption em { display: block; font-style: normal; font-weight: 600; font-size: 13.5px;
  margin: 7px 0 3px; color: var(--hit); }
.wrong figcaption em { color: var(--miss); }
.wrong img { outline: 2px solid var(--miss); outline-offset: 1px; }
ol { list-style: none; margin: 0; padding: 0; font-size: 12.5px; color: var(--soft); }
ol li { display: grid; grid-template-columns: 1fr auto; position: relative; padding-bottom: 5px; }
ol li b { font-weight: 500; font-variant-numeric: tabular-nums; }
ol li i { position: absolute; left: 0; bottom: 2px; height: 2px; border-radius: 1px;
  background: var(--before); }
ol li.truth { color: var(--ink); } ol li.truth i { background: var(--hit); }
pre { background: var(--cell); border-radius: 8px; padding: 12px 14px; margin: 0 0 12px;
  font: 13px/1.55 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
  overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
pre:last-child { margin-bottom: 0; }
h3 { font-size: 14px; font-weight: 600; color: var(--soft); margin: 16px 0 6px; }
footer { color: var(--faint); font-size: 13px; }
@media (max-width: 560px) { section { padding: 16px 16px 18px; } main { padding-top: 24px; } }
@media print {
  :root { --page: #fff; --card: #fff; --ink: #000; --soft: #444; --faint: #777; --rule: #ddd;
    --leaf: #1f7a4d; --train: #2f6fb7; --test: #d0671b; --before: #b6bdb8; --after: #1f7a4d;
    --hit: #1f7a4d; --miss: #d0671b; --cell: #f3f3f3; --on: #fff; --shade: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { font-size: 12px; } main { max-width: none; padding: 0; }
  section { padding: 10px 0; break-inside: avoid; } .tile { padding: 6px 0; }
  .strip { grid-template-columns: repeat(6, 1fr); }
}
)css";
}

}  // namespace bonsai::report
