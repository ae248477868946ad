// Keeps the page, its packages and models, so that it works without a network; takes new ones when they are there.

const FILES = "files.json"; // {version, files}, written by the export

const nameOf = (version) => `${self.registration.scope} ${version}`;

async function keep() {
  const answer = await fetch(FILES, { cache: "no-store" });
  const { version, files } = await answer.json();
  const cache = await caches.open(nameOf(version));
  if (await cache.match("./")) return; // all of it is there: it is added at once, or not at all
  await cache.addAll(["./", ...files].map((file) => new Request(file, { cache: "no-cache" })));
  for (const name of await caches.keys()) {
    if (name.startsWith(nameOf("")) && name !== nameOf(version)) await caches.delete(name);
  }
}

self.addEventListener("install", (event) => event.waitUntil(keep().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  if (event.request.method !== "GET") return;
  if (event.request.mode === "navigate") event.waitUntil(keep().catch(() => {})); // a newer one is for the next visit
  event.respondWith(caches.match(event.request, { ignoreSearch: true }).then((kept) => kept ?? fetch(event.request)));
});
