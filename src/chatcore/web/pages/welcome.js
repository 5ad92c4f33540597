/** An empty page: who can be asked, and what to begin with. */

import { askButtons } from "./answer_view.js";
import { openingQuestions } from "./api.js";
import { el } from "./dom.js";

/**
 * @param {object[]} agents as the server announced them
 * @param {(question: string, agent: string) => void} ask
 * @returns {Node[]}
 */
export function welcome(agents, ask) {
  const parts = agents.map((agent) => {
    const node = el("dd", {}, agent.description);
    offer(node, agent.name, ask).catch(() => {}); // a page without examples can be asked all the same
    return el("div", {}, el("dt", {}, agent.name), node);
  });
  return [el("h2", {}, "Ask something"), el("dl", { class: "agents" }, ...parts)];
}

async function offer(node, agent, ask) {
  const texts = await openingQuestions(agent);
  if (texts.length > 0) node.append(askButtons("openings", texts, (question) => ask(question, agent)));
}
