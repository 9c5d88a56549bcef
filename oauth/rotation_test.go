package oauth_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ghlogin/ghlogin/oauth"
)

// rotating is a GitHub that takes one client secret at a time.
type rotating struct {
	*fake
	good atomic.Pointer[string]
}

func newRotating(t *testing.T, good string) *rotating {
	t.Helper()
	r := &rotating{}
	r.rotate(good)
	r.fake = newFake(t, func(w http.ResponseWriter, req *http.Request) {
		if _, secret, ok := req.BasicAuth(); ok {
			if secret != *r.good.Load() {
				respondJSON(401, `{"message":"Bad credentials"}`)(w, req)
				return
			}
			respondJSON(200, `{"user":{"id":1,"login":"octocat"}}`)(w, req)
			return
		}
		if req.PostFormValue("client_secret") != *r.good.Load() {
			respondCode(oauth.CodeIncorrectClientCredentials)(w, req)
			return
		}
		respondJSON(200, `{"access_token":"gho_new"}`)(w, req)
	})
	return r
}

func (r *rotating) rotate(good string) { r.good.Store(&good) }

func (r *rotating) twoSecrets(t *testing.T) *oauth.Client {
	t.Helper()
	cfg := config(t, r.URL)
	cfg.ClientSecrets = append(cfg.ClientSecrets, oauth.NewSecret(newSecret))
	client, err := oauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestSecondSecretTakesOverWithoutAnOutage(t *testing.T) {
	t.Parallel()
	gitHub := newRotating(t, clientSecret)
	client := gitHub.twoSecrets(t)
	calls := map[string]func() error{
		"exchange": func() error { _, err := client.Exchange(t.Context(), code, verifier); return err },
		"refresh":  func() error { _, err := client.Refresh(t.Context(), held()); return err },
		"check":    func() error { _, err := client.Check(t.Context(), oauth.NewSecret(accessToken)); return err },
		"revoke":   func() error { return client.RevokeToken(t.Context(), oauth.NewSecret(accessToken)) },
	}
	for name, do := range calls {
		for _, step := range []struct {
			good     string
			requests int
			why      string
		}{
			{clientSecret, 2, "the first secret is good, but the last one was taken last"},
			{clientSecret, 1, "the first secret was taken last"},
			{newSecret, 2, "the second secret replaced the first"},
			{newSecret, 1, "the second secret was taken last"},
		} {
			gitHub.rotate(step.good)
			before := len(gitHub.seen())
			if err := do(); err != nil {
				t.Fatalf("%s: %s: %v", name, step.why, err)
			}
			if got := len(gitHub.seen()) - before; got > step.requests || step.requests == 1 && got != 1 {
				t.Errorf("%s: %d requests, although %s", name, got, step.why)
			}
		}
	}
}

func TestNoSecretIsTaken(t *testing.T) {
	t.Parallel()
	gitHub := newRotating(t, "another secret")
	client := gitHub.twoSecrets(t)
	_, err := client.Refresh(t.Context(), held())
	if e := asError(t, err, oauth.ErrMisconfigured); e.Code != oauth.CodeIncorrectClientCredentials || e.Unknown {
		t.Errorf("the error is %+v", e)
	}
	_, err = client.Check(t.Context(), oauth.NewSecret(accessToken))
	if e := asError(t, err, oauth.ErrMisconfigured); e.Code != oauth.CodeIncorrectClientCredentials || e.Status != 401 {
		t.Errorf("the error is %+v", e)
	}
	if got := len(gitHub.seen()); got != 4 {
		t.Errorf("%d requests, want each secret once a call", got)
	}
}

// The second secret must not be tried when the first request may have spent the refresh token.
func TestNextSecretIsTriedOnlyAfterARefusal(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"cut": cut, "502": respond(502, "text/html", ""), "bad token": respondCode(oauth.CodeBadRefreshToken),
		"502 that blames the secret": respondJSON(502, `{"error":"incorrect_client_credentials"}`),
	} {
		r := &rotating{fake: newFake(t, answer)}
		if _, err := r.twoSecrets(t).Refresh(t.Context(), held()); err == nil {
			t.Errorf("%s: no error", name)
		}
		r.only(t)
	}
}

func TestClientIsSafeForConcurrentUseDuringARotation(t *testing.T) {
	t.Parallel()
	gitHub := newRotating(t, clientSecret)
	client := gitHub.twoSecrets(t)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if i == 10 {
				gitHub.rotate(newSecret)
			}
			// In the moment of a rotation both may be refused, in turn.
			_, _ = client.Exchange(t.Context(), code, verifier)
			if _, err := client.AuthorizeURL(oauth.Authorize{State: "s", Verifier: verifier, OfflineAccess: true}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, err := client.Exchange(t.Context(), code, verifier); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
}
