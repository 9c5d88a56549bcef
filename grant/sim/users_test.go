package sim

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

type session struct {
	grant.Session
	asked bool // To end.
}

// call is a caller who acts for the user.
func (w *world) call(r *replica, do action, hangsUp time.Duration) (status int, err error) {
	ctx := r.ctx
	if hangsUp > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, hangsUp)
		defer cancel()
	}
	w.mu.Lock()
	w.judge.numbers.calls++
	before := w.good()
	w.mu.Unlock()
	if do == takeToken {
		_, err = r.m.Token(ctx, userID)
		status = http.StatusOK
	} else {
		status, err = w.get(ctx, r)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.tell("a caller at replica %v: %v", r, err)
	}
	if r.crashed.Load() || ctx.Err() != nil || !w.sch.Calm || r.closing.Load() {
		return status, err
	}
	if after := w.good(); before >= 0 && before == after && (err != nil || status != http.StatusOK) {
		w.violate(noneFails, "a caller at replica %v got %d, %v", r, status, err)
	}
	return status, err
}

// good is which sign-in's token is stored, can be refreshed, and has stood for so long that all replicas know of it;
// -1 if none.
func (w *world) good() int {
	p := w.gh.access[w.shelf.newest().grant.Token.AccessToken]
	if p == nil || p.userRevoked || time.Since(w.judge.changed) < w.sch.Staleness {
		return -1
	}
	return p.signIn
}

func (w *world) get(ctx context.Context, r *replica) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.github.com/user", nil)
	if err != nil {
		return 0, err
	}
	resp, err := r.m.HTTPClient(userID).Do(req)
	if err != nil {
		return 0, err
	}
	_ = resp.Body.Close()
	return resp.StatusCode, nil
}

var verifier = oauth.NewSecret("a-verifier-of-forty-three-characters-or-more")

func (w *world) signIn(r *replica) {
	w.mu.Lock()
	code := w.gh.code()
	w.judge.numbers.signIns++
	w.mu.Unlock()
	got, _, err := r.m.SignIn(r.ctx, code, verifier, grant.Login{Lifetime: 30 * 24 * hour})
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil || r.crashed.Load() {
		w.tell("sign-in through replica %v: %v", r, err)
		return
	}
	w.tell("session %d is signed in through replica %v", len(w.sessions), r)
	w.sessions = append(w.sessions, &session{Session: got})
	w.signedIn(got.LoginID)
}

func (w *world) signOut(r *replica, which int) {
	w.mu.Lock()
	if len(w.sessions) == 0 {
		w.mu.Unlock()
		return
	}
	ses := w.sessions[which%len(w.sessions)]
	ses.asked = true
	w.mu.Unlock()
	err := r.m.SignOut(r.ctx, ses.Session)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tell("sign-out through replica %v: %v", r, err)
	if err == nil && !r.crashed.Load() {
		w.signedOut(ses)
	}
}

// lookAt has a session look at a page, upon which its use may be noted behind it.
func (w *world) lookAt(r *replica, which int) {
	w.mu.Lock()
	if len(w.sessions) == 0 {
		w.mu.Unlock()
		return
	}
	ses := w.sessions[which%len(w.sessions)]
	w.mu.Unlock()
	_, _, _ = r.m.Lookup(r.ctx, ses.Session) // What it says is judged at rest.
}

func (w *world) signOutEverywhere(r *replica) {
	w.mu.Lock()
	r.everywhere++
	before := append([]*session(nil), w.sessions...)
	w.mu.Unlock()
	err := r.m.SignOutEverywhere(r.ctx, userID)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tell("sign-out everywhere through replica %v: %v", r, err)
	if err == nil && !r.crashed.Load() {
		r.everywhere-- // Otherwise it may still take effect.
		for _, ses := range before {
			ses.asked = true
			w.signedOut(ses)
		}
	}
}

type called struct {
	r      *replica
	status int
	err    error
}

func (w *world) everyReplicaCalls() []called {
	fleet := w.fleet()
	out := make([]called, len(fleet))
	var wg sync.WaitGroup
	for i, r := range fleet {
		wg.Go(func() {
			status, err := w.call(r, callAPI, 0)
			out[i] = called{r, status, err}
		})
	}
	wg.Wait()
	return out
}

// lookups checks every session on every replica against the stored grant.
func (w *world) lookups() {
	w.mu.Lock()
	sessions := slices.Clone(w.sessions)
	w.mu.Unlock()
	for _, r := range w.fleet() {
		for i, ses := range sessions {
			_, _, err := r.m.Lookup(r.ctx, ses.Session)
			w.mu.Lock()
			_, stands := w.shelf.newest().grant.Logins[ses.LoginID]
			if stands != (err == nil) || !stands && !errors.Is(err, grant.ErrSignedOut) {
				w.violate(loginsCount, "session %d at replica %v: stands %v, Lookup %v", i, r, stands, err)
			}
			w.mu.Unlock()
		}
	}
}
