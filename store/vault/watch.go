package vault

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/vault/api"
)

// keep renews the token, and logs in again when it can't be renewed any longer, until stop.
func (k *keeper) keep() {
	ctx := k.background
	for ctx.Err() == nil {
		k.mu.Lock()
		secret, replaced := k.current, k.replaced
		k.mu.Unlock()
		if !k.watch(ctx, secret, replaced) {
			continue // A request has logged in: watch that token now.
		}
		for try := 0; ctx.Err() == nil; try++ {
			k.mu.Lock()
			a := k.beginLocked(false)
			k.mu.Unlock()
			if a.wait(ctx) == nil {
				break
			}
			if !rest(ctx, replaced, backoff(try)) {
				break // A request has logged in meanwhile.
			}
		}
	}
}

// watch renews a token after about two thirds of each lease. It reports true when it is time for another
// token, and false when there is one or ctx has ended.
//
// vault/api's LifetimeWatcher is not used: after an error near a lease's end it repeats the renewal without a
// pause (its back-off's end is taken for "at once"), and its calls take no context.
func (k *keeper) watch(ctx context.Context, secret *api.Secret, replaced <-chan struct{}) (over bool) {
	whole := time.Duration(secret.Auth.LeaseDuration) * time.Second
	if whole <= 0 { // A token without an end, or one that we know nothing of.
		select {
		case <-replaced:
		case <-ctx.Done():
		}
		return false
	}
	for end := time.Now().Add(whole); ; {
		left := max(time.Until(end), 0)
		// Apart, so that a fleet's replicas do not all come at once.
		if !rest(ctx, replaced, left/5*3+rand.N(left/20*3+1)) { //nolint:gosec // It spreads load.
			return false
		}
		if !secret.Auth.Renewable {
			return true
		}
		lease, err := k.renew(ctx, secret.Auth.ClientToken)
		switch {
		case err == nil && lease >= whole/2:
			end = time.Now().Add(lease)
		case err == nil: // Its longest life is nearly over: each renewal would give less than the one before.
			return true
		case !errors.Is(err, ErrUnavailable) || time.Until(end) < whole/10:
			k.log.LogAttrs(ctx, slog.LevelDebug, "vault's token is renewed no more", slog.Any("error", err))
			return true
		}
	}
}

// renew returns the lease that Vault granted.
func (k *keeper) renew(ctx context.Context, token string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, k.cfg.Timeout)
	defer cancel()
	renewed, err := k.client.Auth().Token().RenewTokenAsSelfWithContext(ctx, token, 0)
	if err != nil {
		return 0, classify(err)
	}
	if renewed == nil || renewed.Auth == nil {
		return 0, setupError("the token's renewal was answered without a token", nil)
	}
	return time.Duration(renewed.Auth.LeaseDuration) * time.Second, nil
}

// backoff grows from half a second to half a minute, jittered.
func backoff(try int) time.Duration {
	d := 30 * time.Second
	if try < 6 {
		d = 500 * time.Millisecond << try
	}
	return d/2 + rand.N(d/2) //nolint:gosec // It spreads load and guards nothing.
}

// rest reports whether d went by undisturbed.
func rest(ctx context.Context, disturbed <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-disturbed:
	case <-ctx.Done():
	}
	return false
}
