// How the landing page looks, in light and in dark. Knows its elements.

const BARS = Array.from({ length: 20 }, (_, index) => `.b${index + 1}{--part:${(index + 1) * 5}%}`).join('')

/** One text, hashed in the page's policy. */
export const STYLE = `
:root{color-scheme:light dark;--ink:#1d2330;--quiet:#5d6678;--line:#e1e5ec;--back:#f6f7f9;--sheet:#fff;--bar:#b9d3fb;--link:#1657b8}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ef;--quiet:#98a2b5;--line:#2b3240;--back:#12161d;--sheet:#1a1f29;--bar:#27508c;--link:#86b4ff}}
*{box-sizing:border-box}
body{margin:0;padding:1.5rem clamp(1rem,4vw,3rem) 3rem;background:var(--back);color:var(--ink);font:16px/1.45 system-ui,sans-serif}
header{display:flex;flex-wrap:wrap;align-items:baseline;gap:.25rem 1rem;padding-bottom:1rem;border-bottom:1px solid var(--line)}
h1{margin:0;font-size:1.5rem;letter-spacing:-.01em}
h2{margin:1.5rem 0 .25rem;font-size:1.15rem}
p{margin:0;color:var(--quiet)}
header strong{color:var(--ink);font-weight:600;overflow-wrap:anywhere}
nav{margin-left:auto}
ul{display:flex;gap:1.25rem;margin:0;padding:0;list-style:none}
a{color:var(--link)}
.wide{margin-top:1rem;overflow-x:auto;background:var(--sheet);border:1px solid var(--line);border-radius:10px}
table{width:100%;min-width:58rem;border-collapse:collapse;font-size:.925rem}
th,td{padding:.5rem .875rem;text-align:left;vertical-align:top;border-top:1px solid var(--line)}
thead th{border-top:0;color:var(--quiet);font-weight:500;font-size:.8rem;white-space:nowrap}
tbody th{font-weight:600;overflow-wrap:anywhere;min-width:12rem}
td{overflow-wrap:anywhere}
small{display:block;color:var(--quiet);font-weight:400;font-size:.8rem}
.quiet{color:var(--quiet);font-weight:400}
.bytes{width:9.5rem;min-width:7.5rem;white-space:nowrap;font-variant-numeric:tabular-nums}
.bytes::after{content:"";display:block;height:5px;margin-top:.3rem;border-radius:3px;width:var(--part,0);background:var(--bar)}
${BARS}
`
