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
	if base, ok := grant.DefaultTransport().(*http.Transport); !ok || base.ResponseHeaderTimeout <= 0 {
		t.Errorf("%T waits for an answer without an end", grant.DefaultTransport())
	}
}
