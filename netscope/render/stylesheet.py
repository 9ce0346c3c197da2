"""The style of ``html``: scoped by the prefix of its classes, since the page around it may be a notebook's."""

STYLE = """
.netscope{color-scheme:light dark;
--netscope-text:light-dark(#1f2328,#e6e9ed);--netscope-dim:light-dark(#59636e,#9aa4af);
--netscope-paper:light-dark(#ffffff,#15181c);--netscope-line:light-dark(#d8dde3,#343a41);
--netscope-hover:light-dark(#eef2f6,#20252b);--netscope-bar:light-dark(#c6dcf7,#1f4a78);
--netscope-added:light-dark(#116329,#6fdd8b);--netscope-removed:light-dark(#a40e26,#ff9492);
--netscope-changed:light-dark(#7d4e00,#e9b949);
color:var(--netscope-text);background:var(--netscope-paper);padding:.5rem .75rem;max-width:100%;box-sizing:border-box;
font:13px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
body[data-jp-theme-light="true"] .netscope,body[data-md-color-scheme="default"] .netscope{color-scheme:light}
body[data-jp-theme-light="false"] .netscope,body[data-md-color-scheme="slate"] .netscope,
body[data-vscode-theme-kind$="dark"] .netscope{color-scheme:dark}
.netscope .netscope-title{font-size:1.1em;font-weight:600;margin:.2rem 0;text-align:left}
.netscope .netscope-line{color:var(--netscope-dim);margin:0;text-align:left}
.netscope .netscope-scroll{overflow-x:auto;margin:.6rem 0}
.netscope .netscope-tree ul{list-style:none;margin:0;padding:0}
.netscope .netscope-tree li{margin:0;padding:0}
.netscope .netscope-tree details{margin:0;padding:0;border:0}
.netscope .netscope-row{display:grid;grid-template-columns:var(--netscope-columns);column-gap:2ch;align-items:start;
padding:1px 0 1px 4px;margin:0;border-left:3px solid transparent;list-style:none}
.netscope summary.netscope-row{cursor:pointer}
.netscope summary.netscope-row::-webkit-details-marker{display:none}
.netscope summary:focus-visible,.netscope .netscope-scroll:focus-visible{
outline:2px solid Highlight;outline-offset:-2px}
.netscope .netscope-row:hover,.netscope .netscope-row:hover .netscope-name,.netscope .netscope-table tbody tr:hover,
.netscope .netscope-table tbody tr:hover th{background:var(--netscope-hover)}
.netscope .netscope-head{border-bottom:1px solid var(--netscope-line);color:var(--netscope-dim);margin-bottom:2px}
.netscope .netscope-row>span{white-space:nowrap}
.netscope .netscope-row>:is(.netscope-name,.netscope-type,.netscope-text){white-space:normal;overflow-wrap:anywhere}
.netscope .netscope-row>.netscope-right,.netscope .netscope-row>.netscope-share{text-align:right}
.netscope .netscope-name{position:sticky;left:0;background:var(--netscope-paper);
padding-left:calc(1.1em*var(--netscope-level,0) + 1.2em)}
.netscope .netscope-row>.netscope-name::before{content:"";position:absolute;margin-left:-1.2em}
.netscope .netscope-head>.netscope-name::before{display:none}
.netscope .netscope-head>.netscope-name{padding-left:0}
.netscope summary.netscope-row>.netscope-name::before{content:"\\25B8";content:"\\25B8" / "";
color:var(--netscope-dim)}
.netscope details[open]>summary.netscope-row>.netscope-name::before{content:"\\25BE";content:"\\25BE" / ""}
.netscope .netscope-heard{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);
white-space:nowrap;user-select:none}
.netscope .netscope-share{position:relative;text-align:right}
.netscope .netscope-share>i{position:absolute;left:0;top:2px;bottom:2px;background:var(--netscope-bar);
border-radius:2px;forced-color-adjust:none}
.netscope .netscope-share>b{position:relative;font-weight:inherit;padding-right:.4ch}
.netscope .netscope-nothing,.netscope .netscope-mark,.netscope .netscope-faint{color:var(--netscope-dim)}
.netscope .netscope-strong>.netscope-name,.netscope .netscope-strong>.netscope-type{font-weight:600}
.netscope .netscope-added{color:var(--netscope-added);border-left:3px solid}
.netscope .netscope-removed{color:var(--netscope-removed);border-left:3px double}
.netscope .netscope-changed{color:var(--netscope-changed);border-left:3px dotted}
.netscope .netscope-table{border-collapse:collapse;margin:0;border:0;font-size:inherit;color:inherit;table-layout:auto}
.netscope .netscope-table caption{caption-side:top;text-align:left;padding:0 0 .6rem;color:inherit}
.netscope .netscope-table tr{background:none;border:0}
.netscope .netscope-table th,.netscope .netscope-table td{padding:2px 1ch;text-align:left;vertical-align:top;
font-weight:inherit;border:0;white-space:normal;max-width:60ch;overflow-wrap:break-word;background:none;color:inherit}
.netscope .netscope-table thead th{border-bottom:1px solid var(--netscope-line);color:var(--netscope-dim);
vertical-align:bottom}
.netscope .netscope-table .netscope-right,.netscope .netscope-table .netscope-share{text-align:right;white-space:nowrap}
.netscope .netscope-table .netscope-share{min-width:9ch}
.netscope .netscope-facts{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.1rem 2ch;margin:.6rem 0}
.netscope .netscope-facts dt{color:var(--netscope-dim);grid-column:1;margin:0;font-weight:inherit}
.netscope .netscope-facts dd{grid-column:2;margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
.netscope .netscope-folded{margin:.6rem 0}
.netscope .netscope-folded>summary{cursor:pointer;color:var(--netscope-dim)}
.netscope .netscope-attached{border-top:1px solid var(--netscope-line);margin-top:1rem;padding-top:.6rem}
@media print{.netscope .netscope-scroll{overflow:visible}}
"""

PAGE_STYLE = """
html{color-scheme:light dark;background:light-dark(#ffffff,#15181c)}
body{margin:0}
main{max-width:max-content;margin:0 auto}
"""
