package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
	"github.com/ghlogin/ghlogin/store/vault"
)

// opener makes the store, and returns what to call at the end.
type opener func(ctx context.Context, log *slog.Logger) (st store.Store, end func(context.Context) error, err error)

// storeFromEnv reads GHLOGIN_STORE, and for Vault its settings. It reaches for nothing yet, so that its
// error can stand beside those of the other settings.
func storeFromEnv() (opener, error) {
	switch name := os.Getenv("GHLOGIN_STORE"); name {
	case "", "memory":
		return openMemory, nil
	case "vault":
		cfg, login, err := vault.ConfigFromEnv()
		return openVault(cfg, login), err
	default:
		return nil, fmt.Errorf("GHLOGIN_STORE is %q: set it to vault, or to memory, which is also what it is when unset", name)
	}
}

func openMemory(context.Context, *slog.Logger) (store.Store, func(context.Context) error, error) {
	return memory.New(), func(context.Context) error { return nil }, nil
}

// openVault logs in and looks whether Vault is set up for this: at the start a person sees what is
// wrong, and later a visitor would.
func openVault(cfg vault.Config, login vault.Login) opener {
	return func(ctx context.Context, log *slog.Logger) (store.Store, func(context.Context) error, error) {
		st, err := vault.Open(ctx, cfg, login, vault.WithLogger(log))
		if err != nil {
			return nil, nil, err
		}
		if err := st.Ping(ctx); err != nil {
			return nil, nil, errors.Join(err, st.Close(ctx))
		}
		return st, st.Close, nil
	}
}
