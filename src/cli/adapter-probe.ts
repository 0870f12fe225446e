/** A process of its own that prints the name of the adapter it finds: a driver that crashes, or complains, does so here. */

import { findAdapter } from "../gpu/adapter.ts";
import { setPlatform } from "../gpu/platform.ts";
import { nodePlatform } from "../gpu/platform-node.ts";

setPlatform(nodePlatform);
const adapter = await findAdapter();
if (adapter) process.stdout.write(adapter.info.description || adapter.info.device || adapter.info.vendor || "unnamed");
