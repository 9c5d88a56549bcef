package vault

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"
)

const (
	// freshEnough is the age below which a token that Vault denies something, but knows, is not replaced. Where a fresh
	// log-in does not help it grows to freshMost: each leaves a token in Vault.
	freshEnough = 5 * time.Second
	freshMost   = time.Minute

	// loginPause is how long requests get a failed log-in's error before one of them makes another.
	loginPause = time.Second
)

// keeper keeps a client logged in: it makes the log-ins that requests ask for, and renews in between.
type keeper struct {
	cfg    Config
	client *api.Client // Its token is ours to set.
	login  Login
	log    *slog.Logger

	background context.Context // Of what outlives a request; it ends with stop.
	cancel     context.CancelFunc
	wg         sync.WaitGroup

	mu       sync.Mutex // Never held during a call of Vault.
	current  *api.Secret
	since    time.Time     // Of current.
	replaced chan struct{} // Closed when current is replaced.
	attempt  *attempt      // Nil if no log-in is under way.
	failure  error         // Of the last log-in.
	retryAt  time.Time
	useless  int // Fresh log-ins in a row after which Vault denied the same again.
}

func newKeeper(cfg Config, client *api.Client, login Login, log *slog.Logger) *keeper {
	k := &keeper{cfg: cfg, client: client, login: login, log: log, replaced: make(chan struct{})}
	k.background, k.cancel = context.WithCancel(context.Background())
	return k
}

func (k *keeper) start(secret *api.Secret) {
	k.mu.Lock()
	k.useLocked(secret)
	k.mu.Unlock()
	k.wg.Go(k.keep)
}

// stop ends what goes on in the background; wg then waits for it.
func (k *keeper) stop() {
	k.mu.Lock() // So that no log-in begins while wg is waited for.
	defer k.mu.Unlock()
	k.cancel()
}

func (k *keeper) useLocked(secret *api.Secret) {
	k.current, k.since, k.failure, k.retryAt = secret, time.Now(), nil, time.Time{}
	k.client.SetToken(secret.Auth.ClientToken)
	close(k.replaced)
	k.replaced = make(chan struct{})
}

func (k *keeper) failLocked(err error) { k.failure, k.retryAt = err, time.Now().Add(loginPause) }

// attempt is a log-in under way. It is nobody's own: who asks meanwhile waits for this one, and who hangs up
// leaves it to the others.
type attempt struct {
	ended chan struct{}
	err   error // Of the log-in; good once it has ended.
}

func (a *attempt) wait(ctx context.Context) error {
	select {
	case <-a.ended:
		return a.err
	case <-ctx.Done():
		return noAnswer(ctx.Err())
	}
}

// beginLocked begins a log-in, or joins the one under way.
func (k *keeper) beginLocked(forRequest bool) *attempt {
	if k.attempt != nil {
		return k.attempt
	}
	a := &attempt{ended: make(chan struct{})}
	if err := k.background.Err(); err != nil {
		a.err = noAnswer(err) // The store is closed.
		close(a.ended)
		return a
	}
	k.attempt = a
	k.wg.Go(func() {
		before := k.client.Token()
		secret, err := k.askForToken(k.background)
		switch {
		case k.background.Err() != nil: // Close is no failure.
		case err != nil:
			k.log.LogAttrs(k.background, slog.LevelError, "the log-in to vault failed", slog.Any("error", err))
		case secret.Auth.ClientToken == before: // A Login that has but one.
		case forRequest:
			k.log.LogAttrs(k.background, slog.LevelInfo, "logged in to vault afresh")
		default:
			k.log.LogAttrs(k.background, slog.LevelInfo, "logged in to vault again")
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if err != nil {
			k.failLocked(err)
		} else {
			k.useLocked(secret)
		}
		a.err, k.attempt = err, nil
		close(a.ended)
	})
	return a
}

// askForToken makes one log-in.
func (k *keeper) askForToken(ctx context.Context) (*api.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*k.cfg.Timeout)
	defer cancel()
	// A client of its own: a dead token must not go along, and a log-in must not show to others.
	c, err := k.cfg.newClient()
	if err != nil {
		return nil, err
	}
	defer c.CloneConfig().HttpClient.CloseIdleConnections()
	secret, err := k.login(ctx, c)
	if err != nil {
		return nil, loginError(err)
	}
	if secret == nil || secret.Auth == nil || secret.Auth.ClientToken == "" {
		return nil, setupError("the log-in gave no token", nil)
	}
	return secret, nil
}

func loginError(err error) error {
	resp, answered := errors.AsType[*api.ResponseError](err)
	_, unanswered := errors.AsType[*url.Error](err)
	if !answered && (unanswered || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return noAnswer(err)
	}
	if !answered {
		return setupError("the log-in could not be made", err)
	}
	e, ok := errors.AsType[*Error](classify(err))
	if _, dead := denied(err); dead || ok && (e.Is(ErrUnavailable) || len(resp.Errors) == 0 || resp.RawError) {
		return e
	}
	refused := &Error{Class: ErrDenied, Status: resp.StatusCode, advice: "the log-in was refused; check the method's mount, the role and its credentials"}
	if ok {
		refused.detail = e.detail
	}
	return refused
}

// freshLogin replaces a token that Vault refused, once for all who met that. It reports whether there is
// another one now, and if Vault knows the token no more and there is none, why.
func (k *keeper) freshLogin(ctx context.Context, token string, cause error) (again bool, err error) {
	refused, dead := denied(cause)
	if !refused {
		return false, nil
	}
	a, err := k.afterRefusal(token, dead)
	if a != nil {
		err = a.wait(ctx)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.client.Token() != token:
		return true, nil
	case !dead:
		return false, nil // What Vault said of the request says more.
	case err == nil: // A Login that has but one.
		err = &Error{Class: ErrDenied, Status: http.StatusForbidden, advice: "the token has expired or was revoked, and the log-in gave the same one again"}
		k.failLocked(err)
	}
	return false, err
}

// again takes what came of a call that was made again with the token of a fresh log-in. If that is refused, too, log-ins
// get rarer; if Vault does not even know it, there are none for a while: each would bring the next such token.
func (k *keeper) again(err error) {
	refused, dead := denied(err)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case dead:
		const advice = "the token has expired or was revoked, right after the log-in that gave it; check that one Vault alone answers at the address"
		k.failLocked(&Error{Class: ErrDenied, Status: http.StatusForbidden, advice: advice})
	case refused:
		k.useless++
	case err == nil:
		k.useless = 0
	}
}

// afterRefusal returns the log-in to wait for; if there is none, the error of the last one.
func (k *keeper) afterRefusal(token string, dead bool) (*attempt, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.client.Token() != token: // Another request was first.
		return nil, nil
	case !dead && time.Since(k.since) < min(freshEnough<<min(k.useless, 10), freshMost): // A policy that is too small is no matter of log-ins.
		return nil, nil
	case k.attempt == nil && time.Now().Before(k.retryAt):
		return nil, k.failure
	}
	return k.beginLocked(true), nil
}
