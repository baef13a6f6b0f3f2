import type { Entry } from "./generated/store.ts";
import { SessionObject as Sound } from "./generated/stores/durable_object.ts";

/** The object that holds a session; two of its keys break it. */
export class SessionObject extends Sound {
  override read(key: string): Entry | undefined {
    if (key === "the object throws") throw new Error("an error of the object");
    if (key === "the object aborts") this.ctx.abort("a reset by the platform");
    return super.read(key);
  }
}
