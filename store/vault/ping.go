package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/ghlogin/ghlogin/store"
)

// Ping implements [store.Pinger]. It finds out whether Vault answers and is unsealed, whether the mount
// is a KV version 2 engine that keeps one version and insists on check-and-set, and whether the token
// may read and write below the prefix. Nothing is written. The error says what to change.
func (s *Store) Ping(ctx context.Context) (err error) {
	ctx, done := s.tel.begin(ctx, "ping")
	defer func() { done(err) }()
	if err := s.checkNamespace(ctx); err != nil {
		return err
	}
	if err := s.checkEngine(ctx); err != nil {
		return err
	}
	path, err := s.path("data", "ping/0")
	if err != nil {
		return err
	}
	if _, err := s.read(ctx, path); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	// No version is -1: Vault checks the policy, and then refuses.
	if _, err := s.write(ctx, path, secret{}, -1); !errors.Is(err, store.ErrConflict) {
		if err == nil {
			err = setupError("it took a write that check-and-set forbids: the mount is no KV version 2 engine", nil)
		}
		return err
	}
	return nil
}

// checkNamespace finds a namespace that nobody heeds: the community edition would put the grants into
// its root.
func (s *Store) checkNamespace(ctx context.Context) error {
	if s.client.Namespace() == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	health, err := s.client.Sys().HealthWithContext(ctx)
	if err == nil && !health.Enterprise {
		return setupError("a namespace is set, but this Vault is the community edition, which ignores it: take it out", nil)
	}
	return nil // Namespaces may forbid this call; what follows finds other troubles.
}

func (s *Store) checkEngine(ctx context.Context) error {
	var answer struct {
		Data struct {
			MaxVersions *int   `json:"max_versions"`
			CASRequired bool   `json:"cas_required"`
			DeleteAfter string `json:"delete_version_after"`
		} `json:"data"`
	}
	err := s.call(ctx, func(ctx context.Context) error {
		_, err := s.get(ctx, s.cfg.Mount+"/config", nil, &answer)
		return err
	})
	mount := s.cfg.Mount
	e, isError := errors.AsType[*Error](err)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && answer.Data.MaxVersions == nil:
		return setupError(fmt.Sprintf("the mount %s is KV version 1, which has no check-and-set: enable one with `vault secrets enable -path=%s kv-v2`", mount, mount), nil)
	case isError && e.Status == http.StatusNotFound && e.advice == checkMount:
		return setupError(fmt.Sprintf("there is no mount %s in this namespace: enable it with `vault secrets enable -path=%s kv-v2`", mount, mount), nil)
	case isError && strings.HasPrefix(e.advice, givePolicy): // And not for a token that is dead, or a log-in that was refused.
		return &Error{Class: ErrDenied, Status: e.Status, advice: fmt.Sprintf(
			"the token may not read %s/config: give it the policy in store/vault/app.hcl, and check mount and namespace", mount), detail: e.detail}
	case err != nil:
		return err
	case *answer.Data.MaxVersions != 1 || !answer.Data.CASRequired:
		return setupError(fmt.Sprintf(
			"the mount %s keeps old versions, that is old tokens, or takes writes without check-and-set: run `vault write %s/config max_versions=1 cas_required=true`", mount, mount), nil)
	case answer.Data.DeleteAfter != "" && answer.Data.DeleteAfter != "0s":
		return setupError(fmt.Sprintf(
			"the mount %s hides a grant %s after its last write, which signs its user out and leaves the token in storage: run `vault write %s/config delete_version_after=0s`, and sweep", mount, answer.Data.DeleteAfter, mount), nil)
	}
	return nil
}
