import type { SessionStore, Trouble } from "./generated/store.ts";

// What is to go wrong until told otherwise: a trouble, which comes before the
// store is asked; "lost", when it has done what it was asked; or "hang".
let ordered: string | undefined;

export function order(how: string | undefined): void {
  ordered = how;
}

class Fault extends Error {}

async function strike(): Promise<void> {
  if (ordered === "hang") await new Promise(() => undefined);
  if (ordered !== undefined && ordered !== "lost") throw new Fault(ordered);
}

/** The same store, until a fault is ordered. */
export function faulty<Store extends SessionStore>(store: Store): Store {
  return new Proxy(store, {
    get(_, name) {
      const member: unknown = Reflect.get(store, name);
      if (typeof member !== "function") return member;
      if (name === "diagnose") {
        return (error: unknown): Trouble =>
          error instanceof Fault
            ? (error.message as Trouble)
            : store.diagnose(error);
      }
      return async (...args: unknown[]) => {
        await strike();
        const outcome: unknown = await member.apply(store, args);
        if (ordered === "lost") throw new Fault("unavailable");
        return outcome;
      };
    },
  });
}
