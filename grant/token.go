package grant

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

// Token returns a token of the user that works now, refreshed if need be. It is for clients other
// than [Manager.Client], which also knows what to do about a 401: treat the token as good for one
// request, do not keep it.
//
// While an expiring token is still good nobody waits: a refresh goes on behind the caller. Errors
// are [*SignInError], [*StoreError], [*BackoffError], and package oauth's where the refresh failed.
func (m *Manager) Token(ctx context.Context, userID int64) (oauth.Token, error) {
	r, err := m.current(ctx, m.key(userID))
	if err != nil {
		return oauth.Token{}, err
	}
	return r.Token.oauth(), nil
}

// current returns a record whose token can be used now.
func (m *Manager) current(ctx context.Context, key string) (*record, error) {
	r, err := m.read(ctx, key)
	if err != nil {
		return nil, err
	}
	todo, why := m.judge(r, time.Now())
	switch todo {
	case serve:
		return r, nil
	case refreshBehind:
		m.refreshBehind(ctx, key, r.id())
		return r, nil
	case refuse:
		return nil, why
	}
	if r, err = m.refresh(ctx, key, r.id()); err != nil {
		return nil, err
	}
	// What comes back is judged too: it may be another writer's sign-out.
	if todo, why := m.judge(r, time.Now()); todo == refuse {
		return nil, why
	}
	return r, nil
}

// A verdict is what a record and the time of day ask for.
type verdict int

const (
	serve         verdict = iota // The token is good.
	refreshBehind                // It is good and will soon not be.
	refreshFirst                 // It ran out and can be refreshed.
	refuse                       // It can't be used; the error says why.
)

// judge is the whole table of when a token is served and when it is refreshed.
func (m *Manager) judge(r *record, now time.Time) (verdict, error) {
	t := r.Token
	good := now.Before(t.Expiry)
	switch {
	case r.Lineage == "":
		return refuse, &SignInError{ReasonNone}
	case r.ClientID != m.app.ClientID():
		return refuse, &SignInError{ReasonOtherApp}
	case r.NeedsLogin != "":
		return refuse, &SignInError{r.NeedsLogin}
	case t.Expiry.IsZero() || now.Before(t.Expiry.Add(-m.marginOf(t))):
		return serve, nil
	case t.young(now):
		// It can't be so old already: a clock is wrong. GitHub's 401 will tell if it is.
		return serve, nil
	case !t.refreshable(now):
		if good {
			return serve, nil
		}
		return refuse, &SignInError{ReasonExpired}
	case r.Failure.holds(now):
		if good {
			return serve, nil
		}
		return refuse, &BackoffError{
			Code:          r.Failure.Code,
			RetryAfter:    r.Failure.NotBefore.Sub(now),
			Misconfigured: r.Failure.Misconfigured,
		}
	case good:
		return refreshBehind, nil
	}
	return refreshFirst, nil
}

// marginOf is the manager's margin, bounded by a quarter of the token's life: a token of a minute
// would otherwise be refreshed at every use.
func (m *Manager) marginOf(t token) time.Duration {
	return min(m.margin, t.Expiry.Sub(t.Issued)/4)
}

// youngest is the age below which a token is not refreshed, whatever the clock or a 401 says: it was
// made a moment ago, so another one would fare no better, and callers would chase each other.
const youngest = time.Minute

func (t token) young(now time.Time) bool {
	most := youngest
	if life := t.Expiry.Sub(t.Issued); life > 0 {
		most = min(most, life/2)
	}
	return now.Sub(t.Issued).Abs() < most
}

func (t token) refreshable(now time.Time) bool {
	return !t.RefreshToken.IsZero() && (t.RefreshExpiry.IsZero() || now.Before(t.RefreshExpiry))
}

// maxBackoff bounds how long a failed refresh keeps everybody from the next one.
const maxBackoff = 5 * time.Minute

// holds says whether no refresh may be made yet. A time that is further away than any that this
// library writes comes from a clock that was wrong, and binds nobody.
func (f failure) holds(now time.Time) bool {
	return now.Before(f.NotBefore) && f.NotBefore.Sub(now) <= 2*maxBackoff
}

// backoff is the pause before try n+1: doubled each time from first, at most most, and jittered so
// that those who failed together do not come back together.
func backoff(n int, first, most time.Duration) time.Duration {
	d := most
	if n < 16 {
		d = min(most, first<<n)
	}
	return d/2 + jitter(d/2)
}

func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d) //nolint:gosec // It spreads load and guards nothing.
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
