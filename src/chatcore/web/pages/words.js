/** What the codes of the wire mean, in words for a person. */

import { ordinal } from "./format.js";

export const REASONS = {
  no_such_column: "The data has no such column.",
  out_of_range: "The question asks about a time or value outside the data.",
  no_rows: "No rows match. That is not the same as zero.",
  ambiguous: "The question can be read in more than one way.",
  not_supported: "This kind of question is not supported.",
};

export const BASIS = { measured: "measured", what_if: "what if", ceiling: "at most" };

/** By state; `place` is that in the queue of its conversation, 0 where it is in none any more. */
export const TURN_NOTES = {
  unsent: () => "Not sent yet: waits for the connection.",
  sending: () => "Sending",
  held: (place) => (place > 1 ? `Held: ${ordinal(place)} to run when the services are up.` : HELD),
  queued: (place) => (place > 1 ? `Waiting: ${ordinal(place)} in line.` : "Waiting: next in line."),
};

const HELD = "Held: runs when the services are up.";

export const WITHDRAWN = "Cancelling: it is not to be run.";

export const WORKING = {
  live: "Answering",
  lost: "The connection is lost; what has become of this answer is shown when it is back.",
};

export const SERVICE_WORDS = {
  pending: "pending",
  starting: "starting",
  retrying: "trying again",
  ready: "ready",
  failed: "failed",
  stopping: "stopping",
  stopped: "stopped",
};

/** The states of the server (protocol.md, section 2) as a heading and a sentence. */
export const SERVER_STATES = {
  idle: ["Idle", "No service is running. The first connection starts them."],
  initializing: ["Starting", "The services are starting."],
  ready: ["Ready", "Every service is up; agents answer."],
  recovering: ["Recovering", "A service was lost and is being started again."],
  unavailable: ["Unavailable", "The services did not start; they are tried again after a pause."],
  failed: ["Failed", "The services cannot start as they are configured."],
  draining: ["Going away", "This instance finishes what it is doing and stops."],
};
