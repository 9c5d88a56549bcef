// Package sealed encrypts and authenticates what any [store.Store] keeps, so that a backup, a disk
// or an operator of the backend shows no token.
//
//	key, err := sealed.ParseKey(os.Getenv("GHLOGIN_STORE_KEY")) // openssl rand -base64 32
//	st, err := sealed.New(inner, []sealed.Key{key})
//
// # What is sealed
//
// The value, with AES-256-GCM and a random nonce, also where it is empty. The box is bound to the
// store key that it stands under and to the number of its format: a value that was moved to another
// user's key, changed or cut short does not open. What stands in the store is text whose frame an
// operator can read:
//
//	{"sealed":1,"key":"9f86d081","box":"..."}
//
// Not hidden are the store keys, the length of a value, Expires, and when it was written. Not
// noticed is an older box put back under the key it came from, by somebody who can write to the
// backend, and an entry that is taken away.
//
// # Keys
//
// The first key seals, every key opens. Each key has an id, made from the key itself and no secret,
// which the frame, the errors and a printed [Key] show. To replace a key while a fleet runs:
//
//  1. Add the new key at the end, on every replica, so that all can open what will come.
//  2. Move it to the front, on every replica.
//  3. Run Reseal of [Store] until it returns 0 and no error.
//  4. Take the old key out.
//
// In a single process steps 1 and 2 are one. A value whose key was taken out too early is an
// [*OpenError] that names the key, and opens again when the key is back. If the key is lost, Delete
// the entry: its user signs in again.
//
// # How long a key lasts
//
// Nonces are random, 96 bits long, and a key may seal 2^32 (4.3 thousand million) values in all
// (NIST SP 800-38D, 8.3): two of them share a nonce with a chance of 2^-33 by then. Tokens that
// expire after 8 hours and are refreshed all day cost 6 writes a user and day, so one key lasts 19
// years for 100,000 such users, and not quite 2 for a million. Nothing counts the writes: put the
// date of the next key into a calendar.
//
// # A store that holds plain values
//
// A plain value does not open, or a writer to the backend could plant one. To seal what a store
// already holds, let every replica run with [WithPlaintextReadable], run Reseal until it returns 0
// and no error, and take the option out. Replicas that do not seal yet cannot read what others
// sealed: replace them all at once, or expect errors from them until they are gone.
package sealed
