// What the page uses of its libraries; esbuild leaves out the rest.
export { Graph, layout } from "@dagrejs/dagre";
export { hierarchy, partition } from "d3-hierarchy";
export { select } from "d3-selection";
export { zoom, zoomIdentity } from "d3-zoom";
