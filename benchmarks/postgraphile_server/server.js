// PostGraphile on one private PostgreSQL, as its manual has it for production: the Amber preset, one process,
// a pool of as many sessions as the API's, no GraphiQL, nothing watched, nothing explained.
// BENCH_DATABASE_URL, BENCH_PORT, BENCH_POOL.
import { createServer } from "node:http";
import { postgraphile } from "postgraphile";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { makeV4Preset } from "postgraphile/presets/v4";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";

// PostGraphile asks for Node 22; this is all that it misses in Node 20.
Promise.withResolvers ??= function () {
  const made = {};
  made.promise = new this((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

const sessions = Number(process.env.BENCH_POOL);
const server = createServer();
const instance = postgraphile({
  // The names that are its users' habit, and in the schema only what its user may read.
  extends: [PostGraphileAmberPreset, makeV4Preset({ graphiql: false, ignoreRBAC: false })],
  pgServices: [
    makePgService({
      connectionString: process.env.BENCH_DATABASE_URL,
      schemas: ["crm"],
      poolConfig: { max: sessions, min: sessions },
    }),
  ],
  gather: { installWatchFixtures: false },
  grafast: { explain: false },
  grafserv: { watch: false, graphiql: false, graphqlPath: "/graphql" },
});
const serv = instance.createServ(grafserv);
await serv.addTo(server);
await serv.ready();
const [answer] = server.listeners("request");
server.removeAllListeners("request");
server.on("request", (request, response) =>
  request.url === "/ready" ? response.end("ready") : answer(request, response),
);
server.listen(Number(process.env.BENCH_PORT), "127.0.0.1");
