package oauth_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

// endless never runs out of answer.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestAnswerTooLongIsNotRead(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]io.Reader{
		"10 MB":   strings.NewReader(`{"access_token":"gho_a","pad":"` + strings.Repeat("a", 10<<20) + `"}`),
		"endless": endless{},
	} {
		counted := &countingReader{Reader: body}
		client := newClient(t, "", through(func(*http.Request) (*http.Response, error) {
			resp := answered(200, "")
			resp.Body = io.NopCloser(counted)
			return resp, nil
		}))
		_, err := client.Refresh(t.Context(), held())
		if e := asError(t, err, oauth.ErrTryLater); !e.Unknown {
			t.Errorf("%s: the error is %+v", name, e)
		}
		if counted.n > 2<<20 {
			t.Errorf("%s: %d bytes were read", name, counted.n)
		}
	}
}

type countingReader struct {
	io.Reader
	n int
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.n += n
	return n, err
}

func TestLongestAnswerIsRead(t *testing.T) {
	t.Parallel()
	body := `{"access_token":"gho_a"}`
	body += strings.Repeat(" ", 1<<20-len(body))
	if _, err := newClient(t, "", stub(200, "application/json", body)).Refresh(t.Context(), held()); err != nil {
		t.Error(err)
	}
	if _, err := newClient(t, "", stub(200, "application/json", body+" ")).Refresh(t.Context(), held()); err == nil {
		t.Error("one byte more was read too")
	}
}

func TestEachCallEndsInTime(t *testing.T) {
	t.Parallel()
	for name, do := range calls {
		for timeout, opts := range map[time.Duration][]oauth.Option{
			10 * time.Second: nil,
			time.Second:      {oauth.WithTimeout(time.Second)},
		} {
			synctest.Test(t, func(t *testing.T) {
				client := newClient(t, "", append(opts, through(hang))...)
				start := time.Now()
				err := do(t.Context(), client)
				e := asError(t, err, oauth.ErrTryLater)
				if !errors.Is(err, context.DeadlineExceeded) || !e.Unknown {
					t.Errorf("%s: the error is %+v", name, e)
				}
				if got := time.Since(start); got != timeout {
					t.Errorf("%s ended after %v, want %v", name, got, timeout)
				}
			})
		}
	}
}

// hang never answers.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// calls are all calls to GitHub.
var calls = map[string]func(context.Context, *oauth.Client) error{
	"exchange": func(ctx context.Context, c *oauth.Client) error {
		_, err := c.Exchange(ctx, code, verifier)
		return err
	},
	"refresh": func(ctx context.Context, c *oauth.Client) error { _, err := c.Refresh(ctx, held()); return err },
	"check token": func(ctx context.Context, c *oauth.Client) error {
		_, err := c.Check(ctx, held().AccessToken)
		return err
	},
	"revoke token": func(ctx context.Context, c *oauth.Client) error { return c.RevokeToken(ctx, held().AccessToken) },
	"revoke grant": func(ctx context.Context, c *oauth.Client) error { return c.RevokeGrant(ctx, held().AccessToken) },
	"read user": func(ctx context.Context, c *oauth.Client) error {
		_, err := c.User(ctx, held().AccessToken)
		return err
	},
}

func TestEachErrorNamesItsCall(t *testing.T) {
	t.Parallel()
	for name, do := range calls {
		for _, status := range []int{418, 500} {
			err := do(t.Context(), newClient(t, "", stub(status, "text/html", "")))
			if e := asError(t, err, oauth.ErrTryLater); e.Op != name || !strings.HasPrefix(err.Error(), name+": ") {
				t.Errorf("%s: the error is %+v", name, e)
			}
		}
	}
}

// trickle gives the start of an answer and then hangs.
type trickle struct {
	io.Reader
	ctx context.Context
}

func (r trickle) Read(p []byte) (int, error) {
	if n, err := r.Reader.Read(p); err == nil {
		return n, nil
	}
	<-r.ctx.Done()
	return 0, context.Cause(r.ctx)
}

func TestAnswerThatStopsHalfWayEndsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, "", through(func(r *http.Request) (*http.Response, error) {
			resp := answered(200, "")
			resp.Body = io.NopCloser(trickle{strings.NewReader(`{"access_token":`), r.Context()})
			return resp, nil
		}))
		start := time.Now()
		_, err := client.Refresh(t.Context(), held())
		e := asError(t, err, oauth.ErrTryLater)
		if !e.Unknown || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10*time.Second {
			t.Errorf("after %v the error is %+v", time.Since(start), e)
		}
	})
}

// A transport may have times of its own, shorter than the client's.
func TestTransportsOwnTimeoutIsATimeout(t *testing.T) {
	t.Parallel()
	for _, own := range []error{context.DeadlineExceeded, os.ErrDeadlineExceeded} {
		client := newClient(t, "", through(func(*http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("own: %w", own)
		}))
		_, err := client.Refresh(t.Context(), held())
		if e := asError(t, err, oauth.ErrTryLater); !e.Unknown || !strings.Contains(err.Error(), "in time") {
			t.Errorf("%v: the error is %+v", own, e)
		}
	}
}

func TestDialThatTakesTooLongIsNotUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// A transport goes on dialing for the next request when the one that asked for it is over.
		over := make(chan struct{})
		defer close(over)
		client := newClient(t, "", oauth.WithHTTPClient(&http.Client{Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				<-over
				return nil, net.ErrClosed
			},
		}}))
		_, err := client.Refresh(t.Context(), held())
		if e := asError(t, err, oauth.ErrTryLater); e.Unknown || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is %+v", e)
		}
	})
}

func TestCallerThatGivesUp(t *testing.T) {
	t.Parallel()
	secret := errors.New("a cause with " + refreshToken)
	ctx, cancel := context.WithCancelCause(t.Context())
	client := newClient(t, "", through(func(r *http.Request) (*http.Response, error) {
		cancel(secret)
		return hang(r)
	}))
	_, err := client.Refresh(ctx, held())
	if e := asError(t, err, oauth.ErrTryLater); !e.Unknown || !errors.Is(err, context.Canceled) || errors.Is(err, secret) {
		t.Errorf("the error is %+v", e)
	}
	// The second call has nothing to send.
	_, err = client.Refresh(ctx, held())
	if e := asError(t, err, oauth.ErrTryLater); e.Unknown || !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %+v", e)
	}
}

// A lost answer may have cost the refresh token; a call that never began can't have.
func TestLostAnswerIsUnknown(t *testing.T) {
	t.Parallel()
	half := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"access_token":"ghu_new"`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	for name, answer := range map[string]http.HandlerFunc{"no answer": cut, "half an answer": half} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, http2 %v", name, http2), func(t *testing.T) {
				t.Parallel()
				f := &fake{}
				f.Server = httptest.NewUnstartedServer(f.record(answer))
				f.EnableHTTP2 = http2
				f.StartTLS()
				t.Cleanup(f.Close)
				_, err := f.client(t).Refresh(t.Context(), held())
				if e := asError(t, err, oauth.ErrTryLater); !e.Unknown || e.Status != 0 {
					t.Errorf("the error is %+v", e)
				}
				f.only(t)
			})
		}
	}
}

func TestFailureBeforeTheRequestIsNotUnknown(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	private := httptest.NewUnstartedServer(http.NotFoundHandler())
	private.Config.ErrorLog = log.New(io.Discard, "", 0)
	private.StartTLS()
	t.Cleanup(private.Close)
	plain := newFake(t, http.NotFound)
	unreached := through(func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Err: errors.New("refused " + refreshToken)}
	})
	unnamed := through(func(*http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("wrapped: %w", &net.DNSError{Name: "github.com", IsNotFound: true})
	})
	for name, client := range map[string]*oauth.Client{
		"connection refused":           newClient(t, closed.URL),
		"certificate of nobody":        newClient(t, private.URL),
		"no tls":                       newClient(t, strings.Replace(plain.URL, "http:", "https:", 1)),
		"transport that can't dial":    newClient(t, "", unreached),
		"transport that finds no name": newClient(t, "", unnamed),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := client.Refresh(t.Context(), held())
			if e := asError(t, err, oauth.ErrTryLater); e.Unknown || e.Status != 0 {
				t.Errorf("the error is %+v", e)
			}
			if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
				t.Error("the error wraps the transport's")
			}
		})
	}
}

func TestTransportsOwnWordsAreNotRepeated(t *testing.T) {
	t.Parallel()
	for name, do := range calls {
		client := newClient(t, "", through(func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			return nil, fmt.Errorf("POST %s %s failed", r.Header, body)
		}), oauth.WithTimeout(time.Minute))
		if name == "read user" {
			continue // It has no body.
		}
		err := do(t.Context(), client)
		if e := asError(t, err, oauth.ErrTryLater); !e.Unknown {
			t.Errorf("%s: a transport that doesn't say how far it got: %+v", name, e)
		}
	}
}

func TestRedirectIsRefused(t *testing.T) {
	t.Parallel()
	other := newFake(t, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
	for _, status := range []int{301, 302, 303, 307, 308} {
		for name, do := range calls {
			f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, other.URL, status)
			})
			err := do(t.Context(), f.client(t))
			if e := asError(t, err, oauth.ErrMisconfigured); e.Status != status {
				t.Errorf("%s: the error is %+v", name, e)
			}
		}
	}
}

func TestTransportWithoutABodyIsUnderstood(t *testing.T) {
	t.Parallel()
	client := newClient(t, "", through(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusNoContent}, nil
	}))
	if err := client.RevokeToken(t.Context(), held().AccessToken); err != nil {
		t.Error(err)
	}
}
