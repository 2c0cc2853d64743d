// What the signed-in session knows, in one object, and who is told when a part of it changes.

export const state = {
  configuring: null,
  config: null,
  me: { known: false, name: "", may_write: false },
  signedIn: false,
  online: true,
  route: { view: "inbox", id: null },
  list: null,
  thread: null,
  cursor: null,
  said: "",
};

const watchers = new Map();

/** Call `told` after each change of one of the topics; the answer ends it. */
export function watch(topics, told) {
  for (const topic of topics) {
    if (!watchers.has(topic)) watchers.set(topic, new Set());
    watchers.get(topic).add(told);
  }
  return () => topics.forEach((topic) => watchers.get(topic).delete(told));
}

/** Tell who watches a topic: session, online, route, list, row, thread, texts, said, filters. */
export function tell(topic) {
  for (const told of [...(watchers.get(topic) || [])]) told();
}

/** Have a screen reader say something, politely. */
export function say(text) {
  state.said = text;
  tell("said");
}
