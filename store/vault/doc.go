// Package vault keeps grants in HashiCorp Vault's KV version 2.
//
//	st, err := vault.Open(ctx, vault.Config{Address: "https://vault.example.com:8200"},
//		vault.AppRole(roleID, "/run/secrets/secret-id"))
//
// Each grant is one secret at MOUNT/data/PREFIX/KEY, which an operator can read. The mount is one of
// its own that keeps one version: an old token is never left behind.
//
//	vault secrets enable -path=ghlogin kv-v2
//	vault write ghlogin/config max_versions=1 cas_required=true
//	vault policy write ghlogin app.hcl
//
// The policies stand beside this file: app.hcl is all that a server needs, sweep.hcl what upkeep
// needs. docs/vault.md tells the whole of it.
//
// # What holds
//
// Every write is check-and-set, which Vault decides on its active node. Reads may come from a standby
// that lags behind (Vault Enterprise); a stale read costs a conflict and a second try, never a wrong
// write. A client that [Open] makes reads its own writes.
//
// # Errors
//
// [ErrUnavailable] (sealed, standby, timeout, 5xx) is worth trying again. [ErrDenied] and [ErrSetup]
// say what to change. None of them shows a token or a value.
package vault
