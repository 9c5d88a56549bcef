package grant

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// Client returns an HTTP client that acts as the user at GitHub's API, with or without a request of
// theirs: the way to work for users who are away. It is an error ([*SignInError], [*StoreError]) if
// there is no token for them now; one that goes missing later fails the calls made then. All
// errors of [Manager.Token] can come.
//
// The client may be kept and shared by goroutines, but belongs to one user. See
// [Manager.HTTPClient] for what it does.
func (m *Manager) Client(ctx context.Context, userID int64) (*http.Client, error) {
	if _, err := m.current(ctx, userID); err != nil {
		return nil, err
	}
	return m.HTTPClient(userID), nil
}

// HTTPClient returns an HTTP client that acts as the user, without asking the store.
//
// Each request carries a token that works, refreshed if need be. When GitHub answers 401 all the
// same, the grant is read again: if the token was replaced meanwhile, or can be refreshed, the
// request is sent once more (and a last time if that token dies on the way, too), provided that its
// body can be sent twice (it has none, or GetBody is set). A token that GitHub no longer knows is
// marked and not sent again, because after a few tries GitHub answers 403 to every request for that
// user (GitHub docs, "Authenticating to the REST API"); the call fails with a [*SignInError].
//
// The token goes to the host's API alone. A request for another address, by a redirect for example,
// is sent without it. The client has no timeout of its own, other than 30 seconds until the answer begins, unless
// [WithTransport] says otherwise: give requests a context.
func (m *Manager) HTTPClient(userID int64) *http.Client {
	var t http.RoundTripper = &transport{manager: m, userID: userID}
	if m.wrap != nil {
		t = m.wrap(userID, t)
	}
	return &http.Client{Transport: t}
}

// answerTimeout is how long GitHub's API may take until it begins to answer. GitHub itself ends a request after ten seconds (GitHub
// docs, "Troubleshooting the REST API").
const answerTimeout = 30 * time.Second

// shared is the copy of a default transport that managers made of the same one share, with its connections.
var shared struct {
	mu       sync.Mutex
	of, copy *http.Transport
}

// defaultTransport is [http.DefaultTransport], which does not wait for an answer forever. Where a program has put something else there,
// or a time-out into it, that is used as it is.
func defaultTransport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok || t.ResponseHeaderTimeout > 0 {
		return http.DefaultTransport
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.of != t {
		shared.of, shared.copy = t, impatient(t)
	}
	return shared.copy
}

// impatient is a copy of t that does not wait for an answer forever: a GitHub that hangs would hold every handler whose request
// has no end of its own, which is what net/http gives them.
func impatient(t *http.Transport) *http.Transport {
	t = t.Clone()
	t.ResponseHeaderTimeout = answerTimeout
	return t
}

// replays is how often a request is sent again: a second time for a token that died, in its turn, on the way. After an outage
// of the store that happens to a request that waited, since all the refreshes that waited, too, end at once.
const replays = 2

type transport struct {
	manager *Manager
	userID  int64
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	m := t.manager
	if !m.app.Host().IsAPI(req.URL) {
		return m.base.RoundTrip(req)
	}
	r, err := m.current(req.Context(), t.userID)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	resp, err := m.base.RoundTrip(withToken(req, r))
	for try := 0; try < replays && err == nil && resp.StatusCode == http.StatusUnauthorized; try++ {
		if r, err = m.afterUnauthorized(req.Context(), t.userID, r); err != nil {
			_ = resp.Body.Close()
			return nil, err
		}
		if r == nil {
			return resp, nil
		}
		again := withToken(req, r)
		if req.Body != nil && req.Body != http.NoBody {
			if req.GetBody == nil {
				return resp, nil
			}
			if again.Body, err = req.GetBody(); err != nil {
				return resp, nil //nolint:nilerr // The last answer stands.
			}
		}
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // So that the connection can be used again.
		_ = resp.Body.Close()
		resp, err = m.base.RoundTrip(again)
	}
	return resp, err
}

// afterUnauthorized finds a record to send a request again with, after GitHub answered 401 to the one
// used. It returns nil where there is none, and an error where the user must sign in again.
func (m *Manager) afterUnauthorized(ctx context.Context, userID int64, used *record) (*record, error) {
	// Past the cache: a replaced token is what it would not know of.
	now, err := m.storedNow(ctx, userID)
	if err != nil {
		return nil, err
	}
	todo, _ := m.judge(now)
	if now.id() != used.id() || todo == refuse || todo == refreshFirst {
		// Replaced, given up, or run out since the request was sent.
		if now, err = m.current(ctx, userID); err != nil || now.id() == used.id() {
			return nil, err
		}
		return now, nil
	}
	fresh := m.clock().Sub(now.Token.Issued).Abs() < settle
	if fresh { // It may not work everywhere yet, nor be known to the token check.
		if err := pause(ctx, settle); err != nil {
			return nil, err
		}
		if now.Token.refreshable(m.clock()) {
			return now, nil
		}
	}
	// A 401 alone is too little to go by, since a proxy may answer it to everything: a refresh for each would use up the
	// app's token requests.
	dead, err := m.confirmDead(ctx, userID, now)
	switch {
	case err != nil:
		return nil, err
	case !dead && fresh:
		return now, nil
	case !dead:
		return nil, nil // GitHub's 401 stands.
	}
	if !now.Token.refreshable(m.clock()) {
		if err := m.markRevoked(ctx, userID, now); err != nil {
			return nil, err
		}
		return m.current(ctx, userID) // The user has signed in again meanwhile.
	}
	if now, err = m.refresh(ctx, userID, used.id()); err != nil {
		return nil, err
	}
	if todo, why := m.judge(now); todo == refuse {
		return nil, why
	}
	if now.id() == used.id() { // GitHub's answer to its refresh was lost, say, and it is too early for another one.
		return nil, now.Failure.backoff(m.clock())
	}
	return now, nil
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
