// Runs with the page itself, before Streamlit draws the first component: the live socket opens early, so readings are there when
// the first component mounts.

import { live } from "./hub.js";

const UNTIL_MS = 10_000; // by then every component that needs the socket has subscribed

const SHOW_PROCESSES = ["/", "/processes"];

const processes = SHOW_PROCESSES.includes(location.pathname);
const { close } = live().subscribe({ host: true, processes, status: true });
setTimeout(close, UNTIL_MS);
