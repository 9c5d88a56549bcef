// Command server runs an onvault.Site for tests that kill it. It serves on the listener that it inherits
// as file 3, which outlives it, and so keeps its address.
//
// It takes the app from the environment as middleware.ConfigFromEnv does, and VAULT_ADDR,
// GHLOGIN_VAULT_MOUNT, ONVAULT_ROLE_ID, ONVAULT_SECRET_ID_FILE and ONVAULT_SESSIONS, a folder.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/ghlogin/ghlogin/e2e/onvault"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store/vault"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

// run serves until the process is killed.
func run(ctx context.Context) error {
	cfg, err := middleware.ConfigFromEnv()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	site, err := onvault.Open(ctx, onvault.Settings{
		App:           cfg,
		Vault:         vault.Config{Address: os.Getenv("VAULT_ADDR"), Mount: os.Getenv("GHLOGIN_VAULT_MOUNT")},
		RoleID:        os.Getenv("ONVAULT_ROLE_ID"),
		SecretIDFile:  os.Getenv("ONVAULT_SECRET_ID_FILE"),
		SessionFolder: os.Getenv("ONVAULT_SESSIONS"),
		StoreOptions:  []vault.Option{vault.WithLogger(log)},
		Options:       []middleware.Option{middleware.WithLogger(log)},
	})
	if err != nil {
		return err
	}
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: site, ReadHeaderTimeout: 5 * time.Second}
	return server.Serve(listener)
}
