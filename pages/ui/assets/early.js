// Runs with the page itself, long before Streamlit has drawn a place for any component: the readings are here when the first one mounts.

import { live } from "./live.js";

const UNTIL_MS = 10_000; // by then whoever needs the socket has asked for it

const SHOW_PROCESSES = ["/", "/processes"];

const processes = SHOW_PROCESSES.includes(location.pathname);
const { close } = live().subscribe({ host: true, processes, status: true });
setTimeout(close, UNTIL_MS);
