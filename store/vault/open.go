package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"
)

// Open logs in to Vault and returns a store that stays logged in until [Store.Close]: the token is
// renewed while it can be, and replaced by a fresh log-in when it can't, or when Vault refuses it.
//
// It fails if the first log-in does, within a few calls' time. It does not look at the mount: see
// [Store.Ping].
func Open(ctx context.Context, cfg Config, login Login, opts ...Option) (*Store, error) {
	if login == nil {
		return nil, errors.New("vault: Open: the login is nil; AppRole, Kubernetes, JWT, TokenFile and Token make one")
	}
	if err := cfg.validateAddress(); err != nil {
		return nil, fmt.Errorf("vault: the configuration can't be used:\n%w", errors.Join(err, cfg.validatePaths()))
	}
	cfg = cfg.withDefaults()
	client, err := cfg.newClient()
	if err != nil {
		return nil, err
	}
	s, err := newStore(client, cfg, opts)
	if err != nil {
		return nil, err
	}
	s.keeper = &keeper{cfg: cfg, client: client, login: login, log: s.tel.log, replaced: make(chan struct{}, 1)}
	if err := s.keeper.logIn(ctx); err != nil {
		return nil, err
	}
	background, cancel := context.WithCancel(context.Background())
	s.keeper.cancel = cancel
	s.keeper.wg.Go(func() { s.keeper.keep(background) })
	return s, nil
}

// Close ends what [Open] began: renewal, log-ins, and idle connections. It returns when that has ended,
// or with ctx. The token is left to run out. For a store of [New] it does nothing.
func (s *Store) Close(ctx context.Context) error {
	if s.keeper == nil {
		return nil
	}
	s.keeper.cancel()
	ended := make(chan struct{})
	go func() { s.keeper.wg.Wait(); close(ended) }()
	select {
	case <-ended:
		s.client.CloneConfig().HttpClient.CloseIdleConnections()
		return nil
	case <-ctx.Done():
		return fmt.Errorf("vault: a log-in was still under way: %w", ctx.Err())
	}
}

// keeper keeps a client logged in.
type keeper struct {
	cfg    Config
	client *api.Client // Its token is ours to set.
	login  Login
	log    *slog.Logger

	mu       sync.Mutex // One log-in at a time.
	current  *api.Secret
	since    time.Time     // Of the last log-in.
	replaced chan struct{} // A request has logged in afresh.

	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// logIn gets a token and has the client use it.
func (k *keeper) logIn(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.logInLocked(ctx)
}

func (k *keeper) logInLocked(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*k.cfg.Timeout)
	defer cancel()
	// A client of its own: a dead token must not go along, and a log-in must not show to others.
	c, err := k.cfg.newClient()
	if err != nil {
		return err
	}
	defer c.CloneConfig().HttpClient.CloseIdleConnections()
	secret, err := k.login(ctx, c)
	if err != nil {
		return loginError(err)
	}
	k.current, k.since = secret, time.Now()
	k.client.SetToken(secret.Auth.ClientToken)
	return nil
}

func loginError(err error) error {
	if _, ok := errors.AsType[*api.ResponseError](err); ok {
		err = classify(err)
		if e, ok := errors.AsType[*Error](err); ok && !e.Is(ErrUnavailable) {
			e.Class, e.advice = ErrDenied, "the log-in was refused; check the role and its credentials"
			return e
		}
		if !errors.Is(err, ErrUnavailable) {
			return &Error{Class: ErrDenied, advice: "there is no such log-in; check the method's mount"}
		}
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return classify(err)
	}
	return setupError("the log-in could not be made", err)
}

// freshEnough is the age below which a token that Vault denies something, but knows, is not replaced.
const freshEnough = 5 * time.Second

// freshLogin replaces a token that Vault refused, once for all who met that. It reports whether there
// is another one now.
func (k *keeper) freshLogin(ctx context.Context, token string, cause error) bool {
	refused, dead := denied(cause)
	if !refused {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client.Token() != token {
		return true // Another request was first.
	}
	if !dead && time.Since(k.since) < freshEnough {
		return false // A policy that is too small is no matter of log-ins.
	}
	if err := k.logInLocked(ctx); err != nil {
		k.log.LogAttrs(ctx, slog.LevelError, "vault refused the token, and a fresh log-in failed", slog.Any("error", err))
		return false
	}
	if k.client.Token() == token {
		return false // A Login that has but one.
	}
	k.log.LogAttrs(ctx, slog.LevelInfo, "logged in to vault afresh")
	select {
	case k.replaced <- struct{}{}:
	default:
	}
	return true
}

// keep renews the token, and logs in again when that ends, until ctx does.
func (k *keeper) keep(ctx context.Context) {
	for ctx.Err() == nil {
		k.mu.Lock()
		secret := k.current
		k.mu.Unlock()
		if !k.watch(ctx, secret) {
			continue // A request has logged in: watch that token now.
		}
		for try := 0; ctx.Err() == nil; try++ {
			err := k.logIn(ctx)
			if err == nil {
				k.log.LogAttrs(ctx, slog.LevelInfo, "logged in to vault again")
				break
			}
			k.log.LogAttrs(ctx, slog.LevelError, "the log-in to vault failed and is tried again", slog.Any("error", err))
			wait(ctx, backoff(try))
		}
	}
}

// watch keeps a token renewed. It reports true when the token is about to end and can't be renewed, and
// false when there is another or ctx has ended.
//
// vault/api's watcher ends for good and for bad, with nil on its channel for both: it always means that
// renewal is over.
func (k *keeper) watch(ctx context.Context, secret *api.Secret) (ending bool) {
	if secret.Auth.LeaseDuration <= 0 { // A token without an end, or one that we know nothing of.
		select {
		case <-k.replaced:
		case <-ctx.Done():
		}
		return false
	}
	watcher, err := k.client.NewLifetimeWatcher(&api.LifetimeWatcherInput{Secret: secret})
	if err != nil {
		wait(ctx, time.Duration(secret.Auth.LeaseDuration)*time.Second/2)
		return true
	}
	k.wg.Go(watcher.Start)
	defer watcher.Stop()
	for {
		select {
		case <-watcher.RenewCh():
		case err := <-watcher.DoneCh():
			k.log.LogAttrs(ctx, slog.LevelDebug, "vault's token is renewed no more", slog.Any("error", err))
			// So that a fleet's replicas do not all log in at once.
			wait(ctx, rand.N(min(time.Minute, time.Duration(secret.Auth.LeaseDuration)*time.Second/20))) //nolint:gosec // It spreads load.
			return true
		case <-k.replaced:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// backoff grows from half a second to half a minute, jittered.
func backoff(try int) time.Duration {
	d := 30 * time.Second
	if try < 6 {
		d = 500 * time.Millisecond << try
	}
	return d/2 + rand.N(d/2) //nolint:gosec // It spreads load and guards nothing.
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
