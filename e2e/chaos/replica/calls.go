package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/ghlogin/ghlogin/e2e/chaos"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

// server is a replica's side of the harness.
type server struct{ manager *grant.Manager }

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /call", s.call)
	mux.HandleFunc("POST /load", s.load)
	mux.HandleFunc("POST /signin", s.signIn)
	return mux
}

// call makes one API call as a user.
func (s *server) call(w http.ResponseWriter, r *http.Request) {
	user, err := strconv.ParseInt(r.FormValue("user"), 10, 64)
	if err != nil {
		http.Error(w, "user is no number", http.StatusBadRequest)
		return
	}
	answer(w, s.act(r.Context(), user))
}

// load has many callers make a call at one moment and, where "for" says so, one after another from then on.
func (s *server) load(w http.ResponseWriter, r *http.Request) {
	var users []int64
	if err := json.Unmarshal([]byte(r.FormValue("users")), &users); err != nil || len(users) == 0 {
		http.Error(w, "users is no list of numbers", http.StatusBadRequest)
		return
	}
	callers, errCallers := strconv.Atoi(r.FormValue("callers"))
	at, errAt := time.Parse(time.RFC3339Nano, r.FormValue("at"))
	length, errFor := time.ParseDuration(r.FormValue("for"))
	pause, errPause := time.ParseDuration(r.FormValue("pause"))
	if err := errors.Join(errCallers, errAt, errFor, errPause); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var (
		mu    sync.Mutex
		tally = chaos.Tally{Failed: map[chaos.Kind]int{}}
		wg    sync.WaitGroup
	)
	for i := range callers {
		wg.Go(func() {
			wait(r.Context(), time.Until(at))
			for r.Context().Err() == nil {
				began := time.Now()
				o := s.act(r.Context(), users[i%len(users)])
				took := time.Since(began)
				mu.Lock()
				tally.Micros = append(tally.Micros, took.Microseconds())
				if o.Kind != chaos.OK {
					tally.Failed[o.Kind]++
					tally.Example = string(o.Kind) + ": " + o.Detail
				}
				mu.Unlock()
				if time.Since(at) >= length {
					return
				}
				wait(r.Context(), jitter(pause))
			}
		})
	}
	wg.Wait()
	answer(w, tally)
}

func (s *server) signIn(w http.ResponseWriter, r *http.Request) {
	verifier := oauth.NewSecret(r.FormValue("verifier"))
	_, _, err := s.manager.SignIn(r.Context(), r.FormValue("code"), verifier, grant.Login{Lifetime: 24 * time.Hour})
	answer(w, outcome(err))
}

// act asks GitHub who the user is, as the user.
func (s *server) act(ctx context.Context, user int64) (o chaos.Outcome) {
	var t tries
	defer func() {
		if o.Kind == chaos.APIStatus {
			o.Tries = t.String()
		}
	}()
	ctx = context.WithValue(ctx, triesKey{}, &t)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.manager.Host().API+"user", nil)
	if err != nil {
		return outcome(err)
	}
	resp, err := s.manager.HTTPClient(user).Do(req)
	if err != nil {
		return outcome(err)
	}
	defer resp.Body.Close()
	var body struct {
		ID int64 `json:"id"`
	}
	err = json.NewDecoder(resp.Body).Decode(&body)
	_, _ = io.Copy(io.Discard, resp.Body)
	switch {
	case resp.StatusCode != http.StatusOK:
		return chaos.Outcome{Kind: chaos.APIStatus, Detail: strconv.Itoa(resp.StatusCode)}
	case err != nil:
		return outcome(err)
	case body.ID != user:
		return chaos.Outcome{Kind: chaos.Broken, Detail: fmt.Sprintf("acted as user %d in place of %d", body.ID, user)}
	}
	return chaos.Outcome{Kind: chaos.OK}
}

func outcome(err error) chaos.Outcome {
	if err == nil {
		return chaos.Outcome{Kind: chaos.OK}
	}
	if again, ok := errors.AsType[*grant.SignInError](err); ok {
		return chaos.Outcome{Kind: chaos.NeedsLogin, Detail: string(again.Reason)}
	}
	kind := chaos.Broken
	switch {
	case errors.Is(err, oauth.ErrTryLater):
		kind = chaos.TryLater
	case errors.Is(err, oauth.ErrSignInAgain):
		kind = chaos.NeedsLogin
	case errors.Is(err, oauth.ErrMisconfigured):
		kind = chaos.Misconfigured
	}
	return chaos.Outcome{Kind: kind, Detail: err.Error()}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// jitter is between half and three halves of d.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d/2 + rand.N(d) //nolint:gosec // It spreads load.
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
