/** A server that keeps ended processes for a second only, so that what it keeps for ever shows. Prints its URL. */

import { currentRuntime, listen } from "../../mod.ts";

const listener = await listen(await currentRuntime(), { limits: { closedRetentionMs: 1000 } });
console.log(listener.url);
