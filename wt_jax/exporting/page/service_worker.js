// Keeps the page, its packages and models, so that it works without a network; takes new ones when they are there.

const FILES = "files.json"; // {version, files}, written by the export

const nameOf = (version) => `${self.registration.scope} ${version}`;

async function keep() {
  const answer = await fetch(FILES, { cache: "no-store" });
  const { version, files } = await answer.json();
  if (await caches.has(nameOf(version))) return;
  const cache = await caches.open(nameOf(version));
  try {
    await cache.addAll(["./", ...files].map((file) => new Request(file, { cache: "no-cache" })));
  } catch (error) {
    await caches.delete(nameOf(version)); // all of it or nothing
    throw error;
  }
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
