/** A process of its own that prints the name of the adapter it finds: a driver that crashes, or complains, does so here. */

import { nodePlatform } from "../gpu/platform-node.ts";

const gpu = await nodePlatform.gpu();
const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
if (adapter) process.stdout.write(adapter.info.description || adapter.info.device || adapter.info.vendor || "unnamed");
