package grant

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

// crossing is how long a request waits for the refresh of a token that is still good. Sent meanwhile, it could arrive
// with a token that has just died; and after a few bad credentials GitHub answers 403 to everybody of that user,
// good tokens included (GitHub docs, "Authenticating to the REST API"). A refresh that takes longer meets an
// outage, which is not to be waited for: the request then rides on the old token.
const crossing = 2 * time.Second

// Token returns a token of the user that works now, refreshed if need be. It is for clients other
// than [Manager.Client], which also knows what to do about a 401: treat the token as good for one
// request, do not keep it, and do not change its Scopes, which are shared.
//
// While an expiring token is still good, its refresh is waited for two seconds and no longer. Errors
// are [*SignInError], [*StoreError], [*FormatError], [*BackoffError], [ErrClosed], and package oauth's where the refresh failed.
func (m *Manager) Token(ctx context.Context, userID int64) (oauth.Token, error) {
	r, err := m.current(ctx, userID)
	if err != nil {
		return oauth.Token{}, err
	}
	return r.Token.oauth(), nil
}

// current returns a record whose token can be used now.
func (m *Manager) current(ctx context.Context, userID int64) (*record, error) {
	r, ok := m.cache.current(userID)
	if ok {
		r, _ = m.withPair(userID, r, nil)
		todo, _ := m.judge(r)
		ok = todo != refuse // What is remembered may be older than a sign-in on another replica.
	}
	if !ok {
		var err error
		if r, err = m.storedNow(ctx, userID); err != nil {
			return nil, err
		}
	}
	for try := 0; ; try++ {
		todo, why := m.judge(r)
		switch {
		case todo == refuse:
			return nil, why
		case todo == refreshSoon && !m.brake.holds(time.Now()):
			return m.cross(ctx, userID, r)
		case todo != refreshFirst || try == 2: // In the end GitHub's 401 tells.
			return r, nil
		}
		// What comes back is judged too: it may be another writer's sign-out.
		var err error
		if r, err = m.refresh(ctx, userID, r.id()); err != nil {
			return nil, err
		}
	}
}

// cross replaces a token that is good and will soon not be.
func (m *Manager) cross(ctx context.Context, userID int64, r *record) (*record, error) {
	flight := m.refreshBehind(ctx, userID, r.id())
	patience := crossing
	if since, ok := m.refreshing.Load(userID); ok {
		patience -= time.Since(since.(time.Time)) //nolint:forcetypeassert // refreshBehind puts nothing else in.
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case res := <-flight:
		next, ok := res.Val.(*record)
		if res.Err != nil || !ok {
			return r, nil
		}
		if todo, why := m.judge(next); todo == refuse {
			return nil, why
		}
		return next, nil
	case <-timer.C:
		return r, nil
	case <-ctx.Done():
		return nil, &waitError{ctx.Err()}
	}
}

// MissingScopes returns those of the wanted scopes that the user's token does not cover, as it was granted at their last
// sign-in. Errors are [*SignInError], where there is no token, and [*StoreError].
func (m *Manager) MissingScopes(ctx context.Context, userID int64, wanted ...string) ([]string, error) {
	if r, ok := m.cache.current(userID); ok && r.ClientID == m.app.ClientID() && len(oauth.MissingScopes(r.Token.Scopes, wanted)) == 0 {
		return nil, nil
	}
	r, err := m.storedNow(ctx, userID)
	if err != nil {
		return nil, err
	}
	if r.Lineage == "" || r.ClientID != m.app.ClientID() {
		return nil, &SignInError{ReasonNone}
	}
	return oauth.MissingScopes(r.Token.Scopes, wanted), nil
}

// storedNow is what is stored now, with a pair that waits to be stored laid over it.
func (m *Manager) storedNow(ctx context.Context, userID int64) (*record, error) {
	r, err := m.lookupNow(ctx, userID)
	return m.withPair(userID, r, err)
}

// A verdict is what a record and the time of day ask for.
type verdict int

const (
	serve        verdict = iota // The token is good.
	refreshSoon                 // It is good and will soon not be.
	refreshFirst                // It ran out and can be refreshed.
	refuse                      // It can't be used; the error says why.
)

// judge is the whole table of when a token is served and when it is refreshed.
func (m *Manager) judge(r *record) (verdict, error) {
	t, now := &r.Token, m.clock()
	good := now.Before(t.Expiry)
	switch {
	case r.Lineage == "":
		return refuse, &SignInError{ReasonNone}
	case r.ClientID != m.app.ClientID():
		return refuse, &SignInError{ReasonOtherApp}
	case r.NeedsLogin != "":
		return refuse, &SignInError{r.NeedsLogin}
	case t.Expiry.IsZero() || now.Before(t.Expiry.Add(-m.margin*5/4)) || now.Before(t.Expiry.Add(-m.marginOf(r))):
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
		return refuse, r.Failure.backoff(now)
	case good:
		return refreshSoon, nil
	}
	return refreshFirst, nil
}

// marginOf is the manager's margin and up to a quarter more, a part that belongs to the token: so users do not move
// together, while replicas agree about each. It is bounded by a quarter of the token's life: a token of
// a minute would otherwise be refreshed at every use.
func (m *Manager) marginOf(r *record) time.Duration {
	part := uint32(r.Generation) //nolint:gosec // It spreads load.
	for i := range len(r.Lineage) {
		part = part*31 + uint32(r.Lineage[i])
	}
	return min(m.margin+m.margin*time.Duration(part%1024)/4096, r.Token.Expiry.Sub(r.Token.Issued)/4)
}

// youngest is the age below which a token is not refreshed, whatever the clock or a 401 says: it was
// made a moment ago, so another one would fare no better, and callers would chase each other.
const youngest = time.Minute

func (t *token) young(now time.Time) bool {
	most := youngest
	if life := t.Expiry.Sub(t.Issued); life > 0 {
		most = min(most, life/2)
	}
	return now.Sub(t.Issued).Abs() < most
}

func (t *token) refreshable(now time.Time) bool {
	return !t.RefreshToken.IsZero() && (t.RefreshExpiry.IsZero() || now.Before(t.RefreshExpiry))
}

// maxBackoff bounds how long a failed refresh keeps everybody from the next one.
const maxBackoff = 5 * time.Minute

// holds says whether no refresh may be made yet. A time that is further away than any that this
// library writes comes from a clock that was wrong, and binds nobody.
func (f failure) holds(now time.Time) bool {
	return now.Before(f.NotBefore) && f.NotBefore.Sub(now) <= 2*maxBackoff
}

// backoff is the error for who needs a token that can't be refreshed yet.
func (f failure) backoff(now time.Time) *BackoffError {
	return &BackoffError{Code: f.Code, RetryAfter: max(f.NotBefore.Sub(now), time.Second), Misconfigured: f.Misconfigured}
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
