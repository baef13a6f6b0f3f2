// Loaded ahead of a server that would listen on every address of the machine: no test opens it to others.

import { Server } from "node:net";

const listen = Server.prototype.listen;

Server.prototype.listen = function (first, ...rest) {
  const callback = rest.find((argument) => typeof argument === "function");
  const port = Number(typeof first === "object" ? first.port : first);
  return listen.call(this, { port, host: "127.0.0.1" }, callback);
};
