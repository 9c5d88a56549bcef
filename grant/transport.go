package grant

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

// Client returns an HTTP client that acts as the user at GitHub's API, with or without a request of
// theirs: the way to work for users who are away. It is an error ([*SignInError], [*StoreError]) if
// there is no token for them now; one that goes missing later fails the calls made then.
//
// The client may be kept and shared by goroutines, but belongs to one user. See
// [Manager.HTTPClient] for what it does.
func (m *Manager) Client(ctx context.Context, userID int64) (*http.Client, error) {
	if _, err := m.current(ctx, m.key(userID)); err != nil {
		return nil, err
	}
	return m.HTTPClient(userID), nil
}

// HTTPClient returns an HTTP client that acts as the user, without asking the store.
//
// Each request carries a token that works, refreshed if need be. When GitHub answers 401 all the
// same, the grant is read again: if the token was replaced meanwhile, or can be refreshed, the
// request is sent once more, provided that its body can be sent twice (it has none, or GetBody is
// set). A token that GitHub no longer knows is marked and not sent again, because GitHub answers 403
// to everybody of that user after a few tries (GitHub docs, "Authenticating to the REST API").
//
// The token goes to the host's API alone. A request for another address, by a redirect for example,
// is sent without it.
func (m *Manager) HTTPClient(userID int64) *http.Client {
	return &http.Client{Transport: &transport{manager: m, key: m.key(userID)}}
}

type transport struct {
	manager *Manager
	key     string
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	m := t.manager
	if !m.app.Host().IsAPI(req.URL) {
		return m.base.RoundTrip(req)
	}
	r, err := m.current(req.Context(), t.key)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	resp, err := m.base.RoundTrip(withToken(req, r))
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}

	next := m.afterUnauthorized(req.Context(), t.key, r)
	if next == nil {
		return resp, nil
	}
	again := withToken(req, next)
	if req.Body != nil && req.Body != http.NoBody {
		if req.GetBody == nil {
			return resp, nil
		}
		if again.Body, err = req.GetBody(); err != nil {
			return resp, nil //nolint:nilerr // The first answer stands.
		}
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // So that the connection can be used again.
	_ = resp.Body.Close()
	return m.base.RoundTrip(again)
}

// youngest is the age below which a token that GitHub answers 401 to is not refreshed again: it was
// made a moment ago, so another one would fare no better, and callers would chase each other.
const youngest = time.Minute

// afterUnauthorized finds a record with another token than used, which GitHub answered 401 to. It
// returns nil where there is none.
func (m *Manager) afterUnauthorized(ctx context.Context, key string, used *record) *record {
	now, err := m.read(ctx, key)
	if err != nil || now.NeedsLogin != "" || now.Lineage == "" {
		return nil
	}
	if now.id() != used.id() {
		return now // Replaced since the request was sent.
	}
	clock := time.Now()
	switch {
	case !now.Token.refreshable(clock):
		m.confirmDead(ctx, key, now)
		return nil
	case clock.Sub(now.Token.Issued) < youngest || now.Failure.holds(clock):
		return nil
	}
	now, err = m.refresh(ctx, key, used.id())
	if err != nil || now.id() == used.id() || now.Lineage == "" {
		return nil
	}
	return now
}

// confirmDead asks GitHub's token check, which does not count as a failed login, whether a token
// that can't be refreshed is dead, and marks the grant if so. A 401 alone is too little to go by: a
// proxy before an Enterprise Server can answer it, too.
func (m *Manager) confirmDead(ctx context.Context, key string, used *record) {
	ctx, done, ok := m.work.detach(ctx, signInTimeout)
	if !ok {
		return
	}
	defer done()
	_, err := m.app.Check(ctx, used.Token.AccessToken.Secret)
	if !errors.Is(err, oauth.ErrSignInAgain) {
		return
	}
	_, r, err := m.update(ctx, key, func(r *record) error {
		if r.id() != used.id() {
			return errUnchanged
		}
		r.NeedsLogin = ReasonRevoked
		return nil
	})
	if err == nil && r.NeedsLogin != "" {
		m.log.LogAttrs(ctx, slog.LevelInfo, "GitHub no longer takes the token; the user must sign in again",
			slog.Int64("user_id", used.User.ID))
	}
}

// withToken returns a copy of req that carries the token; a RoundTripper must not change its request.
func withToken(req *http.Request, r *record) *http.Request {
	c := req.Clone(req.Context())
	c.Header.Set("Authorization", "Bearer "+r.Token.AccessToken.Reveal())
	return c
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}
