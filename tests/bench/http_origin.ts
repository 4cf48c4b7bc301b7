/** The origin of the HTTP benchmark, in a program of its own: `/small`, and the file that it is given as `/large`. */

const [path] = process.argv.slice(2);

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request) {
    return new URL(request.url).pathname === "/large" ? new Response(Bun.file(path!)) : new Response("ok");
  },
});
console.log(server.url.href);
