package grant_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/memory"
)

// GitHub took requests and did not answer. net/http puts no end to a request's context, so each handler that called it hung.
func TestSilentGitHubHoldsNoRequestForever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		base := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return here, nil }}
		silent := grant.Impatient(base)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = io.Copy(io.Discard, there)
		}()
		req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, "http://api.github.invalid/user", nil)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		resp, err := silent.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
			t.Fatal("an answer came")
		}
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("the call ended after %v: %v", took, err)
		}
		<-ended
	})
}

// By default, that is what users' requests go through.
func TestManagerIsImpatientUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	app, err := oauth.New(oauth.Config{
		ClientID: "Iv23liexample", ClientSecrets: []oauth.Secret{oauth.NewSecret("not-a-secret")}, RedirectURL: callback,
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := grant.New(app, memory.New())
	if err != nil {
		t.Fatal(err)
	}
	if base, ok := grant.Base(m).(*http.Transport); !ok || base.ResponseHeaderTimeout <= 0 {
		t.Errorf("%T waits for an answer without an end", grant.Base(m))
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
