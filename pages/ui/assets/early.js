// Runs with the page itself, long before Streamlit has drawn a place for any component: the readings are here when the first one mounts.

import { live } from "./live.js";

const UNTIL_MS = 10_000; // by then whoever needs the socket has asked for it

const { close } = live().subscribe({ host: true, processes: true, status: true });
setTimeout(close, UNTIL_MS);
