/** What is kept on this device, in IndexedDB: drafts by their id, and the outbox by the id of the submission. */
const opened = new Promise((resolve, reject) => {
  const request = indexedDB.open("tutelage", 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore("drafts");
    request.result.createObjectStore("outbox");
  };
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

async function run(store, mode, act) {
  const database = await opened;
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(store, mode, { durability: "strict" });
    const request = act(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}

export const get = (store, key) => run(store, "readonly", (shelf) => shelf.get(key));
export const all = (store) => run(store, "readonly", (shelf) => shelf.getAll());
export const put = (store, key, value) => run(store, "readwrite", (shelf) => shelf.put(value, key));
export const remove = (store, key) => run(store, "readwrite", (shelf) => shelf.delete(key));
